package metadata

import (
	"encoding/json"
	"fmt"
	"slices"

	"chronik/actors/cluster"
	"chronik/actors/message"
	"chronik/protocol/config"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
)

// decision is what a command comes to: records to propose (none: nothing changes) and the answer.
type decision struct {
	records []record
	code    kerror.Code
	text    string
	body    any
}

func refuse(c kerror.Code, text string) decision { return decision{code: c, text: text} }

// decider decides commands against the tip.
type decider struct {
	im     *cluster.Image // the tip as a draft: every record that is decided is applied to it at once
	newID  func() kafka.TopicID
	online func(kafka.NodeID) bool // the leader's link to that node is up
	broker *config.Broker
	out    []record
}

func (d *decider) add(r record) {
	d.out = append(d.out, r)
	apply(d.im, &r)
}

// decide is the table of the commands.
func (d *decider) decide(kind message.CommandKind, body json.RawMessage) decision {
	var err error
	var out decision
	switch kind {
	case message.CmdCreateTopics:
		var c message.CreateTopics
		if err = json.Unmarshal(body, &c); err == nil {
			out = d.createTopics(&c)
		}
	case message.CmdDeleteTopics:
		var c message.DeleteTopics
		if err = json.Unmarshal(body, &c); err == nil {
			out = d.deleteTopics(&c)
		}
	case message.CmdCreatePartitions:
		var c message.CreatePartitions
		if err = json.Unmarshal(body, &c); err == nil {
			out = d.createPartitions(&c)
		}
	case message.CmdAlterConfigs:
		var c message.AlterConfigs
		if err = json.Unmarshal(body, &c); err == nil {
			out = d.alterConfigs(&c)
		}
	case message.CmdAllocateProducer:
		var c message.AllocateProducers
		if err = json.Unmarshal(body, &c); err == nil {
			out = d.allocateProducers(&c)
		}
	case message.CmdRegister:
		var n cluster.Node
		if err = json.Unmarshal(body, &n); err == nil {
			out = d.register(&n)
		}
	case message.CmdUnregister:
		var c message.Unregister
		if err = json.Unmarshal(body, &c); err == nil {
			out = d.unregister(&c)
		}
	case message.CmdSetVoter:
		var c message.SetVoter
		if err = json.Unmarshal(body, &c); err == nil {
			out = d.setVoter(&c)
		}
	case message.CmdReassign:
		var c message.Reassign
		if err = json.Unmarshal(body, &c); err == nil {
			out = d.reassign(&c)
		}
	case message.CmdReached:
		var c message.Reached
		if err = json.Unmarshal(body, &c); err == nil {
			out = d.reached(&c)
		}
	case message.CmdUpdateNode:
		var n cluster.Node
		if err = json.Unmarshal(body, &n); err == nil {
			out = d.updateNode(&n)
		}
	default:
		return refuse(kerror.InvalidRequest, fmt.Sprintf("unknown metadata command %q", kind))
	}
	if err != nil {
		return refuse(kerror.InvalidRequest, fmt.Sprintf("metadata command %s: %v", kind, err))
	}
	out.records = d.out
	return out
}

func (d *decider) createTopics(c *message.CreateTopics) decision {
	res := message.TopicResults{}
	for i := range c.Topics {
		res.Topics = append(res.Topics, d.createTopic(&c.Topics[i]))
	}
	return decision{body: res}
}

