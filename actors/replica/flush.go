package replica

import (
	"fmt"

	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors/message"
	"chronik/wal"
)

// flushing is the move of committed entries from memory and WAL into segments. One is under way at a time.
type flushing struct {
	busy  bool
	token uint64
	to    wal.Position
	state *state    // as of to
	upTo  wal.Index // the WAL wants everything up to here moved
	// Of the applied entries that are not in segments: their bytes, and how many of them are commands, which are moved
	// without delay.
	waiting  int64
	commands int
	// Of the flush that is under way.
	bytes int64
	rolls int
}

// maxFlush bounds one append to segments, in bytes, so that the segment writer serves all groups.
const maxFlush = 32 << 20

// maybeFlush moves what is committed when there is enough of it, or when the WAL or retention asks.
func (r *Replica) maybeFlush(ctx actor.Context) {
	if r.flush.busy || r.copy != nil || r.closing || r.pos.Index <= r.log.flushedTo.Index {
		return
	}
	if r.flush.waiting > r.share(r.o.FlushBytes, flushBudget) || r.flush.commands > 0 || r.flush.upTo > r.log.flushedTo.Index {
		r.startFlush(ctx)
	}
}

const (
	// flushBudget is what all replicas of a node may hold in memory before it is moved, keepBudget what they keep after;
	// minShare is what one of them gets at least.
	flushBudget = 128 << 20
	keepBudget  = 256 << 20
	minShare    = 256 << 10
)

// share is this replica's part of a budget of the node, at most most.
func (r *Replica) share(most, budget int64) int64 {
	return min(most, max(minShare, budget/max(1, r.o.Node.Replicas.Load())))
}

// soon says that an entry is moved without delay: what a command does shows in segments, and a new member is given a snapshot
// that knows it.
func soon(e *wal.Entry) bool { return isCommand(e) || e.Type != wal.EntryNormal }

// count takes an applied entry into account for maybeFlush.
func (f *flushing) count(e *wal.Entry) {
	if soon(e) {
		f.commands++
	} else {
		f.waiting += int64(len(e.Data))
	}
}

// recount counts anew after segments came from elsewhere than a flush.
func (r *Replica) recount() {
	r.flush.waiting, r.flush.commands = 0, 0
	for i := r.log.flushedTo.Index + 1; i <= r.pos.Index; i++ {
		if e, ok := r.g.Node().Entry(i); ok {
			r.flush.count(&e)
		}
	}
}

func (r *Replica) startFlush(ctx actor.Context) {
	s := r.log.flushed.clone()
	a := wal.SegmentAppend{Group: r.o.Birth.Group, Name: r.o.Birth.Name, NextOffset: int64(s.NextOffset)}
	bytes := 0
	r.flush.bytes, r.flush.rolls = 0, 0
	for i := r.log.flushedTo.Index + 1; i <= r.pos.Index && bytes < maxFlush; i++ {
		e, ok := r.g.Node().Entry(i)
		if !ok {
			panic(fmt.Sprintf("BUG: %s: entry %d is neither in segments nor in memory", r.o.Birth.Name, i))
		}
		row := r.log.row(i)
		se := wal.SegmentEntry{Entry: e, BaseOffset: int64(row.base), LastOffset: int64(row.last), MaxTimestamp: int64(row.max)}
		if isCommand(&e) && decodeCommand(&e).Kind == cmdRoll {
			se.Roll = true
		}
		applyTo(s, &e)
		bytes += row.size
		if soon(&e) {
			r.flush.rolls++
		} else {
			r.flush.bytes += int64(len(e.Data))
		}
		a.Entries = append(a.Entries, se)
	}
	last := a.Entries[len(a.Entries)-1]
	r.flush.busy, r.flush.to, r.flush.state = true, wal.Position{Index: last.Index, Term: last.Term}, s
	r.flush.token++
	c := newCheckpoint(s, r.flush.to, r.confAt(r.flush.to.Index))
	a.Checkpoint, a.LogStart = c.encode(), int64(s.LogStart)
	ctx.Send(r.o.Node.SegmentWriter, &message.WriteSegment{Owner: ctx.Self(), Incarnation: r.o.Incarnation, Token: r.flush.token, Append: a})
}

// segmentWritten takes note of what is in segments now, and lets the WAL and memory forget it.
func (r *Replica) segmentWritten(ctx actor.Context, m *message.SegmentWritten) {
	if m.Incarnation != r.o.Incarnation || m.Token != r.flush.token || !r.flush.busy {
		return
	}
	r.flush.busy = false
	if r.copy != nil {
		r.copied(ctx, m)
		return
	}
	if m.Err != nil {
		return // no room: the next tick tries again
	}
	r.log.flushed, r.log.flushedTo, r.log.segments = r.flush.state, r.flush.to, m.Result.Segments
	r.flush.state = nil
	r.flush.waiting -= r.flush.bytes
	r.flush.commands -= r.flush.rolls
	r.forgetConfs()
	release := r.log.flushedTo
	ctx.Send(r.o.Node.WAL, &message.WriteLog{Write: wal.Write{Group: r.o.Birth.Group, Release: &release}})
	r.compact()
	r.maybeFlush(ctx)
}

// compact lets memory forget what segments hold, except the newest part.
func (r *Replica) compact() {
	keep, upTo := int64(0), r.log.flushedTo.Index
	limit := int64(0) // alone: nobody is behind
	if len(r.conf.GetVoters())+len(r.conf.GetLearners()) > 1 {
		limit = r.share(r.o.KeepBytes, keepBudget)
	}
	for upTo >= r.log.first && keep < limit {
		keep += int64(r.log.row(upTo).size) + 64
		upTo--
	}
	if upTo >= r.log.first {
		r.g.Node().Compact(upTo)
		r.log.compact(upTo)
	}
}

func (r *Replica) release(ctx actor.Context, m *message.ReleaseLog) {
	r.flush.upTo = max(r.flush.upTo, m.UpTo)
	r.maybeFlush(ctx)
}
