package metadata

import (
	"fmt"
	"slices"

	"chronik/actors/cluster"
	"chronik/actors/message"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
	"chronik/wal"
)

// reassign gives partitions a target. Their groups' leaders lead them there (package replica, membership.go) and say so.
func (d *decider) reassign(c *message.Reassign) decision {
	res := message.ReassignResults{}
	for i := range c.Topics {
		t := &c.Topics[i]
		var changed []*cluster.Partition
		for k := range t.Partitions {
			p, code, text := d.retarget(t.Name, &t.Partitions[k], c.KeepFactors)
			res.Partitions = append(res.Partitions, message.ReassignResult{Code: code, Message: text})
			if p != nil {
				changed = append(changed, p)
			}
		}
		if len(changed) > 0 {
			d.add(record{Assigned: &partitionsRecord{Topic: d.im.Topics[t.Name].ID, Partitions: changed}})
		}
	}
	return decision{body: res}
}

// retarget returns a partition with its new target; nil: nothing changes. Codes and texts are those of Apache Kafka's
// ReplicationControlManager.
func (d *decider) retarget(topic string, c *message.ReassignPartition, keepFactor bool) (*cluster.Partition, kerror.Code, string) {
	t := d.im.Topics[topic]
	if t == nil {
		return nil, kerror.UnknownTopicOrPartition, fmt.Sprintf("Unable to find a topic named %s.", topic)
	}
	if c.Index < 0 || int(c.Index) >= len(t.Partitions) {
		return nil, kerror.UnknownTopicOrPartition, fmt.Sprintf("Unable to find partition %s:%d.", topic, c.Index)
	}
	have := t.Partitions[c.Index]
	if c.Replicas == nil {
		if !have.Reassigning() {
			return nil, kerror.NoReassignmentInProgress, ""
		}
		return towards(have, have.Replicas, have.Voters), kerror.None, ""
	}
	nodes, why := d.registered(c.Replicas)
	switch {
	case why != "":
		return nil, kerror.InvalidReplicaAssignment, why
	case keepFactor && len(nodes) != len(have.Replicas):
		return nil, kerror.InvalidReplicationFactor, fmt.Sprintf("The replication factor is changed from %d to %d", len(have.Replicas), len(nodes))
	case have.Target == nil && slices.Equal(nodes, have.Replicas):
		return nil, kerror.None, "" // it is there already
	}
	voters := make([]wal.ReplicaID, len(nodes))
	for i, id := range nodes {
		registration := d.im.Nodes[id].Replica
		if voters[i] = have.ReplicaOf(registration); voters[i] == 0 {
			voters[i] = wal.NewReplicaID(registration, have.Generation+1)
		}
	}
	return towards(have, nodes, voters), kerror.None, ""
}

// towards is a partition with another target. Whoever was on the way to the old one may be a voter by now: it keeps what it has
// until the group's leader says that the new one is reached.
func towards(have *cluster.Partition, nodes []kafka.NodeID, voters []wal.ReplicaID) *cluster.Partition {
	p := *have
	p.Generation++
	p.Birth = have.BirthVoters()
	p.Target, p.TargetVoters = nodes, voters
	p.Former = nil
	for _, v := range append(slices.Clone(have.TargetVoters), have.Former...) {
		if !slices.Contains(voters, v) && !slices.Contains(have.Voters, v) {
			p.Former = append(p.Former, v)
		}
	}
	return &p
}

// reached takes note of a group that is where its target is; of anything else it does not.
func (d *decider) reached(c *message.Reached) decision {
	ref, ok := d.im.ByGroup[c.Group]
	if ok && sameMembers(ref.Partition.TargetVoters, c.Voters) {
		p := *ref.Partition
		p.Replicas, p.Voters = p.Target, p.TargetVoters
		p.Target, p.TargetVoters, p.Former = nil, nil, nil
		d.add(record{Assigned: &partitionsRecord{Topic: ref.Topic.ID, Partitions: []*cluster.Partition{&p}}})
	}
	return decision{body: struct{}{}}
}

func sameMembers(a, b []wal.ReplicaID) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}
