package replica

import (
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	pb "go.etcd.io/raft/v3/raftpb"

	"chronik/actors"
	"chronik/actors/message"
	"chronik/actors/raftgroup"
	"chronik/protocol/config"
	"chronik/protocol/kafka"
	"chronik/raftnode"
	"chronik/wal"
)

// Options of a replica.
type Options struct {
	Node        *actors.Node
	Birth       wal.Birth
	Restored    *wal.GroupState   // nil: a new replica
	Segments    *wal.SegmentState // nil: none yet
	Configs     map[string]string // the topic's own configs
	First       bool              // it is the first of the partition's replicas: it should lead
	Incarnation uint64
	// Target is where a reassignment under way leads the group; nil: there is none.
	Target []wal.ReplicaID
	// FlushBytes is how much committed data stays in memory before it moves to segments; 0 means 16 MiB: each
	// move costs some ten system calls and two commits of the file system's journal.
	FlushBytes int64
	// KeepBytes is how much of the flushed log stays in memory for followers that are a little behind; 0 means 16 MiB.
	KeepBytes int64
}

// Replica is the actor.
type Replica struct {
	o   Options
	g   *raftgroup.Group
	log partitionLog
	cfg config.Topic
	now time.Time

	queue      []*pendingAppend // proposed, not yet seen in the log, in order
	waiters    []*pendingAppend // in the log, by index, waiting for their acknowledgement
	durable    wal.Position     // this disk has the log up to here
	confirmed  bool             // the first entry of this leader's own term is applied
	parked     []*parkedFetch
	deletes    []pendingDelete
	isr        inSync
	pos        wal.Position // of the newest applied entry
	conf       *pb.ConfState
	confs      []confAt  // those that are not in segments yet, and the newest that is
	told       time.Time // when the metadata log was last told that the target is reached
	flush      flushing
	copy       *copying          // from the leader's segments; nil: not needed
	lookups    map[uint64]lookup // questions to the segment reader
	nextLookup uint64
	barriers   barriers
	diskFull   bool
	closing    bool
	rests      bool // the broker was told that no ticks are needed
	lastSweep  time.Time
	lastExpiry kafka.Timestamp // of silent producers
}

// New returns the producer of a replica actor. An error of what was recovered is a reason not to start the replica.
func New(o Options) (func() actor.Actor, error) {
	r := &Replica{o: o, lookups: map[uint64]lookup{}}
	if o.FlushBytes == 0 {
		r.o.FlushBytes = 16 << 20
	}
	if o.KeepBytes == 0 {
		r.o.KeepBytes = 16 << 20
	}
	if r.o.Birth.Self == 0 {
		r.o.Birth.Self = o.Node.Self()
	}
	start, err := r.restore()
	if err != nil {
		return nil, err
	}
	if err := r.configure(o.Configs); err != nil {
		return nil, err
	}
	r.g, err = raftgroup.New(raftgroup.Config{Node: o.Node, Group: o.Birth.Group, Name: o.Birth.Name, Self: r.self(), Start: start,
		Restored: o.Restored, Incarnation: o.Incarnation, First: o.First}, r)
	if err != nil {
		return nil, err
	}
	return func() actor.Actor { return r }, nil
}

// restore builds the log's view from segments, checkpoint and the WAL's tail.
func (r *Replica) restore() (raftnode.Start, error) {
	start := raftnode.Start{Conf: confOf(r.o.Birth.Voters, nil)}
	flushed := newState()
	if s := r.o.Segments; s != nil {
		c, err := decodeCheckpoint(s.Checkpoint)
		if err != nil {
			return start, fmt.Errorf("%s: %w", r.o.Birth.Name, err)
		}
		flushed = c.State
		r.log.segments, r.log.flushedTo = s.Segments, s.Last
		start.Conf = c.conf()
	}
	start.Base, start.Applied = r.log.flushedTo, r.log.flushedTo.Index
	r.log.flushed, r.log.end = flushed, flushed.clone()
	r.log.first = r.log.flushedTo.Index + 1
	r.log.high, r.log.start = flushed.NextOffset, flushed.LogStart
	if w := r.o.Restored; w != nil {
		start.HardState = w.HardState
		if w.Base.Index > r.log.flushedTo.Index {
			return start, fmt.Errorf("%s: the log begins behind entry %d, segments end at %d: segments are missing", r.o.Birth.Name, w.Base.Index, r.log.flushedTo.Index)
		}
		replaced := false // by what was copied into segments: the log had no time to say so
		for i := range w.Entries {
			e := &w.Entries[i]
			if e.Index == r.log.flushedTo.Index && e.Term != r.log.flushedTo.Term {
				replaced = true
			}
			if replaced || e.Index < r.log.first || e.Term < r.log.flushedTo.Term {
				continue // or in segments already: the release did not get through
			}
			if e.Index != r.log.last()+1 {
				return start, fmt.Errorf("%s: the log continues at entry %d, segments end at %d", r.o.Birth.Name, e.Index, r.log.last())
			}
			start.Entries = append(start.Entries, *e)
			r.log.push(e)
			applyTo(r.log.end, e)
		}
	}
	r.pos, r.conf = start.Base, start.Conf
	r.confs = []confAt{{start.Base.Index, start.Conf}}
	r.durable = wal.Position{Index: r.log.last()}
	if n := len(start.Entries); n > 0 {
		r.durable.Term = start.Entries[n-1].Term
	}
	return start, nil
}

