package replica

import (
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	pb "go.etcd.io/raft/v3/raftpb"

	"chronik/actors/message"
	"chronik/protocol/batch"
	"chronik/protocol/config"
	"chronik/wal"
)

const (
	// copyBytes is how much a follower asks for at a time; one question is under way.
	copyBytes = 1 << 20
	// copyPatience is how long it waits for an answer before it gives up; Raft then offers a snapshot anew.
	copyPatience = 10 * time.Second
)

// copying is a follower's way to a snapshot: a snapshot is a position and a checkpoint; the entries up to it are copied
// from the leader's segments into ours. Nothing of it is promised by the manifest until all of it is there.
type copying struct {
	from   wal.ReplicaID
	pos    wal.Position
	last   *checkpoint
	raw    []byte
	next   wal.Index
	offset int64 // of the first batch to come
	began  bool  // something was handed to the segment writer
	ended  bool  // the last entry was handed to it
	failed bool  // what was held is being given up
	token  uint64
	since  time.Time
	done   func(bool)
}

// Snapshot implements raftgroup.Machine: the position up to which this leader has segments, and the state as of it.
func (r *Replica) Snapshot() ([]byte, wal.Position, *pb.ConfState, bool) {
	if r.log.flushedTo.Index == 0 || r.closing {
		return nil, wal.Position{}, nil, false
	}
	conf := r.confAt(r.log.flushedTo.Index)
	return newCheckpoint(r.log.flushed, r.log.flushedTo, conf).encode(), r.log.flushedTo, conf, true
}

// Prepare implements raftgroup.Machine.
func (r *Replica) Prepare(from wal.ReplicaID, data []byte, pos wal.Position, done func(bool)) {
	ctx := r.context()
	c, err := decodeCheckpoint(data)
	if err != nil || c.Last != pos || r.copy != nil || r.closing {
		r.o.Node.Env.Log.Warn("a snapshot is refused", "partition", r.o.Birth.Name, "index", uint64(pos.Index), "error", err)
		done(false)
		return
	}
	r.o.Node.Env.Log.Info("copying segments from the leader", "partition", r.o.Birth.Name, "have", uint64(r.log.flushedTo.Index), "want", uint64(pos.Index))
	r.copy = &copying{from: from, pos: pos, last: c, raw: data, next: r.log.flushedTo.Index + 1, offset: int64(r.log.flushed.NextOffset), done: done}
	if !r.flush.busy { // else it begins when the flush that is under way has ended
		r.askEntries(ctx)
	}
}

func (r *Replica) askEntries(ctx actor.Context) {
	c := r.copy
	link := r.o.Node.Link(c.from)
	if link == nil {
		r.abortCopy(ctx, "the link to the leader is down")
		return
	}
	r.nextLookup++
	c.token, c.since = r.nextLookup, r.o.Node.Env.Clock.Now()
	ctx.Send(link, &message.SegmentRequest{Group: r.o.Birth.Group, Index: c.next, UpTo: c.pos.Index, MaxBytes: copyBytes, Token: c.token})
}

// chunk takes entries from the leader and hands them to the segment writer.
func (r *Replica) chunk(ctx actor.Context, m *message.SegmentChunk) {
	c := r.copy
	if c == nil || m.Token != c.token || c.failed {
		return
	}
	c.token = 0
	if m.Why != "" {
		r.abortCopy(ctx, m.Why)
		return
	}
	a := wal.SegmentAppend{Group: r.o.Birth.Group, Name: r.o.Birth.Name, NextOffset: c.offset, Hold: true}
	if len(m.Copied.Entries) == 0 {
		// What we lack was deleted by retention: all that we have lies below the log start.
		if m.Copied.First <= c.next || m.Copied.First > c.pos.Index {
			r.abortCopy(ctx, fmt.Sprintf("the leader has entries from %d on, wanted is %d", m.Copied.First, c.next))
			return
		}
		c.next, c.offset = m.Copied.First, m.Copied.FirstOffset
		a.Restart, a.NextOffset = true, c.offset
	}
	for i := range m.Copied.Entries {
		e := &m.Copied.Entries[i]
		if why := c.accept(e); why != "" {
			r.abortCopy(ctx, why)
			return
		}
	}
	a.Entries = m.Copied.Entries
	if c.next > c.pos.Index {
		if kafkaEnd := int64(c.last.State.NextOffset); c.offset != kafkaEnd {
			r.abortCopy(ctx, fmt.Sprintf("the copied records end at offset %d, the checkpoint at %d", c.offset, kafkaEnd))
			return
		}
		c.ended = true
		a.Hold, a.Checkpoint, a.LogStart = false, c.raw, int64(c.last.State.LogStart)
	}
	c.began = true
	r.writeCopy(ctx, a, m.Rest)
}

// throttled says whether a list of throttled replicas (KIP-73) names this one.
func (r *Replica) throttled(list string) bool {
	return list != "" && config.Throttles(list, r.o.Birth.Partition, r.o.Node.View.NodeID)
}

