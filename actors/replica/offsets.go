package replica

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors/message"
	"chronik/protocol/batch"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
	"chronik/wal"
)

// Kafka's special timestamps for ListOffsets.
const (
	askLatest        = -1
	askEarliest      = -2
	askMaxTimestamp  = -3
	askEarliestLocal = -4
	askLatestTiered  = -5
)

// lookup is a ListOffsets that waits for the segment reader.
type lookup struct {
	m       *message.ListOffsets
	segment int64 // base of the segment that is being searched
}

func (r *Replica) listOffsets(ctx actor.Context, m *message.ListOffsets) {
	out := &message.ListOffsetsReply{Answered: message.Answered{Token: m.Token}, Offset: kafka.NoOffset, Timestamp: kafka.NoTimestamp, LeaderEpoch: kafka.NoLeaderEpoch}
	switch {
	case !r.g.Leading():
		out.Reason = kerror.NotLeaderOrFollower
	case r.checkEpoch(m.LeaderEpoch) != kerror.None:
		out.Reason = r.checkEpoch(m.LeaderEpoch)
	case m.Timestamp == askEarliest, m.Timestamp == askEarliestLocal:
		out.Offset = r.log.start
		if out.LeaderEpoch = r.log.end.epochAt(r.log.start); r.log.start == r.log.end.NextOffset {
			out.LeaderEpoch = r.epoch() // what comes first will be of this epoch
		}
	case !r.confirmed:
		out.Reason = kerror.OffsetNotAvailable // KIP-207: the new leader does not know the high watermark yet
	case m.Timestamp == askLatest:
		out.Offset, out.LeaderEpoch = r.log.high, r.epoch()
	case m.Timestamp == askLatestTiered:
	default:
		r.byTimestamp(ctx, m, 0)
		return
	}
	m.Send(ctx, out)
}

// byTimestamp searches segments (through the segment reader), then memory. from is the base of the first segment that is
// still to be searched.
func (r *Replica) byTimestamp(ctx actor.Context, m *message.ListOffsets, from int64) {
	want := m.Timestamp
	if want == askMaxTimestamp {
		if want = int64(r.maxTimestamp(from)); want < 0 {
			r.answerOffset(ctx, m, kafka.NoOffset, kafka.NoTimestamp)
			return
		}
	}
	for i := range r.log.segments {
		s := &r.log.segments[i]
		if s.Base < from || s.MaxTimestamp < want || s.NextOffset <= int64(r.log.start) {
			continue
		}
		// A segment that the log starts in may owe its largest timestamp to records that are gone.
		r.nextLookup++
		r.lookups[r.nextLookup] = lookup{m, s.Base}
		ctx.Send(r.o.Node.SegmentReader, &message.FindTimestamp{ReplyTo: message.ReplyTo{PID: ctx.Self(), Token: r.nextLookup}, Timestamp: want,
			Largest: m.Timestamp == askMaxTimestamp && s.Base < int64(r.log.start),
			Range:   wal.ColdRange{Group: r.o.Birth.Group, Base: s.Base, Rows: s.Rows, From: max(s.Base, int64(r.log.start)), To: min(s.NextOffset, int64(r.log.high))}})
		return
	}
	for i := range r.log.rows {
		row := &r.log.rows[i]
		if row.base < 0 || int64(row.max) < want || row.next > r.log.high || row.next <= r.log.start || r.log.first+wal.Index(i) <= r.log.flushedTo.Index {
			continue
		}
		e, _ := r.g.Node().Entry(r.log.first + wal.Index(i))
		if o, at, ok, err := batch.FindTimestampFrom(e.Data, kafka.Timestamp(want), r.log.start); err == nil && ok {
			r.answerOffset(ctx, m, o, at)
			return
		}
	}
	r.answerOffset(ctx, m, kafka.NoOffset, kafka.NoTimestamp)
}

func (r *Replica) answerOffset(ctx actor.Context, m *message.ListOffsets, o kafka.Offset, at kafka.Timestamp) {
	out := &message.ListOffsetsReply{Answered: message.Answered{Token: m.Token}, Offset: o, Timestamp: at, LeaderEpoch: kafka.NoLeaderEpoch}
	if o >= 0 {
		out.LeaderEpoch = r.log.end.epochAt(o)
	}
	m.Send(ctx, out)
}

func (r *Replica) timestampFound(ctx actor.Context, m *message.TimestampFound) {
	l, ok := r.lookups[m.Token]
	if !ok {
		return
	}
	delete(r.lookups, m.Token)
	switch {
	case m.Err != nil:
		l.m.Send(ctx, &message.ListOffsetsReply{Answered: message.Answered{Token: l.m.Token}, Reason: kerror.KafkaStorageError, Offset: kafka.NoOffset, Timestamp: kafka.NoTimestamp})
	case m.Offset >= 0 && (l.m.Timestamp != askMaxTimestamp || m.Timestamp >= int64(r.maxTimestamp(l.segment+1))):
		r.answerOffset(ctx, l.m, kafka.Offset(m.Offset), kafka.Timestamp(m.Timestamp))
	default:
		r.byTimestamp(ctx, l.m, l.segment+1)
	}
}

