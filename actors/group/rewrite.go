package group

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors/message"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
)

// The log of a partition would grow for ever, since every commit is a record and __consumer_offsets is not compacted yet.
// So when it has grown well beyond what is alive in it, every group appends its whole state anew, and then everything
// before is deleted: what is left gives the same state. Replay stays bounded by rewriteFactor times the live state, or
// rewriteMinBytes.
const (
	rewriteMinBytes = 32 << 20
	rewriteFactor   = 8
	rewriteLimit    = 5 * time.Minute // a round that takes longer is given up
)

// rewrite is one round. Its cut lies before everything that the groups append in it.
type rewrite struct {
	round   uint64
	begun   time.Time
	cut     kafka.Offset
	missing map[string]*actor.PID // groups that have not answered, by PID
	failed  bool
}

func (r *rewrite) running() bool { return !r.begun.IsZero() }

// forget: a group that ended has tombstones behind the cut.
func (r *rewrite) forget(pid *actor.PID) { delete(r.missing, pid.Id) }

// housekeep is called now and then while the shard is active.
func (s *shard) housekeep(ctx actor.Context) {
	if s.phase != active {
		return
	}
	s.startTimer(ctx, housekeepEvery, &housekeep{})
	for _, id := range s.ids() {
		ctx.Send(s.groups[id].pid, &probeLag{})
	}
	if s.rewrite.running() {
		if s.now().Sub(s.rewrite.begun) > rewriteLimit {
			s.rewrite = rewrite{round: s.rewrite.round}
		}
		return
	}
	if pid := s.node.View.Replica(s.log); pid != nil {
		s.token++
		ctx.Send(pid, &message.DescribeReplica{ReplyTo: message.ReplyTo{PID: ctx.Self(), Token: s.token}})
	}
}

// considerRewrite begins a round when the log is much larger than what is alive in it.
func (s *shard) considerRewrite(ctx actor.Context, m *message.DescribeReplicaReply) {
	live := 0
	for _, e := range s.groups {
		live += e.bytes
	}
	if m.Reason != kerror.None || !m.Leader || m.LeaderEpoch != s.epoch || m.LogEnd == m.LogStart ||
		m.SizeBytes < rewriteMinBytes || m.SizeBytes < rewriteFactor*int64(live) {
		return
	}
	s.rewrite = rewrite{round: s.rewrite.round + 1, begun: s.now(), cut: m.LogEnd, missing: map[string]*actor.PID{}}
	for _, id := range s.ids() {
		pid := s.groups[id].pid
		s.rewrite.missing[pid.Id] = pid
		ctx.Send(pid, &rewriteGroup{Round: s.rewrite.round})
	}
	s.finishRewrite(ctx)
}

func (s *shard) rewritten(ctx actor.Context, m *groupRewritten) {
	if !s.rewrite.running() || m.Round != s.rewrite.round {
		return
	}
	s.rewrite.forget(m.PID)
	s.rewrite.failed = s.rewrite.failed || m.Code != kerror.None
	s.finishRewrite(ctx)
}

// finishRewrite deletes what lies before the cut once the last group has answered.
func (s *shard) finishRewrite(ctx actor.Context) {
	if !s.rewrite.running() || len(s.rewrite.missing) > 0 {
		return
	}
	done := s.rewrite
	s.rewrite = rewrite{round: done.round}
	pid := s.node.View.Replica(s.log)
	if done.failed || pid == nil {
		return
	}
	s.token++
	ctx.Send(pid, &message.DeleteRecords{
		ReplyTo: message.ReplyTo{PID: ctx.Self(), Token: s.token}, Before: done.cut, Deadline: s.now().Add(time.Minute),
	})
}

func (s *shard) shortened(m *message.DeleteRecordsReply) {
	if m.Reason != kerror.None {
		s.logger.Warn("the log of groups could not be shortened", "reason", m.Reason.String())
		return
	}
	s.logger.Info("the log of groups was shortened", "start", int64(m.LogStart))
}

// rewrite has the machine append its whole state, behind what it is writing already.
func (a *groupActor) rewrite(ctx actor.Context, m *rewriteGroup) {
	if a.lost || a.gone {
		return
	}
	self, root := ctx.Self(), ctx.ActorSystem().Root
	a.m.rewrite(a.now(), func(code kerror.Code) {
		root.Send(a.shard, &groupRewritten{Round: m.Round, PID: self, Code: code})
	})
	a.carryOut(ctx)
}

// rewrite enqueues the group's whole persistent state in appends of bounded size; done learns the first failure.
func (g *machine) rewrite(now time.Time, done func(kerror.Code)) {
	g.now = now
	var keys []offsetName
	g.offsets.each(func(topic string, partition int32, _ committed) { keys = append(keys, offsetName{topic, partition}) })
	const chunk = 2000
	outcome := kerror.None
	for first := true; first || len(keys) > 0; first = false {
		n := min(chunk, len(keys))
		part, withGroup := keys[:n], first
		keys = keys[n:]
		g.enqueue(&op{decide: func() []record { return g.stateOf(part, withGroup) }, done: func(code kerror.Code) {
			if code != kerror.None && outcome == kerror.None {
				outcome = code
			}
		}})
	}
	g.enqueue(&op{decide: func() []record {
		done(outcome)
		return nil
	}})
	g.settle()
}

type offsetName struct {
	topic     string
	partition int32
}

// stateOf is what is stored now under these keys; what is gone meanwhile has its tombstone in the log already.
func (g *machine) stateOf(keys []offsetName, withGroup bool) []record {
	var records []record
	if withGroup && g.stored != nil {
		records = append(records, groupRecord(g.id, g.stored))
	}
	for _, k := range keys {
		if c, ok := g.offsets.get(k.topic, k.partition); ok {
			records = append(records, offsetRecord(g.id, k.topic, k.partition, c))
		}
	}
	return records
}
