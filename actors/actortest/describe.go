package actortest

import (
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors"
	"chronik/actors/message"
	"chronik/wal"
)

// describer asks every replica of a node for its figures and tells what they say.
type describer struct {
	node   *Node
	groups []wal.GroupID
	say    func(string)
}

func (d *describer) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		for i, g := range d.groups {
			if pid := d.node.View().Replica(g); pid != nil {
				ctx.Send(pid, &message.DescribeReplica{ReplyTo: message.ReplyTo{PID: ctx.Self(), Token: uint64(i)}})
			}
		}
	case *message.DescribeReplicaReply:
		d.say(fmt.Sprintf("node %d group %d: leader %v, epoch %d, high watermark %d, end %d, start %d, voters %+v",
			d.node.ID, d.groups[m.Token], m.Leader, m.LeaderEpoch, m.HighWatermark, m.LogEnd, m.LogStart, m.Voters))
	}
}

// Describe tells the state of the replicas of some groups, for a person who looks for what is stuck.
func (c *Cluster) Describe(groups ...wal.GroupID) (out []string) {
	for _, n := range c.Nodes {
		if n.Handle == nil {
			out = append(out, fmt.Sprintf("node %d is down", n.ID))
			continue
		}
		rt := n.Handle.Node.Runtime
		rt.System.Root.Spawn(rt.Props(actors.KindReplica, func() actor.Actor {
			return &describer{n, groups, func(s string) { out = append(out, s) }}
		}))
	}
	c.RunFor(100 * time.Millisecond)
	return out
}
