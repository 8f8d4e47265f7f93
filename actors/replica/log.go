package replica

import (
	"fmt"
	"sort"

	"chronik/protocol/batch"
	"chronik/protocol/kafka"
	"chronik/wal"
)

// memRow is one entry that is in memory. base -1: no records.
type memRow struct {
	base, last kafka.Offset
	next       kafka.Offset // the partition's next offset after this entry
	max        kafka.Timestamp
	size       int
}

// partitionLog is the partition's log: entries in memory above first, segments below.
type partitionLog struct {
	first     wal.Index // index of rows[0]
	rows      []memRow
	flushed   *state // as of flushedTo
	flushedTo wal.Position
	end       *state // as of the last entry and the proposals that wait
	high      kafka.Offset
	start     kafka.Offset // committed log start offset
	segments  []wal.SegmentInfo
}

func (l *partitionLog) last() wal.Index { return l.first + wal.Index(len(l.rows)) - 1 }

func (l *partitionLog) row(i wal.Index) *memRow {
	if i < l.first || i > l.last() {
		return nil
	}
	return &l.rows[i-l.first]
}

// nextAfter is the partition's next offset after an entry.
func (l *partitionLog) nextAfter(i wal.Index) kafka.Offset {
	if r := l.row(i); r != nil {
		return r.next
	}
	return l.flushed.NextOffset
}

// stamped parses the header of a batch entry; what the log holds was validated before it got in.
func stamped(e *wal.Entry) batch.Header {
	h, ok := batch.ParseHeader(e.Data)
	if !ok {
		panic(fmt.Sprintf("BUG: entry %d is neither a batch nor a command", e.Index))
	}
	return h
}

// push notes an entry at the end of the log. The end state is not touched.
func (l *partitionLog) push(e *wal.Entry) {
	r := memRow{base: -1, last: -1, next: l.flushed.NextOffset}
	if n := len(l.rows); n > 0 {
		r.next = l.rows[n-1].next
	}
	if isBatch(e) {
		h := stamped(e)
		r = memRow{base: h.BaseOffset, last: h.LastOffset(), next: h.NextOffset(), max: h.MaxTimestamp, size: len(e.Data)}
	}
	l.rows = append(l.rows, r)
}

// cut removes the rows from an index on.
func (l *partitionLog) cut(from wal.Index) {
	if from <= l.last() {
		l.rows = l.rows[:from-l.first]
	}
}

// compact forgets the rows up to an index.
func (l *partitionLog) compact(upTo wal.Index) {
	if upTo < l.first {
		return
	}
	n := int(min(upTo, l.last())-l.first) + 1
	l.rows = append([]memRow(nil), l.rows[n:]...)
	l.first += wal.Index(n)
}

// applyTo takes an entry into account in a state.
func applyTo(s *state, e *wal.Entry) {
	switch {
	case isBatch(e):
		h := stamped(e)
		s.applyBatch(&h)
	case isCommand(e):
		s.applyCommand(decodeCommand(e))
	}
}

// memoryStart is the first offset that memory can serve.
func (l *partitionLog) memoryStart() kafka.Offset {
	for i := range l.rows {
		if l.rows[i].base >= 0 {
			return l.rows[i].base
		}
	}
	return l.end.NextOffset
}

// find returns the first row in memory whose batch ends at or after an offset.
func (l *partitionLog) find(o kafka.Offset) int {
	return sort.Search(len(l.rows), func(i int) bool { return l.rows[i].next > o })
}

// indexOf finds the entry of the batch that begins at an offset. What is only in segments counts as their last entry: who
// has that has the batch. ok false: it is not in the log.
func (l *partitionLog) indexOf(base kafka.Offset) (wal.Index, bool) {
	if i := l.find(base); i < len(l.rows) && l.rows[i].base == base {
		return l.first + wal.Index(i), true
	}
	return l.flushedTo.Index, base < l.flushed.NextOffset
}

// segment returns the segment that holds an offset, nil when none does.
func (l *partitionLog) segment(o kafka.Offset) *wal.SegmentInfo {
	i := sort.Search(len(l.segments), func(i int) bool { return kafka.Offset(l.segments[i].NextOffset) > o })
	if i == len(l.segments) {
		return nil
	}
	return &l.segments[i]
}

// size is the partition's bytes, in segments and in memory above them.
func (l *partitionLog) size() int64 {
	n := int64(0)
	for i := range l.segments {
		n += l.segments[i].Bytes
	}
	for i := range l.rows {
		if l.first+wal.Index(i) > l.flushedTo.Index {
			n += int64(l.rows[i].size)
		}
	}
	return n
}