func (d *decider) createTopic(t *message.CreateTopic) message.TopicResult {
	fail := func(c kerror.Code, format string, args ...any) message.TopicResult {
		return message.TopicResult{Name: t.Name, Code: c, Message: fmt.Sprintf(format, args...), Partitions: -1, ReplicationFactor: -1}
	}
	if why := CheckName(t.Name); why != "" {
		return fail(kerror.InvalidTopicException, "%s", why)
	}
	if d.im.Topics[t.Name] != nil {
		return fail(kerror.TopicAlreadyExists, "Topic '%s' already exists.", t.Name)
	}
	if other := collides(d.im, t.Name); other != "" {
		return fail(kerror.InvalidTopicException, "Topic '%s' collides with existing topic: %s", t.Name, other)
	}
	if err := config.ValidateTopic(t.Configs); err != nil {
		return fail(kerror.InvalidConfig, "%s", err)
	}
	if len(t.Assignments) > 0 {
		ps, code, why := d.assigned(t.Assignments, 0, -1)
		if code != kerror.None {
			return fail(code, "%s", why)
		}
		return d.newTopic(t, ps)
	}
	count, rf := t.Partitions, t.ReplicationFactor
	if count == -1 {
		count = d.broker.NumPartitions
	}
	if rf == -1 {
		rf = d.defaultReplication(d.broker.DefaultReplicationFactor)
	}
	if count <= 0 {
		return fail(kerror.InvalidPartitions, "Number of partitions was set to an invalid non-positive value.")
	}
	if count > maxPartitions {
		return fail(kerror.InvalidPartitions, "Number of partitions %d is above the limit of %d.", count, maxPartitions)
	}
	if rf <= 0 {
		return fail(kerror.InvalidReplicationFactor, "Replication factor must be larger than 0, or -1 to use the default value.")
	}
	if int(rf) > len(d.im.Nodes) {
		return fail(kerror.InvalidReplicationFactor, "Unable to replicate the partition %d time(s): The target replication factor of %d cannot be reached because only %d broker(s) are registered.", rf, rf, len(d.im.Nodes))
	}
	return d.newTopic(t, place(d.im, 0, int(count), int(rf)))
}

// maxPartitions bounds one topic, so that one request cannot exhaust a node.
const maxPartitions = 10_000

// defaultReplication is min(3, voters) unless it is configured.
func (d *decider) defaultReplication(configured int16) int16 {
	if configured > 0 {
		return configured
	}
	return int16(min(3, len(d.im.Nodes)))
}

func (d *decider) newTopic(t *message.CreateTopic, ps []*cluster.Partition) message.TopicResult {
	r := topicRecord{Name: t.Name, ID: d.newID(), Internal: t.Internal, Partitions: ps, Configs: t.Configs}
	d.add(record{Topic: &r})
	return message.TopicResult{Name: t.Name, ID: r.ID, Partitions: int32(len(ps)), ReplicationFactor: int16(len(ps[0].Replicas))}
}

// assigned makes partitions from an explicit assignment, which must name first, first+1, … each with rf replicas; -1: with
// as many as the first one has.
func (d *decider) assigned(a map[int32][]int32, first int32, rf int) ([]*cluster.Partition, kerror.Code, string) {
	var ps []*cluster.Partition
	for i := range int32(len(a)) {
		ids, ok := a[first+i]
		if !ok {
			return nil, kerror.InvalidReplicaAssignment, "partitions should be a consecutive 0-based integer sequence"
		}
		replicas, why := d.registered(ids)
		if why != "" {
			return nil, kerror.InvalidReplicaAssignment, why
		}
		if rf >= 0 && len(ids) != rf {
			return nil, kerror.InvalidReplicaAssignment, fmt.Sprintf("The manual partition assignment includes a partition with %d replica(s), but this is not consistent with previous partitions, which have %d replica(s).", len(ids), rf)
		}
		rf = len(ids)
		ps = append(ps, partition(d.im, kafka.PartitionIndex(first+i), d.im.NextGroup+groupID(i), replicas))
	}
	return ps, kerror.None, ""
}

// registered reads a list of replicas; why says what is wrong with it, in Apache Kafka's words.
func (d *decider) registered(ids []int32) (nodes []kafka.NodeID, why string) {
	if len(ids) == 0 {
		return nil, "The manual partition assignment includes an empty replica list."
	}
	for _, id := range ids {
		n := kafka.NodeID(id)
		if d.im.Nodes[n] == nil {
			return nil, fmt.Sprintf("The manual partition assignment includes broker %d, but no such broker is registered.", id)
		}
		if slices.Contains(nodes, n) {
			return nil, fmt.Sprintf("The manual partition assignment includes the broker %d more than once.", id)
		}
		nodes = append(nodes, n)
	}
	return nodes, ""
}

