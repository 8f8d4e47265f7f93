package metadata

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors/cluster"
	"chronik/actors/message"
	"chronik/actors/raftgroup"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
	"chronik/wal"
)

// register makes a directory a member of the cluster, under a registration number that nobody had before. When its node was
// registered with another directory, that one is gone for good: it may have forgotten votes and records that it promised to
// keep, so its replicas are replaced by new ones, which begin as learners; the old number never votes again.
func (d *decider) register(n *cluster.Node) decision {
	have := d.im.Nodes[n.ID]
	switch {
	case n.ID < 0 || n.Directory == (wal.DirectoryID{}):
		return refuse(kerror.InvalidRegistration, "a node needs an id and a directory")
	case have != nil && have.Directory == n.Directory:
		return decision{body: struct{}{}}
	case slices.Contains(d.im.Retired, n.Directory):
		return refuse(kerror.InvalidRegistration, fmt.Sprintf("directory %s of node %d was a member before and may have forgotten what it promised: start the node on an empty directory", n.Directory, n.ID))
	case have != nil && d.online(n.ID):
		return refuse(kerror.DuplicateBrokerRegistration, fmt.Sprintf("node %d is running with directory %s", n.ID, have.Directory))
	}
	row := *n
	row.Replica = d.im.NextReplica
	if have != nil {
		row.Vote = have.Vote
	}
	d.add(record{Node: &row})
	if have != nil {
		d.replace(have.Replica, row.Replica)
	}
	return decision{body: struct{}{}}
}

// unregister takes a node out of the cluster that has no replicas any more. Its directory never comes back; a new one may.
func (d *decider) unregister(c *message.Unregister) decision {
	n := d.im.Nodes[c.Node]
	if n == nil {
		return refuse(kerror.BrokerIDNotRegistered, fmt.Sprintf("Broker ID %d is not currently registered", c.Node))
	}
	held, example := 0, ""
	for _, ref := range d.im.ByGroup {
		if ref.Partition.ReplicaOf(n.Replica) != 0 {
			held++
			if name := fmt.Sprintf("%s-%d", ref.Topic.Name, ref.Partition.Index); example == "" || name < example {
				example = name
			}
		}
	}
	switch {
	case held > 0:
		return refuse(kerror.InvalidRequest, fmt.Sprintf("node %d still has replicas of %d partitions, %s among them: move them to other nodes first", c.Node, held, example))
	case len(d.im.Nodes) == 1:
		return refuse(kerror.InvalidRequest, fmt.Sprintf("node %d is the only one", c.Node))
	}
	id := c.Node
	d.add(record{NodeGone: &id})
	return decision{body: struct{}{}}
}

// voterKey names a voter as Apache Kafka does.
func voterKey(id kafka.NodeID, d wal.DirectoryID) string {
	return fmt.Sprintf("ReplicaKey(id=%d, directoryId=%s)", id, base64.RawURLEncoding.EncodeToString(d[:]))
}

// setVoter makes a node vote in `__meta` for good, or not at all.
func (d *decider) setVoter(c *message.SetVoter) decision {
	n := d.im.Nodes[c.Node]
	var voters []*cluster.Node // and those that are to be
	for _, x := range sortedNodes(d.im) {
		if x.Vote == cluster.VoteAlways || x.Vote == cluster.VoteAsNeeded && slices.Contains(d.im.MetaVoters, x.Replica) {
			voters = append(voters, x)
		}
	}
	votes := slices.Contains(voters, n)
	asked, keys := voterKey(c.Node, c.Directory), []string{}
	for _, v := range voters {
		keys = append(keys, voterKey(v.ID, v.Directory))
	}
	switch {
	case !c.Votes && (n == nil || n.Directory != c.Directory || !votes || len(voters) == 1):
		return refuse(kerror.VoterNotFound, fmt.Sprintf("Cannot remove voter %s from the set of voters %s", asked, keys))
	case c.Votes && n == nil:
		return refuse(kerror.InvalidRequest, fmt.Sprintf("node %d is no member of the cluster: start it with --join first", c.Node))
	case c.Votes && n.Directory != c.Directory:
		return refuse(kerror.InvalidVoterKey, fmt.Sprintf("node %d is a member with directory %s, not %s", c.Node, n.Directory, c.Directory))
	case c.Votes && votes:
		return refuse(kerror.DuplicateVoter, fmt.Sprintf("The voter id for %s is already part of the set of voters %s.", asked, keys))
	}
	row := *n
	row.Vote = cluster.VoteNever
	if c.Votes {
		row.Vote = cluster.VoteAlways
	}
	d.add(record{Node: &row})
	return decision{body: struct{}{}}
}

// replace gives every partition that has a replica in a directory a target with another in its place.
func (d *decider) replace(old, with wal.ReplicaID) {
	for _, name := range slices.Sorted(maps.Keys(d.im.Topics)) {
		t := d.im.Topics[name]
		var changed []*cluster.Partition
		for _, p := range t.Partitions {
			if p.ReplicaOf(old) == 0 {
				continue
			}
			nodes, voters := p.Replicas, p.Voters
			if p.Target != nil {
				nodes, voters = p.Target, p.TargetVoters
			}
			voters = slices.Clone(voters)
			for i := range voters {
				if voters[i].Registration() == old {
					voters[i] = wal.NewReplicaID(with, p.Generation+1)
				}
			}
			changed = append(changed, towards(p, nodes, voters))
		}
		if len(changed) > 0 {
			d.add(record{Assigned: &partitionsRecord{Topic: t.ID, Partitions: changed}})
		}
	}
}

// metaVoters is how many nodes vote in `__meta`, unless it was formed with more; all others listen.
const metaVoters = 3

// driveMembers leads `__meta` to a configuration in which every registered directory, and nothing else, is a member.
func (m *Metadata) driveMembers(ctx actor.Context) {
	if m.ready() {
		m.g.Lead(ctx, m.members())
	}
}

// members is that configuration: who votes stays a voter unless it was asked not to, and listeners fill the places of those that
// are gone.
func (m *Metadata) members() raftgroup.Members {
	var to raftgroup.Members
	var rest []wal.ReplicaID
	places := len(m.conf.GetVoters())
	for _, n := range sortedNodes(m.image) {
		votes := slices.Contains(m.conf.GetVoters(), uint64(n.Replica))
		switch {
		case n.Vote == cluster.VoteNever:
			if to.Learners = append(to.Learners, n.Replica); votes {
				places--
			}
		case votes || n.Vote == cluster.VoteAlways:
			to.Voters = append(to.Voters, n.Replica)
		default:
			rest = append(rest, n.Replica)
		}
	}
	for _, r := range rest {
		if n := m.image.NodeByReplica(r); len(to.Voters) < max(metaVoters, places) && m.o.Node.View.Online(n.ID) {
			to.Voters = append(to.Voters, r)
		} else {
			to.Learners = append(to.Learners, r)
		}
	}
	return to
}
