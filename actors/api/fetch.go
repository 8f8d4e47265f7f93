package api

import (
	"encoding/binary"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors/cluster"
	"chronik/actors/message"
	"chronik/protocol"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
)

// wanted is what a client wants of a partition.
type wanted struct {
	offset           kafka.Offset
	epoch, lastEpoch kafka.LeaderEpoch
	maxBytes         int
}

// fetchPart is one partition of a fetch, and what a session remembers of it.
type fetchPart struct {
	key  partKey
	want wanted

	// Of the fetch that is under way.
	part      *cluster.Partition
	pid       *actor.PID
	code      kerror.Code
	reply     *message.FetchReply // the newest
	batches   [][]byte
	size      int
	token     uint64 // of the question at the replica
	preferred kafka.NodeID

	told *told // what a session's client was told last; nil: nothing yet
}

// told is what an incremental answer leaves out while it stays the same.
type told struct{ high, stable, start kafka.Offset }

// fetchCall is a Fetch under way.
type fetchCall struct {
	*Call
	req      *kmsg.FetchRequest
	im       *cluster.Image
	session  *session
	partial  bool // an incremental answer: what did not change is left out
	parts    []*fetchPart
	limit    int // bytes of the whole answer
	deadline time.Time
	waiting  int // replicas that were asked and have not answered
	parked   bool
	done     bool
	cold     int64 // bytes charged to coldBytes
	cancel   func()
}

// fetch answers Fetch 4-18.
func fetch(c *Call) {
	req := c.Request.(*kmsg.FetchRequest)
	f := &fetchCall{Call: c, req: req, im: c.Image()}
	f.limit = max(int(req.MaxBytes), 0)
	if most := c.Config().FetchMaxBytes; most > 0 {
		f.limit = min(f.limit, most)
	}
	f.deadline = c.Now().Add(time.Duration(max(req.MaxWaitMillis, 0)) * time.Millisecond)
	if code := f.openSession(); code != kerror.None {
		resp := kmsg.NewPtrFetchResponse()
		resp.SetVersion(req.Version)
		resp.ErrorCode = int16(code)
		c.ReplyParts(protocol.EncodeFetch(c.Header.CorrelationID, resp, nil), nil)
		return
	}
	for _, p := range f.parts {
		f.resolve(p)
	}
	f.ask(0)
}

// openSession finds out which partitions are wanted (KIP-227): those of the request, or those of a session.
func (f *fetchCall) openSession() kerror.Code {
	s, shared := &f.Client.sessions, f.Client.Shared
	switch epoch := f.req.SessionEpoch; {
	case f.req.Version < 7 || epoch == -1:
		s.remove(f.req.SessionID, shared)
		f.parts = requested(f.req)
	case epoch == 0:
		s.remove(f.req.SessionID, shared)
		f.parts = requested(f.req)
		f.session = s.add(f.parts, f.req.Version >= 13, f.Config().MaxFetchSessions, shared)
	default:
		x, code := s.next(f.req)
		if code != kerror.None {
			return code
		}
		f.session, f.parts, f.partial = x, x.parts, true
	}
	return kerror.None
}

// resolve finds the replica that answers for a partition.
func (f *fetchCall) resolve(p *fetchPart) {
	p.part, p.pid, p.reply, p.batches, p.size, p.token, p.preferred = nil, nil, nil, nil, 0, 0, kafka.NoNode
	_, p.part, p.pid, p.code = f.lookup(f.im, p.key.topic, p.key.id, f.req.Version >= 13, p.key.index)
	if p.code == kerror.None && f.req.Version >= 11 && f.req.Rack != "" && f.Config().RackAwareReads {
		p.preferred = f.nearby(p.part)
	}
}

// nearby is an in-sync replica in the consumer's rack, when the leader, which decides this, is elsewhere (KIP-392).
func (f *fetchCall) nearby(p *cluster.Partition) kafka.NodeID {
	v := f.View()
	l := v.Leader(p.Group)
	if l.Leader != v.NodeID || f.im.Nodes[l.Leader] == nil || f.im.Nodes[l.Leader].Rack == f.req.Rack {
		return kafka.NoNode
	}
	for _, n := range l.InSync {
		if b, ok := f.broker(f.im.Nodes[n]); ok && b.rack != nil && *b.rack == f.req.Rack {
			return n
		}
	}
	return kafka.NoNode
}

// ask asks every replica that may still have something, with a time to wait.
func (f *fetchCall) ask(wait time.Duration) {
	var asked []*fetchPart
	for _, p := range f.parts {
		if p.code == kerror.None && p.preferred == kafka.NoNode {
			asked = append(asked, p)
		}
	}
	f.waiting = len(asked)
	if len(asked) == 0 {
		f.collected()
		return
	}
	for _, p := range asked {
		f.askReplica(p, wait)
	}
}

func (f *fetchCall) askReplica(p *fetchPart, wait time.Duration) {
	offset := p.want.offset
	if n := len(p.batches); n > 0 {
		offset = nextOffset(p.batches[n-1])
	}
	last := kafka.NoLeaderEpoch
	if f.req.Version >= 12 && len(p.batches) == 0 {
		last = p.want.lastEpoch
	}
	p.token = f.AskWithin(wait+Patience, p.pid, func(r message.ReplyTo) any {
		return &message.Fetch{ReplyTo: r, Offset: offset, MaxBytes: max(min(p.want.maxBytes, f.limit)-p.size, 0), MinOne: len(p.batches) == 0, Wait: wait,
			LeaderEpoch: p.want.epoch, LastFetchedEpoch: last, ReadCommitted: f.req.IsolationLevel == 1, Follower: f.req.Version >= 11}
	}, func(reply any) { f.answered(p, reply) })
}

// nextOffset is the offset behind a stored batch.
func nextOffset(b []byte) kafka.Offset {
	return kafka.Offset(binary.BigEndian.Uint64(b)) + kafka.Offset(int32(binary.BigEndian.Uint32(b[23:]))) + 1
}

// answered takes what a replica said.
func (f *fetchCall) answered(p *fetchPart, reply any) {
	p.token = 0
	f.waiting--
	r, ok := reply.(*message.FetchReply)
	switch {
	case !ok:
		p.code = kerror.NotLeaderOrFollower
	case r.Reason != kerror.None && len(p.batches) == 0:
		p.code, p.reply = r.Reason, r
	case r.Reason == kerror.None:
		p.reply = r
		for _, b := range r.Batches {
			p.batches = append(p.batches, b)
			p.size += len(b)
		}
	}
	switch {
	case f.done:
	case f.parked:
		f.woken(p)
	case f.waiting == 0:
		f.collected()
	}
}

// collected decides what happens once every replica has said what it has: answer, read segments, or wait.
func (f *fetchCall) collected() {
	left := f.deadline.Sub(f.Now())
	if f.enough() || left <= 0 {
		f.readCold()
		return
	}
	f.parked = true
	f.cancel = f.After(left, f.finishWait)
	f.ask(left + grace) // our own timer ends the wait, so that all partitions end it together
}