// accept checks that an entry is the one that follows, and undamaged; it says why not.
func (c *copying) accept(e *wal.SegmentEntry) string {
	if e.Index != c.next || e.Index > c.pos.Index || e.Index == c.pos.Index && e.Term != c.pos.Term {
		return fmt.Sprintf("entry %d of term %d came where %d was expected", e.Index, e.Term, c.next)
	}
	c.next++
	if e.BaseOffset < 0 {
		return ""
	}
	h, ok := batch.ParseHeader(e.Data)
	if !ok || int64(h.BaseOffset) != e.BaseOffset || int64(h.LastOffset()) != e.LastOffset || e.BaseOffset != c.offset || batch.Checksum(e.Data) != h.CRC {
		return fmt.Sprintf("the batch of entry %d does not verify", e.Index)
	}
	c.offset = e.LastOffset + 1
	return ""
}

// writeCopy has the segment writer store what was copied; it answers when more may be asked for.
func (r *Replica) writeCopy(ctx actor.Context, a wal.SegmentAppend, rest time.Duration) {
	r.flush.busy = true
	r.flush.token++
	r.copy.since = r.o.Node.Env.Clock.Now()
	m := &message.WriteSegment{Owner: ctx.Self(), Incarnation: r.o.Incarnation, Token: r.flush.token, Append: a, Rest: rest}
	m.Throttled = r.throttled(r.cfg.FollowerThrottled)
	ctx.Send(r.o.Node.SegmentWriter, m)
}

// copied goes on after the segment writer has answered.
func (r *Replica) copied(ctx actor.Context, m *message.SegmentWritten) {
	c := r.copy
	switch {
	case !c.began: // the flush that was under way before the copy
		if m.Err == nil {
			r.log.flushed, r.log.flushedTo, r.log.segments = r.flush.state, r.flush.to, m.Result.Segments
			r.flush.state = nil
			r.flush.waiting -= r.flush.bytes
			r.flush.commands -= r.flush.rolls
			c.next, c.offset = r.log.flushedTo.Index+1, int64(r.log.flushed.NextOffset)
		}
		r.askEntries(ctx)
	case c.failed:
		r.log.segments = m.Result.Segments
		r.endCopy(false)
		r.maybeFlush(ctx)
	case m.Err != nil:
		r.abortCopy(ctx, m.Err.Error())
	case !c.ended:
		r.askEntries(ctx)
	default:
		r.log.flushed, r.log.flushedTo, r.log.segments = c.last.State, c.pos, m.Result.Segments
		r.recount()
		r.o.Node.Env.Log.Info("segments copied", "partition", r.o.Birth.Name, "index", uint64(c.pos.Index), "offset", int64(c.last.State.NextOffset))
		r.endCopy(true)
	}
}

// abortCopy gives the copy up; what was held goes first.
func (r *Replica) abortCopy(ctx actor.Context, why string) {
	c := r.copy
	r.o.Node.Env.Log.Warn("copying segments ended early; it will be tried again", "partition", r.o.Birth.Name, "why", why)
	c.token = 0
	if !c.began {
		r.endCopy(false)
		r.maybeFlush(ctx)
		return
	}
	c.failed = true
	r.writeCopy(ctx, wal.SegmentAppend{Group: r.o.Birth.Group, Name: r.o.Birth.Name, Revert: true}, 0)
}

func (r *Replica) endCopy(ok bool) {
	done := r.copy.done
	r.copy = nil
	done(ok)
}

// leaderLost gives a copy up as soon as the link to its leader is down.
func (r *Replica) leaderLost(ctx actor.Context) {
	m, ok := ctx.Message().(*message.PeerChanged)
	if c := r.copy; ok && c != nil && !m.Up && m.Replica == c.from.Registration() && c.token != 0 {
		r.abortCopy(ctx, "the link to the leader is down")
	}
}

// tickCopy gives a copy up whose leader is silent.
func (r *Replica) tickCopy(ctx actor.Context) {
	if c := r.copy; c != nil && c.token != 0 && r.now.Sub(c.since) > copyPatience {
		r.abortCopy(ctx, "the leader does not answer")
	}
}

// segmentRequest lets the segment reader answer a follower.
func (r *Replica) segmentRequest(ctx actor.Context, m *message.SegmentRequest) {
	link := r.o.Node.Link(m.From)
	if link == nil {
		return
	}
	if !r.g.Leading() {
		ctx.Send(link, &message.SegmentChunk{Group: m.Group, Token: m.Token, Why: "this node does not lead the partition"})
		return
	}
	r.g.SnapshotMoves(m.From)
	ctx.Send(r.o.Node.SegmentReader, &message.ReadEntries{Request: m, To: link, Throttled: r.throttled(r.cfg.LeaderThrottled)})
}

// Restore implements raftgroup.Machine: the log begins anew behind what was copied.
func (r *Replica) Restore(data []byte, pos wal.Position, conf *pb.ConfState) {
	c, err := decodeCheckpoint(data)
	if err != nil || r.log.flushedTo != pos {
		panic(fmt.Sprintf("BUG: %s: a snapshot at %d was taken over without its segments (%v)", r.o.Birth.Name, pos.Index, err))
	}
	ctx := r.context()
	r.failAll(ctx)
	r.log.first, r.log.rows = pos.Index+1, nil
	r.log.flushed, r.log.end = c.State, c.State.clone()
	r.log.high, r.log.start = max(r.log.high, c.State.NextOffset), c.State.LogStart
	r.pos, r.durable, r.conf = pos, pos, conf
	r.confs = []confAt{{pos.Index, conf}}
	r.recount()
	r.wakeFetches(ctx)
	r.announce(ctx)
}
