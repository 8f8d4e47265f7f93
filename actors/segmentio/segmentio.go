package segmentio

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors"
	"chronik/actors/message"
	"chronik/protocol/batch"
	"chronik/protocol/kafka"
	"chronik/wal"
)

// maxRound bounds one round of the writer, in appends.
const maxRound = 64

// Writer is the segment writer's actor: what arrived while a round was synced shares the next one.
type Writer struct {
	node     *actors.Node
	segments *wal.Segments
	queue    []*message.WriteSegment
	queued   bool
	closed   bool
	// What is copied from peers is acknowledged only when more of it may come.
	pace, throttle pace
}

type flush struct{}

var flushMessage = &flush{}

// NewWriter returns its producer; it owns the segments from now on.
func NewWriter(node *actors.Node, s *wal.Segments) func() actor.Actor {
	return func() actor.Actor {
		return &Writer{node: node, segments: s, pace: newPace(node.Env.Clock, catchUpRate), throttle: newPace(node.Env.Clock, catchUpRate)}
	}
}

// Receive is the table of contents.
func (w *Writer) Receive(ctx actor.Context) {
	if w.closed {
		return
	}
	switch m := ctx.Message().(type) {
	case *message.WriteSegment:
		w.queue = append(w.queue, m)
		w.kick(ctx)
	case *flush:
		w.queued = false
		w.round(ctx)
		if len(w.queue) > 0 {
			w.kick(ctx)
		}
	case *message.Shutdown:
		for len(w.queue) > 0 {
			w.round(ctx)
		}
		w.segments.Close()
		w.closed = true
		m.Send(ctx, &message.ShutdownReply{Answered: message.Answered{Token: m.Token}})
	}
}

func (w *Writer) kick(ctx actor.Context) {
	if !w.queued {
		w.queued = true
		ctx.Send(ctx.Self(), flushMessage)
	}
}

// round writes what waits, one append per group, in order.
func (w *Writer) round(ctx actor.Context) {
	var now, later []*message.WriteSegment
	seen := map[wal.GroupID]bool{}
	for _, m := range w.queue {
		if g := m.Append.Group; seen[g] || len(now) == maxRound {
			later = append(later, m)
			seen[g] = true
		} else {
			now = append(now, m)
			seen[g] = true
		}
	}
	w.queue = later
	if len(now) == 0 {
		return
	}
	as := make([]wal.SegmentAppend, len(now))
	for i, m := range now {
		as[i] = m.Append
	}
	res, errs, err := w.segments.AppendAll(as)
	if err != nil {
		w.node.Env.Fatal("FATAL: writing segments: " + err.Error())
		return
	}
	for i, m := range now {
		if m.Owner == nil {
			continue
		}
		out := &message.SegmentWritten{Incarnation: m.Incarnation, Token: m.Token, Result: res[i], Err: errs[i]}
		answerLater(ctx, w.node, w.rest(m), m.Owner, out)
	}
}

// rest is how long a replica waits before it asks its leader for more.
func (w *Writer) rest(m *message.WriteSegment) time.Duration {
	if !m.Append.Hold {
		return 0
	}
	if m.Throttled {
		return max(m.Rest, w.throttle.passed(size(m.Append.Entries), w.node.Config().FollowerThrottle))
	}
	return max(m.Rest, w.pace.passed(size(m.Append.Entries), catchUpRate))
}

func size(entries []wal.SegmentEntry) (n int) {
	for i := range entries {
		n += len(entries[i].Data)
	}
	return n
}

// answerLater sends a message after a while.
func answerLater(ctx actor.Context, node *actors.Node, after time.Duration, to *actor.PID, m any) {
	if after <= 0 {
		ctx.Send(to, m)
		return
	}
	root := ctx.ActorSystem().Root
	node.Env.Clock.After(after, func() { root.Send(to, m) })
}

// Reader is a segment reader's actor.
type Reader struct {
	node     *actors.Node
	reader   *wal.SegmentReader
	workers  []*actor.PID
	next     int
	throttle *pace // for what peers copy; the children share it
}

