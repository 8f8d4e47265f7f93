package broker

import (
	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors/group"
	"chronik/actors/message"
	"chronik/protocol/kafka"
	"chronik/wal"
)

// leadershipChanged takes over what a local replica knows of its group's leader, and passes on what this node leads.
func (b *Broker) leadershipChanged(ctx actor.Context, m *message.LeadershipChanged) {
	l := m.Leadership
	v := b.node.View
	if b.replicas[m.Group] == nil && m.Group != wal.MetaGroup {
		return // of a replica that is gone
	}
	if l.Leader != v.NodeID {
		// A follower knows who leads, not who is in sync: it does not replace what the leader itself says in this term, and
		// whatever that one says next replaces it.
		l.Version = 0
		if known := v.Leader(m.Group); known.Term == l.Term {
			if l.Version = known.Version; known.Leader == l.Leader {
				l.InSync = known.InSync
			}
		}
	}
	v.SetLeader(m.Group, &l)
	if l.Leader == v.NodeID {
		b.leading[m.Group] = l
		b.gossip(ctx, m.Group, l)
	} else {
		delete(b.leading, m.Group)
	}
	ref, ok := v.Image().ByGroup[m.Group]
	if ok && ref.Topic.Name == group.TopicName {
		ctx.Send(v.Groups, &message.CoordinatorElected{Partition: ref.Partition.Index, Group: m.Group, Epoch: kafka.LeaderEpoch(l.Term), Leading: m.Leading})
	}
}
