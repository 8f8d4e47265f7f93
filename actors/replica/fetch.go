package replica

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors/message"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
	"chronik/wal"
)

// maxParked bounds the fetches that wait in one replica; beyond it a fetch is answered empty at once.
const maxParked = 100_000

// parkedFetch is a fetch with nothing to give yet.
type parkedFetch struct {
	m        *message.Fetch
	deadline time.Time
}

// fetch handles Fetch: a plan of what to send, or a place in the table of those who wait.
func (r *Replica) fetch(ctx actor.Context, m *message.Fetch) {
	reply, wait := r.plan(m)
	if wait && m.Wait > 0 && len(r.parked) < maxParked {
		r.parked = append(r.parked, &parkedFetch{m, r.o.Node.Env.Clock.Now().Add(m.Wait)})
		return
	}
	m.Send(ctx, reply)
}

// checkEpoch compares the epoch that a client believes in with ours (KIP-320).
func (r *Replica) checkEpoch(current kafka.LeaderEpoch) kerror.Code {
	switch {
	case current == kafka.NoLeaderEpoch || current == r.epoch():
		return kerror.None
	case current < r.epoch():
		return kerror.FencedLeaderEpoch
	default:
		return kerror.UnknownLeaderEpoch
	}
}

// plan answers a fetch from what is there now; wait says that there is nothing and that waiting makes sense.
func (r *Replica) plan(m *message.Fetch) (reply *message.FetchReply, wait bool) {
	reply = &message.FetchReply{Answered: message.Answered{Token: m.Token}, HighWatermark: r.log.high, LastStable: r.log.high, LogStart: r.log.start,
		LeaderEpoch: r.epoch(), DivergingEpoch: kafka.NoLeaderEpoch, DivergingEnd: kafka.NoOffset}
	if !r.g.Leading() && !m.Follower {
		reply.Reason = kerror.NotLeaderOrFollower
		return reply, false
	}
	if c := r.checkEpoch(m.LeaderEpoch); c != kerror.None {
		reply.Reason = c
		return reply, false
	}
	if m.LastFetchedEpoch != kafka.NoLeaderEpoch {
		switch epoch, end := r.epochEnd(m.LastFetchedEpoch); {
		case epoch == kafka.NoLeaderEpoch || m.Offset < r.log.start:
			reply.Reason = kerror.OffsetOutOfRange
			return reply, false
		case epoch < m.LastFetchedEpoch || end < m.Offset:
			reply.DivergingEpoch, reply.DivergingEnd = epoch, end
			return reply, false
		}
	}
	switch {
	case m.Offset < r.log.start, m.Offset > r.log.end.NextOffset:
		reply.Reason = kerror.OffsetOutOfRange
		return reply, false
	case m.Offset >= r.log.high:
		return reply, true // up to the log's end: what lies between may be committed any moment
	}
	if m.MaxBytes <= 0 && !m.MinOne {
		return reply, false
	}
	if m.Offset < r.log.memoryStart() {
		reply.Cold = r.cold(m)
		return reply, false
	}
	r.fromMemory(m, reply)
	return reply, false
}

// fromMemory adds whole batches from the entries in memory, below the high watermark.
func (r *Replica) fromMemory(m *message.Fetch, reply *message.FetchReply) {
	size := 0
	for i := r.log.find(m.Offset); i < len(r.log.rows); i++ {
		row := &r.log.rows[i]
		if row.base < 0 {
			continue
		}
		if row.next > r.log.high || size+row.size > m.MaxBytes && (size > 0 || !m.MinOne) {
			return
		}
		e, ok := r.g.Node().Entry(r.log.first + wal.Index(i))
		if !ok {
			panic("BUG: " + r.o.Birth.Name + ": a row without its entry")
		}
		reply.Batches = append(reply.Batches, e.Data)
		size += row.size
	}
}

// cold names the part of a segment that answers a fetch.
func (r *Replica) cold(m *message.Fetch) *wal.ColdRange {
	s := r.log.segment(m.Offset)
	if s == nil {
		panic("BUG: " + r.o.Birth.Name + ": an offset that is neither in memory nor in a segment")
	}
	return &wal.ColdRange{Group: r.o.Birth.Group, Base: s.Base, Rows: s.Rows, From: int64(m.Offset), To: min(int64(r.log.high), s.NextOffset), MaxBytes: m.MaxBytes, MinOne: m.MinOne}
}

// wakeFetches answers the parked fetches for which something changed.
func (r *Replica) wakeFetches(ctx actor.Context) {
	if len(r.parked) == 0 {
		return
	}
	keep := r.parked[:0]
	for _, f := range r.parked {
		if reply, wait := r.plan(f.m); wait {
			keep = append(keep, f)
		} else {
			f.m.Send(ctx, reply)
		}
	}
	clear(r.parked[len(keep):])
	r.parked = keep
}

func (r *Replica) expireFetches(ctx actor.Context) {
	keep := r.parked[:0]
	for _, f := range r.parked {
		if r.now.Before(f.deadline) {
			keep = append(keep, f)
			continue
		}
		reply, _ := r.plan(f.m)
		f.m.Send(ctx, reply)
	}
	clear(r.parked[len(keep):])
	r.parked = keep
}

func (r *Replica) cancelFetch(m *message.CancelFetch) {
	for i, f := range r.parked {
		if f.m.Token == m.Token && f.m.PID.Equal(m.PID) {
			r.parked = append(r.parked[:i], r.parked[i+1:]...)
			return
		}
	}
}