// NewReader returns the producer of a reader that shares its work among n children (0: it reads itself).
func NewReader(node *actors.Node, r *wal.SegmentReader, n int) func() actor.Actor {
	throttle := newPace(node.Env.Clock, catchUpRate)
	return newReader(node, r, n, &throttle)
}

func newReader(node *actors.Node, r *wal.SegmentReader, n int, throttle *pace) func() actor.Actor {
	return func() actor.Actor {
		x := &Reader{node: node, reader: r, throttle: throttle}
		x.workers = make([]*actor.PID, n)
		return x
	}
}

// Receive is the table of contents.
func (r *Reader) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		for i := range r.workers {
			r.workers[i] = ctx.Spawn(r.node.Runtime.Props(actors.KindSegmentReader, newReader(r.node, r.reader, 0, r.throttle)))
		}
	case *message.ReadCold:
		if !r.passOn(ctx, m) {
			r.read(ctx, m)
		}
	case *message.ReadEntries:
		if !r.passOn(ctx, m) {
			r.entries(ctx, m)
		}
	case *message.FindTimestamp:
		if !r.passOn(ctx, m) {
			r.find(ctx, m)
		}
	}
}

func (r *Reader) passOn(ctx actor.Context, m any) bool {
	if len(r.workers) == 0 {
		return false
	}
	r.next = (r.next + 1) % len(r.workers)
	ctx.Send(r.workers[r.next], m)
	return true
}

func (r *Reader) read(ctx actor.Context, m *message.ReadCold) {
	batches, err := r.reader.Read(m.Range)
	if err != nil {
		r.node.Env.Log.Error("a segment cannot be read", "group", m.Range.Group, "base", m.Range.Base, "error", err)
	}
	m.Send(ctx, &message.ColdRead{Answered: message.Answered{Token: m.Token}, Batches: batches, Err: err})
}

// entries reads a part of a group's past for a peer.
func (r *Reader) entries(ctx actor.Context, m *message.ReadEntries) {
	q := m.Request
	out := &message.SegmentChunk{Group: q.Group, Token: q.Token}
	c, err := r.reader.Entries(q.Group, q.Index, q.UpTo, min(max(q.MaxBytes, 1), maxCopy))
	if err != nil {
		r.node.Env.Log.Warn("a peer asked for segments that cannot be read", "group", uint64(q.Group), "index", uint64(q.Index), "error", err)
		out.Why = err.Error()
	} else {
		out.Copied = *c
		if m.Throttled {
			out.Rest = r.throttle.passed(size(c.Entries), r.node.Config().LeaderThrottle)
		}
	}
	ctx.Send(m.To, out)
}

// maxCopy bounds what is read for a peer at a time, in bytes.
const maxCopy = 8 << 20

func (r *Reader) find(ctx actor.Context, m *message.FindTimestamp) {
	out := &message.TimestampFound{Answered: message.Answered{Token: m.Token}, Offset: -1, Timestamp: -1, Epoch: -1}
	in, want := m.Range, m.Timestamp
	var err error
	if m.Largest { // among whole batches; the first may lie across the beginning of the range, and is looked at below
		want, err = r.reader.LargestTimestamp(in)
	}
	for err == nil && in.From < in.To {
		var b []byte
		if b, err = r.reader.FindBatch(in, want); err != nil || b == nil {
			break
		}
		h, _ := batch.ParseHeader(b)
		o, at, ok, ferr := batch.FindTimestampFrom(b, kafka.Timestamp(want), kafka.Offset(in.From))
		for more := ok && m.Largest; more && ferr == nil; {
			var o2 kafka.Offset
			var at2 kafka.Timestamp
			if o2, at2, more, ferr = batch.FindTimestampFrom(b, at+1, kafka.Offset(in.From)); more {
				o, at = o2, at2
			}
		}
		if err = ferr; ok && err == nil {
			out.Offset, out.Timestamp, out.Epoch = int64(o), int64(at), int32(h.LeaderEpoch)
		}
		if ok || err != nil {
			break
		}
		in.From = int64(h.NextOffset()) // its young records lie below the log start
	}
	out.Err = err
	m.Send(ctx, out)
}
