package group

import (
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors"
	"chronik/actors/message"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
	"chronik/wal"
)

// housekeepEvery is how often a shard looks at its log's size and its groups' lag.
const housekeepEvery = 15 * time.Second

// phase is where a shard is in its life: loading, then active; back to draining and loading when an append's outcome is
// unknown; resigned at the end.
type phase uint8

const (
	draining phase = iota // waits for its groups to end before it loads
	loading
	active
	resigned // waits for its groups to end before it ends
)

// shard coordinates the groups of one partition in one leader epoch.
type shard struct {
	node      *actors.Node
	partition kafka.PartitionIndex
	log       wal.GroupID
	epoch     kafka.LeaderEpoch
	logger    *slog.Logger

	phase     phase
	groups    map[string]*entry // active only
	loader    loader
	forgotten []string // topics that were deleted while loading
	rewrite   rewrite
	token     uint64 // of the newest question to the replica
	drains    uint64
	cancel    func() // of the one timer
}

// entry is what the shard knows of a group without asking it.
type entry struct {
	pid          *actor.PID
	exists       bool // false: made to answer a call, and nothing is known to be in it yet
	state        state
	protocolType string
	bytes        int
}

func newShard(node *actors.Node, e *message.CoordinatorElected) func() actor.Actor {
	return func() actor.Actor {
		return &shard{
			node: node, partition: e.Partition, log: e.Group, epoch: e.Epoch, groups: map[string]*entry{},
			logger: node.Env.Log.With("partition", TopicName, "index", int32(e.Partition), "epoch", int32(e.Epoch)),
		}
	}
}

// Receive implements actor.Actor.
func (s *shard) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		s.load(ctx)
	case *message.GroupCall:
		s.call(ctx, m)
	case *groupChanged:
		s.changed(m)
	case *groupGone:
		s.gone(ctx, m)
	case *groupLost:
		s.lost(ctx, m)
	case *message.DescribeReplicaReply:
		s.described(ctx, m)
	case *message.FetchReply:
		s.fetched(ctx, m)
	case *message.ColdRead:
		s.coldRead(ctx, m)
	case *retryLoad:
		s.retryLoad(ctx, m)
	case *message.TopicsDeleted:
		s.topicsDeleted(ctx, m)
	case *housekeep:
		s.housekeep(ctx)
	case *groupRewritten:
		s.rewritten(ctx, m)
	case *message.DeleteRecordsReply:
		s.shortened(m)
	case *resignShard:
		s.resign(ctx)
	case *actor.Terminated:
		s.terminated(ctx)
	case *childrenGone:
		s.childrenGone(ctx, m)
	case *actor.Stopped:
		s.stopTimer()
	}
}

func (s *shard) now() time.Time { return s.node.Env.Clock.Now() }

func (s *shard) limits() limits {
	c := s.node.Config()
	return limits{
		initialDelay: c.GroupInitialRebalanceWait, maxSize: c.GroupMaxSize, retention: c.OffsetsRetention,
		retentionCheck: c.OffsetsRetentionCheck, metadataMaxSize: c.OffsetMetadataMaxBytes,
	}
}

func (s *shard) call(ctx actor.Context, c *message.GroupCall) {
	switch s.phase {
	case draining, loading:
		c.ReplyTo.Send(ctx, groupReply(c.Token, refuseLoading(c.Request)))
		return
	case resigned:
		c.ReplyTo.Send(ctx, groupReply(c.Token, refuse(c.Request, kerror.NotCoordinator)))
		return
	}
	if req, ok := c.Request.(*kmsg.ListGroupsRequest); ok {
		c.ReplyTo.Send(ctx, groupReply(c.Token, s.list(req)))
		return
	}
	e := s.groups[c.Group]
	if e == nil {
		r, create := absentReply(c.Request)
		if !create {
			c.ReplyTo.Send(ctx, groupReply(c.Token, r))
			return
		}
		m := s.newMachine(c.Group)
		m.begin(s.now())
		e = s.spawn(ctx, m, false)
	}
	ctx.Send(e.pid, c)
}

func (s *shard) newMachine(id string) *machine {
	return newMachine(id, uuidFrom(s.node.Env.NewRand()), s.limits)
}

