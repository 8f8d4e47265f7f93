package group

import (
	"maps"
	"slices"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors"
	"chronik/actors/message"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
)

// manager routes calls to the shard of the group's partition. It blocks on nothing and decides nothing.
type manager struct {
	node   *actors.Node
	shards map[kafka.PartitionIndex]*shardRef
	lists  map[uint64]*listing
	token  uint64
}

type shardRef struct {
	pid   *actor.PID
	epoch kafka.LeaderEpoch
}

// listing gathers one ListGroups from all shards.
type listing struct {
	call    *message.GroupCall
	missing int
	code    kerror.Code
	groups  []kmsg.ListGroupsResponseGroup
}

// NewManager returns the producer of a node's group manager, to be spawned with KindGroup as View.Groups. It expects
// CoordinatorElected for every partition of __consumer_offsets that the node begins or ceases to lead, and GroupCall from
// connections; each call gets exactly one GroupReply. Calls may wait for other members (JoinGroup up to the group's
// rebalance timeout and SyncGroup likewise), all others at most 5 seconds.
//
// A GroupCall concerns one group: DescribeGroups and DeleteGroups carry one name, OffsetFetch has the form of version 8
// or later with one group. Topic names, and ids where known, have been put into OffsetCommit, OffsetFetch and OffsetDelete
// by the caller, who has also dropped what does not exist; byte slices in the request belong to the coordinator.
func NewManager(node *actors.Node) func() actor.Actor {
	return func() actor.Actor {
		return &manager{node: node, shards: map[kafka.PartitionIndex]*shardRef{}, lists: map[uint64]*listing{}}
	}
}

// Receive implements actor.Actor.
func (m *manager) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *message.GroupCall:
		m.call(ctx, msg)
	case *message.GroupReply:
		m.listed(ctx, msg)
	case *message.CoordinatorElected:
		m.elected(ctx, msg)
	case *message.TopicsDeleted:
		m.topicsDeleted(ctx, msg)
	}
}

func (m *manager) call(ctx actor.Context, c *message.GroupCall) {
	if _, ok := c.Request.(*kmsg.ListGroupsRequest); ok {
		m.list(ctx, c)
		return
	}
	topic := m.node.View.Image().Topics[TopicName]
	if topic != nil && len(topic.Partitions) > 0 {
		if s := m.shards[PartitionFor(c.Group, len(topic.Partitions))]; s != nil {
			ctx.Send(s.pid, c)
			return
		}
	}
	c.ReplyTo.Send(ctx, groupReply(c.Token, refuse(c.Request, kerror.NotCoordinator)))
}

// partitions lists the partitions coordinated here in a fixed order.
func (m *manager) partitions() []kafka.PartitionIndex { return slices.Sorted(maps.Keys(m.shards)) }

func (m *manager) list(ctx actor.Context, c *message.GroupCall) {
	if len(m.shards) == 0 {
		c.ReplyTo.Send(ctx, groupReply(c.Token, refuse(c.Request, kerror.None)))
		return
	}
	m.token++
	m.lists[m.token] = &listing{call: c, missing: len(m.shards)}
	for _, p := range m.partitions() {
		ctx.Send(m.shards[p].pid, &message.GroupCall{ReplyTo: message.ReplyTo{PID: ctx.Self(), Token: m.token}, Request: c.Request})
	}
}

func (m *manager) listed(ctx actor.Context, r *message.GroupReply) {
	l := m.lists[r.Token]
	if l == nil {
		return
	}
	part := r.Response.(*kmsg.ListGroupsResponse)
	if part.ErrorCode != 0 {
		l.code = kerror.Code(part.ErrorCode)
	}
	l.groups = append(l.groups, part.Groups...)
	l.missing--
	if l.missing > 0 {
		return
	}
	delete(m.lists, r.Token)
	out := refuse(l.call.Request, l.code).(*kmsg.ListGroupsResponse)
	if l.code == kerror.None {
		out.Groups = l.groups
		slices.SortFunc(out.Groups, func(a, b kmsg.ListGroupsResponseGroup) int {
			switch {
			case a.Group < b.Group:
				return -1
			case a.Group > b.Group:
				return 1
			}
			return 0
		})
	}
	l.call.ReplyTo.Send(ctx, groupReply(l.call.Token, out))
}

// elected starts or ends a shard. Each leader epoch has a shard of its own; the replica refuses appends of an older one.
func (m *manager) elected(ctx actor.Context, e *message.CoordinatorElected) {
	s := m.shards[e.Partition]
	if s != nil && (e.Epoch < s.epoch || e.Epoch == s.epoch && e.Leading) {
		return
	}
	if s != nil {
		delete(m.shards, e.Partition)
		ctx.Send(s.pid, &resignShard{})
	}
	if e.Leading {
		pid := ctx.Spawn(m.node.Runtime.Props(actors.KindGroup, newShard(m.node, e)))
		m.shards[e.Partition] = &shardRef{pid: pid, epoch: e.Epoch}
	}
}

func (m *manager) topicsDeleted(ctx actor.Context, t *message.TopicsDeleted) {
	for _, p := range m.partitions() {
		ctx.Send(m.shards[p].pid, t)
	}
}