func (d *decider) deleteTopics(c *message.DeleteTopics) decision {
	res := message.TopicResults{}
	for _, n := range c.Topics {
		r := message.TopicResult{Name: n.Name, ID: n.ID}
		t := d.im.Topics[n.Name]
		missing := kerror.UnknownTopicOrPartition
		if n.Name == "" {
			t, missing = d.im.ByID[kafka.TopicID(n.ID)], kerror.UnknownTopicID
		}
		if t == nil {
			r.Code, r.Message = missing, missing.Text()
		} else {
			r.Name, r.ID = t.Name, t.ID
			id := t.ID
			d.add(record{Deleted: &id})
		}
		res.Topics = append(res.Topics, r)
	}
	return decision{body: res}
}

func (d *decider) createPartitions(c *message.CreatePartitions) decision {
	res := message.TopicResults{}
	for i := range c.Topics {
		g := &c.Topics[i]
		code, text := d.grow(g)
		res.Topics = append(res.Topics, message.TopicResult{Name: g.Name, Code: code, Message: text})
	}
	return decision{body: res}
}

func (d *decider) grow(g *message.GrowTopic) (kerror.Code, string) {
	t := d.im.Topics[g.Name]
	if t == nil {
		return kerror.UnknownTopicOrPartition, ""
	}
	have := int32(len(t.Partitions))
	switch {
	case g.Count == have:
		return kerror.InvalidPartitions, fmt.Sprintf("Topic already has %d partition(s).", have)
	case g.Count < have:
		return kerror.InvalidPartitions, fmt.Sprintf("The topic %s currently has %d partition(s); %d would not be an increase.", g.Name, have, g.Count)
	case g.Count > maxPartitions:
		return kerror.InvalidPartitions, fmt.Sprintf("Number of partitions %d is above the limit of %d.", g.Count, maxPartitions)
	}
	var ps []*cluster.Partition
	if g.Assignments != nil {
		if len(g.Assignments) != int(g.Count-have) {
			return kerror.InvalidReplicaAssignment, fmt.Sprintf("Attempted to add %d additional partition(s), but only %d assignment(s) were specified.", g.Count-have, len(g.Assignments))
		}
		a := map[int32][]int32{}
		for i, ids := range g.Assignments {
			a[have+int32(i)] = ids
		}
		var code kerror.Code
		var why string
		if ps, code, why = d.assigned(a, have, len(t.Partitions[0].Replicas)); code != kerror.None {
			return code, why
		}
	} else {
		rf := min(len(t.Partitions[0].Replicas), len(d.im.Nodes))
		ps = place(d.im, int(have), int(g.Count-have), rf)
	}
	d.add(record{Partitions: &partitionsRecord{Topic: t.ID, Partitions: ps}})
	return kerror.None, ""
}

func (d *decider) allocateProducers(c *message.AllocateProducers) decision {
	n := max(1, min(c.Count, 10_000))
	first := d.im.NextProducer
	d.add(record{Producers: &producersRecord{Next: first + kafka.ProducerID(n)}})
	return decision{body: message.ProducerBlock{First: int64(first), Count: n}}
}

// updateNode registers what a node says of itself; its registration number must be the one that it was given.
func (d *decider) updateNode(n *cluster.Node) decision {
	have := d.im.Nodes[n.ID]
	if have == nil || have.Replica != n.Replica || have.Directory != n.Directory {
		return refuse(kerror.InvalidRegistration, fmt.Sprintf("node %d is not registered with directory %x", n.ID, n.Directory))
	}
	row := *n
	row.Vote = have.Vote
	if *have != row {
		d.add(record{Node: &row})
	}
	return decision{body: struct{}{}}
}
