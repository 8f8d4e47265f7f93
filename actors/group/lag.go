package group

import (
	"fmt"

	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors"
	"chronik/actors/message"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
)

// maxProbed bounds the partitions of one group that are asked for their high watermark in one round.
const maxProbed = 512

// lagProbe is one round of asking this node's own replicas, which is cheap and at most a heartbeat behind the leader, how
// far a group is behind. Partitions without a replica here are left out.
type lagProbe struct {
	token   uint64  // of the newest question; those of a round are consecutive
	first   uint64  // token of the round's first question
	offsets []int64 // committed offsets, by token - first
	missing int     // questions without an answer
	sum     int64
	shown   bool
}

// probeLag begins a round; an unfinished one is abandoned.
func (a *groupActor) probeLag(ctx actor.Context) {
	if a.lost || a.gone || a.node.Metrics == nil || len(a.m.offsets) == 0 {
		return
	}
	p := &a.lag
	p.first, p.offsets, p.sum = p.token+1, p.offsets[:0], 0
	image := a.node.View.Image()
	for _, name := range a.m.offsets.topics() {
		topic := image.Topics[name]
		if topic == nil {
			continue
		}
		for _, partition := range a.m.offsets.partitions(name) {
			if int(partition) >= len(topic.Partitions) || len(p.offsets) == maxProbed {
				break
			}
			pid := a.node.View.Replica(topic.Partitions[partition].Group)
			if pid == nil {
				continue
			}
			c, _ := a.m.offsets.get(name, partition)
			p.token++
			p.offsets = append(p.offsets, c.Offset)
			ctx.Send(pid, &message.DescribeReplica{ReplyTo: message.ReplyTo{PID: ctx.Self(), Token: p.token}})
		}
	}
	p.missing = len(p.offsets)
}

// described takes one answer; after the last one the gauge is set.
func (a *groupActor) described(m *message.DescribeReplicaReply) {
	p := &a.lag
	if m.Token < p.first || m.Token > p.token || p.missing == 0 {
		return
	}
	if m.Reason == kerror.None {
		behind := m.HighWatermark - max(kafka.Offset(p.offsets[m.Token-p.first]), m.LogStart)
		p.sum += int64(max(behind, 0))
	}
	p.missing--
	if p.missing == 0 && a.node.Metrics != nil && !a.gone {
		a.node.Metrics.GetOrCreateGauge(lagGauge(a.m.id), nil).Set(float64(p.sum))
		p.shown = true
	}
}

// close removes the gauge: a group that is not coordinated here leaves no figure behind.
func (p *lagProbe) close(node *actors.Node, id string) {
	if p.shown {
		node.Metrics.UnregisterMetric(lagGauge(id))
	}
}

func lagGauge(group string) string { return fmt.Sprintf("chronik_group_lag_records{group=%q}", group) }
