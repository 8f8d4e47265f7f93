package peerlink

import (
	"encoding/json"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors/env"
	"chronik/actors/message"
	"chronik/wal"
)

type socket = env.Socket

// deliver passes on what a proved peer sent.
func (l *Link) deliver(ctx actor.Context, kind byte, body []byte) error {
	v := l.o.Node.View
	switch kind {
	case kindPing:
		return nil
	case kindRaft:
		return l.raft(ctx, body)
	case kindGossip:
		m, err := decodeGossip(body)
		if err != nil {
			return err
		}
		m.From = l.o.Peer
		ctx.Send(v.Broker(), m)
	case kindForward:
		m := &message.ForwardMeta{}
		if json.Unmarshal(body, m) != nil {
			return errMalformed
		}
		m.From = l.theirs.Replica
		if v.Metadata() != nil && m.From != 0 {
			ctx.Send(v.Metadata(), m)
		}
	case kindForwardReply:
		m := &message.ForwardMetaReply{}
		if json.Unmarshal(body, m) != nil {
			return errMalformed
		}
		if v.Metadata() != nil {
			ctx.Send(v.Metadata(), m)
		}
	case kindAdopt:
		m := &message.Adopt{}
		if json.Unmarshal(body, m) != nil {
			return errMalformed
		}
		m.From = l.o.Peer
		ctx.Send(v.Broker(), m)
	case kindSegmentRequest:
		m := &message.SegmentRequest{}
		if json.Unmarshal(body, m) != nil {
			return errMalformed
		}
		m.From = l.theirs.Replica
		if to := l.local(m.Group); to != nil && m.From != 0 && m.Group != wal.MetaGroup {
			ctx.Send(to, m)
		}
	case kindMove:
		m := &message.MoveLeadership{}
		if json.Unmarshal(body, m) != nil {
			return errMalformed
		}
		if to := l.local(m.Group); to != nil && l.theirs.Replica != 0 {
			ctx.Send(to, &message.TransferLeadership{To: m.To})
		}
	case kindSegmentChunk:
		m, err := decodeChunk(body)
		if err != nil {
			return err
		}
		if to := l.local(m.Group); to != nil {
			ctx.Send(to, m)
		}
	default:
		return errMalformed
	}
	return nil
}

// raft hands messages to their groups. A message of a group that is not here yet, or no more, is dropped: Raft tries again.
func (l *Link) raft(ctx actor.Context, body []byte) error {
	ms, err := decodeRaft(body)
	if err != nil {
		return err
	}
	self := l.o.Node.Self()
	for _, m := range ms {
		if wal.ReplicaID(m.Msg.GetFrom()).Registration() != l.theirs.Replica || wal.ReplicaID(m.Msg.GetTo()).Registration() != self || self == 0 || l.theirs.Replica == 0 {
			return errMalformed
		}
		if to := l.local(m.Group); to != nil {
			ctx.Send(to, m)
		}
	}
	return nil
}

// encodeChunk writes entries of a segment without copying the batches.
func encodeChunk(m *message.SegmentChunk) [][]byte {
	e := &raftEncoder{buf: append(make([]byte, 0, 4096), frameVersion, kindSegmentChunk)}
	e.uint(uint64(m.Group))
	e.uint(m.Token)
	e.uint(uint64(m.Rest))
	e.uint(uint64(len(m.Why)))
	e.buf = append(e.buf, m.Why...)
	e.uint(uint64(m.Copied.First))
	e.uint(uint64(m.Copied.FirstOffset))
	e.uint(uint64(len(m.Copied.Entries)))
	for i := range m.Copied.Entries {
		x := &m.Copied.Entries[i]
		roll := uint64(0)
		if x.Roll {
			roll = 1
		}
		for _, v := range [...]uint64{uint64(x.Index), uint64(x.Term), uint64(x.Type), roll, uint64(x.BaseOffset + 1), uint64(x.LastOffset + 1), uint64(x.MaxTimestamp + 1), uint64(x.RowCRC), uint64(len(x.Data))} {
			e.uint(v)
		}
		e.payload(x.Data)
	}
	return e.finish()
}

func decodeChunk(b []byte) (*message.SegmentChunk, error) {
	r := &reader{b: b}
	m := &message.SegmentChunk{Group: wal.GroupID(r.uint()), Token: r.uint(), Rest: time.Duration(r.uint()), Why: string(r.bytes())}
	m.Copied.First, m.Copied.FirstOffset = wal.Index(r.uint()), int64(r.uint())
	n := r.uint()
	if r.bad || n > uint64(len(r.b)/9) {
		return nil, errMalformed
	}
	for range n {
		x := wal.SegmentEntry{Entry: wal.Entry{Index: wal.Index(r.uint()), Term: wal.Term(r.uint()), Type: wal.EntryType(r.uint())}, Roll: r.uint() == 1}
		x.BaseOffset, x.LastOffset, x.MaxTimestamp = int64(r.uint())-1, int64(r.uint())-1, int64(r.uint())-1
		x.RowCRC = uint32(r.uint())
		if x.Data = r.bytes(); len(x.Data) == 0 {
			x.Data = nil
		}
		if r.bad {
			return nil, errMalformed
		}
		m.Copied.Entries = append(m.Copied.Entries, x)
	}
	return m, nil
}
