package replica

import (
	"fmt"

	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors/message"
	"chronik/wal"
)

// flushing is the move of committed entries from memory and WAL into segments. One is under way at a time.
type flushing struct {
	busy   bool
	token  uint64
	to     wal.Position
	state  *state    // as of to
	upTo   wal.Index // the WAL wants everything up to here moved
	rolled bool      // a Roll, or a new log start, was applied and waits to be moved
}

// maxFlush bounds one append to segments, in bytes, so that the segment writer serves all groups.
const maxFlush = 32 << 20

// maybeFlush moves what is committed when there is enough of it, or when the WAL or retention asks.
func (r *Replica) maybeFlush(ctx actor.Context) {
	if r.flush.busy || r.copy != nil || r.closing || r.pos.Index <= r.log.flushedTo.Index {
		return
	}
	bytes, rolled := int64(0), false
	for i := r.log.flushedTo.Index + 1; i <= r.pos.Index; i++ {
		row := r.log.row(i)
		bytes += int64(row.size)
		if bytes > r.o.FlushBytes {
			break
		}
		if row.base < 0 {
			if e, ok := r.g.Node().Entry(i); ok && isCommand(&e) {
				rolled = true
			}
		}
	}
	if bytes > r.o.FlushBytes || rolled || r.flush.upTo > r.log.flushedTo.Index {
		r.startFlush(ctx)
	}
}

func (r *Replica) startFlush(ctx actor.Context) {
	s := r.log.flushed.clone()
	a := wal.SegmentAppend{Group: r.o.Birth.Group, Name: r.o.Birth.Name, NextOffset: int64(s.NextOffset)}
	bytes := 0
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
		a.Entries = append(a.Entries, se)
	}
	last := a.Entries[len(a.Entries)-1]
	r.flush.busy, r.flush.to, r.flush.state = true, wal.Position{Index: last.Index, Term: last.Term}, s
	r.flush.token++
	c := checkpoint{State: s, Last: r.flush.to}
	c.Voters, c.Learners = r.conf.GetVoters(), r.conf.GetLearners()
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
	release := r.log.flushedTo
	ctx.Send(r.o.Node.WAL, &message.WriteLog{Write: wal.Write{Group: r.o.Birth.Group, Release: &release}})
	r.compact()
	r.maybeFlush(ctx)
}

// compact lets memory forget what segments hold, except the newest part.
func (r *Replica) compact() {
	keep, upTo := int64(0), r.log.flushedTo.Index
	for upTo >= r.log.first && keep < r.o.KeepBytes {
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