// maxTimestamp is the largest timestamp of a committed record in the segments from a base on, and after them; of the segment
// that the log starts in, deleted records count as well.
func (r *Replica) maxTimestamp(from int64) kafka.Timestamp {
	m := kafka.NoTimestamp
	for i := range r.log.segments {
		if s := &r.log.segments[i]; s.Base >= from && kafka.Offset(s.NextOffset) > r.log.start {
			m = max(m, kafka.Timestamp(s.MaxTimestamp))
		}
	}
	for i := range r.log.rows {
		if row := &r.log.rows[i]; row.base >= 0 && row.next <= r.log.high && row.next > r.log.start && r.log.first+wal.Index(i) > r.log.flushedTo.Index {
			m = max(m, row.max)
		}
	}
	return m
}

func (r *Replica) findEpochEnd(ctx actor.Context, m *message.FindEpochEnd) {
	out := &message.FindEpochEndReply{Answered: message.Answered{Token: m.Token}, Epoch: kafka.NoLeaderEpoch, EndOffset: kafka.NoOffset}
	switch {
	case !r.g.Leading():
		out.Reason = kerror.NotLeaderOrFollower
	case r.checkEpoch(m.Current) != kerror.None:
		out.Reason = r.checkEpoch(m.Current)
	default:
		out.Epoch, out.EndOffset = r.epochEnd(m.Requested)
	}
	m.Send(ctx, out)
}

// epochEnd is where an epoch ends, as Apache Kafka's leader epoch cache has it: of the largest epoch at or below the asked
// one, or, when that is older than all that the log knows, where the log begins. NoLeaderEpoch and NoOffset: an epoch to come.
func (r *Replica) epochEnd(asked kafka.LeaderEpoch) (kafka.LeaderEpoch, kafka.Offset) {
	s := r.log.end
	newest := kafka.NoLeaderEpoch
	if n := len(s.Epochs); n > 0 {
		newest = s.Epochs[n-1].Epoch
	}
	if r.g.Leading() {
		newest = r.epoch() // it has begun, with records or without
	}
	switch epoch, end, ok := s.endOfEpoch(asked); {
	case asked < 0 || asked > newest:
		return kafka.NoLeaderEpoch, kafka.NoOffset
	case asked == newest:
		return asked, s.NextOffset
	case ok:
		return epoch, end
	case len(s.Epochs) > 0:
		return asked, s.Epochs[0].Start
	default:
		return asked, s.NextOffset
	}
}

// pendingDelete is a DeleteRecords that waits for its command to be applied.
type pendingDelete struct {
	to       message.ReplyTo
	before   kafka.Offset
	deadline time.Time
}

func (r *Replica) deleteRecords(ctx actor.Context, m *message.DeleteRecords) {
	before := m.Before
	if before == -1 {
		before = r.log.high
	}
	reply := func(c kerror.Code) {
		m.Send(ctx, &message.DeleteRecordsReply{Answered: message.Answered{Token: m.Token}, Reason: c, LogStart: r.log.start})
	}
	switch {
	case !r.g.Leading():
		reply(kerror.NotLeaderOrFollower)
	case before < 0 || before > r.log.high:
		reply(kerror.OffsetOutOfRange)
	case before <= r.log.start:
		reply(kerror.None)
	default:
		r.command(ctx, command{Kind: cmdAdvanceLogStart, Offset: before})
		r.deletes = append(r.deletes, pendingDelete{m.ReplyTo, before, m.Deadline})
	}
}

func (r *Replica) answerDeletes(ctx actor.Context) {
	r.endDeletes(ctx, func(d *pendingDelete) bool { return r.log.start >= d.before }, kerror.None)
}

// expireDeletes answers those whose time is up; what they asked for may still happen.
func (r *Replica) expireDeletes(ctx actor.Context) {
	r.endDeletes(ctx, func(d *pendingDelete) bool { return !d.deadline.IsZero() && !r.now.Before(d.deadline) }, kerror.RequestTimedOut)
}

func everyDelete(*pendingDelete) bool { return true }

// endDeletes answers some of those who wait for the log start to advance.
func (r *Replica) endDeletes(ctx actor.Context, which func(*pendingDelete) bool, c kerror.Code) {
	keep := r.deletes[:0]
	for i := range r.deletes {
		d := r.deletes[i]
		if !which(&d) {
			keep = append(keep, d)
			continue
		}
		d.to.Send(ctx, &message.DeleteRecordsReply{Answered: message.Answered{Token: d.to.Token}, Reason: c, LogStart: r.log.start})
	}
	clear(r.deletes[len(keep):])
	r.deletes = keep
}

func (r *Replica) producerInfos() []message.ProducerInfo {
	var out []message.ProducerInfo
	for _, id := range r.log.end.Producers.ids() {
		p := r.log.end.Producers[id]
		last, _ := p.lastSequence()
		out = append(out, message.ProducerInfo{ID: id, Epoch: p.Epoch, LastSequence: last, LastTimestamp: p.LastTimestamp, CurrentTxnStart: kafka.NoOffset, CoordinatorEpoch: -1})
	}
	return out
}