func confOf(voters, learners []wal.ReplicaID) *pb.ConfState {
	c := &pb.ConfState{}
	for _, v := range voters {
		c.Voters = append(c.Voters, uint64(v))
	}
	for _, v := range learners {
		c.Learners = append(c.Learners, uint64(v))
	}
	return c
}

func (r *Replica) configure(overrides map[string]string) error {
	cfg, err := config.EffectiveTopic(overrides, r.o.Node.Config())
	if err != nil {
		return fmt.Errorf("%s: %w", r.o.Birth.Name, err)
	}
	r.cfg, r.o.Configs = cfg, overrides
	return nil
}

// Receive implements actor.Actor.
func (r *Replica) Receive(ctx actor.Context) {
	r.receive(ctx)
	r.keepTime(ctx)
}

// receive is the table of contents.
func (r *Replica) receive(ctx actor.Context) {
	r.g.Use(ctx)
	if r.closing && r.refuse(ctx) {
		return
	}
	if r.diskFull && carriesBatches(ctx.Message()) || r.g.Receive(ctx) {
		r.leaderLost(ctx)
		return
	}
	switch m := ctx.Message().(type) {
	case *actor.Started:
		r.started(ctx)
	case *message.AppendBatch:
		r.append(ctx, m)
	case *message.Fetch:
		r.fetch(ctx, m)
	case *message.CancelFetch:
		r.cancelFetch(m)
	case *message.ListOffsets:
		r.listOffsets(ctx, m)
	case *message.ReadBarrier:
		r.readBarrier(ctx, m)
	case *message.TimestampFound:
		r.timestampFound(ctx, m)
	case *message.FindEpochEnd:
		r.findEpochEnd(ctx, m)
	case *message.DeleteRecords:
		r.deleteRecords(ctx, m)
	case *message.DescribeReplica:
		r.describe(ctx, m)
	case *message.Tick:
		r.tick(ctx, m)
	case *message.SegmentWritten:
		r.segmentWritten(ctx, m)
	case *message.ReleaseLog:
		r.release(ctx, m)
	case *message.SegmentRequest:
		r.segmentRequest(ctx, m)
	case *message.SegmentChunk:
		r.chunk(ctx, m)
	case *message.ConfigChanged:
		r.configChanged(m)
	case *message.TargetChanged:
		r.o.Target = m.Target
	case *message.DiskState:
		r.diskFull = m.Full
	case *message.TransferLeadership:
		r.transfer(ctx, m)
	case *message.StopReplica:
		r.close(ctx, m)
	}
}

func (r *Replica) started(ctx actor.Context) {
	r.now = r.o.Node.Env.Clock.Now()
	r.lastSweep, r.lastExpiry = r.now, kafka.Timestamp(r.now.UnixMilli())
	r.g.Begin(ctx)
}

func (r *Replica) tick(ctx actor.Context, m *message.Tick) {
	r.now = m.Now
	r.g.Tick(ctx, m.N)
	r.expireWaiters(ctx)
	r.expireFetches(ctx)
	r.expireDeletes(ctx)
	r.tickCopy(ctx)
	r.sweepInSync(ctx)
	r.driveMembers(ctx)
	if r.g.Leading() && r.now.Sub(r.lastSweep) >= r.o.Node.Config().RetentionCheck {
		r.lastSweep = r.now
		r.sweepRetention(ctx)
	}
	r.maybeFlush(ctx)
}

func (r *Replica) configChanged(m *message.ConfigChanged) {
	if err := r.configure(m.Configs); err != nil {
		panic("BUG: the metadata log holds configs that do not parse: " + err.Error())
	}
}

func (r *Replica) transfer(ctx actor.Context, m *message.TransferLeadership) {
	r.g.Transfer(ctx, m.To)
	m.Send(ctx, &message.TransferLeadershipReply{Answered: message.Answered{Token: m.Token}})
}

func (r *Replica) epoch() kafka.LeaderEpoch { return kafka.LeaderEpoch(r.g.Role().Term) }