func (s *shard) spawn(ctx actor.Context, m *machine, exists bool) *entry {
	self := ctx.Self()
	pid := ctx.Spawn(s.node.Runtime.Props(actors.KindGroup, func() actor.Actor {
		return newGroupActor(s.node, self, s.log, s.epoch, m)
	}))
	e := &entry{pid: pid, exists: exists, state: m.state, protocolType: m.protocolType, bytes: m.size}
	s.groups[m.id] = e
	return e
}

// ids lists the groups in a fixed order.
func (s *shard) ids() []string { return slices.Sorted(maps.Keys(s.groups)) }

// list answers ListGroups 0-5 for this partition. Version 4 adds the filter by state (KIP-518), 5 by type (KIP-848).
func (s *shard) list(req *kmsg.ListGroupsRequest) *kmsg.ListGroupsResponse {
	r := refuse(req, kerror.None).(*kmsg.ListGroupsResponse)
	for _, id := range s.ids() {
		e := s.groups[id]
		if !e.exists || !matches(req.StatesFilter, e.state.String()) || !matches(req.TypesFilter, groupType) {
			continue
		}
		g := kmsg.NewListGroupsResponseGroup()
		g.Group, g.ProtocolType, g.GroupState, g.GroupType = id, e.protocolType, e.state.String(), groupType
		r.Groups = append(r.Groups, g)
	}
	return r
}

const groupType = "classic"

func (s *shard) changed(c *groupChanged) {
	if e := s.groups[c.ID]; e != nil && e.pid.Equal(c.PID) {
		e.exists, e.state, e.protocolType, e.bytes = true, c.State, c.ProtocolType, c.Bytes
	}
}

// gone ends a group behind all that was sent to it. A call that comes for it later makes a new one.
func (s *shard) gone(ctx actor.Context, g *groupGone) {
	if e := s.groups[g.ID]; e != nil && e.pid.Equal(g.PID) {
		delete(s.groups, g.ID)
		s.rewrite.forget(e.pid)
		s.finishRewrite(ctx)
		ctx.Poison(g.PID)
	}
}

// lost begins anew: what a group appended may or may not be in the log.
func (s *shard) lost(ctx actor.Context, l *groupLost) {
	if s.phase != active {
		return
	}
	s.logger.Warn("the outcome of an append is unknown; the partition is loaded again", "reason", l.Reason.String())
	s.drain(ctx, draining, kerror.CoordinatorLoadInProgress)
}

func (s *shard) resign(ctx actor.Context) {
	if s.phase != resigned {
		s.drain(ctx, resigned, kerror.NotCoordinator)
	}
}

// drain ends all groups; what they have parked is answered with code. The next step follows when the last has ended.
func (s *shard) drain(ctx actor.Context, next phase, code kerror.Code) {
	s.stopTimer()
	s.phase = next
	s.rewrite = rewrite{}
	s.loader = loader{}
	s.token++
	for _, id := range s.ids() {
		ctx.Send(s.groups[id].pid, &resignGroup{Code: code})
		ctx.Poison(s.groups[id].pid)
	}
	s.groups = map[string]*entry{}
	s.terminated(ctx)
}

// terminated goes on when the last group has ended, but behind the messages that groups sent before.
func (s *shard) terminated(ctx actor.Context) {
	if (s.phase == draining || s.phase == resigned) && len(ctx.Children()) == 0 {
		s.drains++
		ctx.Send(ctx.Self(), &childrenGone{Generation: s.drains})
	}
}

func (s *shard) childrenGone(ctx actor.Context, m *childrenGone) {
	if m.Generation != s.drains {
		return
	}
	switch s.phase {
	case draining:
		s.load(ctx)
	case resigned:
		ctx.Poison(ctx.Self())
	}
}

func (s *shard) topicsDeleted(ctx actor.Context, t *message.TopicsDeleted) {
	if s.phase != active {
		s.forgotten = append(s.forgotten, t.Names...)
		return
	}
	for _, id := range s.ids() {
		ctx.Send(s.groups[id].pid, t)
	}
}

func (s *shard) startTimer(ctx actor.Context, d time.Duration, m any) {
	s.stopTimer()
	root, self := ctx.ActorSystem().Root, ctx.Self()
	s.cancel = s.node.Env.Clock.After(d, func() { root.Send(self, m) })
}

func (s *shard) stopTimer() {
	if s.cancel != nil {
		s.cancel()
		s.cancel = nil
	}
}
