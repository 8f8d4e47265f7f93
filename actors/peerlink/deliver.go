package peerlink

import (
	"encoding/binary"
	"encoding/json"

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
		rows, err := decodeGossip(body)
		if err != nil {
			return err
		}
		ctx.Send(v.Broker, &message.Gossip{From: l.o.Peer, Rows: rows})
	case kindForward:
		m := &message.ForwardMeta{}
		if json.Unmarshal(body, m) != nil {
			return errMalformed
		}
		m.From = l.theirs.Replica
		if v.Metadata != nil && m.From != 0 {
			ctx.Send(v.Metadata, m)
		}
	case kindForwardReply:
		m := &message.ForwardMetaReply{}
		if json.Unmarshal(body, m) != nil {
			return errMalformed
		}
		if v.Metadata != nil {
			ctx.Send(v.Metadata, m)
		}
	case kindAdopt:
		m := &message.Adopt{}
		if json.Unmarshal(body, m) != nil {
			return errMalformed
		}
		m.From = l.o.Peer
		ctx.Send(v.Broker, m)
	case kindSegmentRequest:
		m := &message.SegmentRequest{}
		if json.Unmarshal(body, m) != nil {
			return errMalformed
		}
		m.From = l.theirs.Replica
		if l.o.Node.SegmentReader != nil && m.From != 0 {
			ctx.Send(l.o.Node.SegmentReader, m)
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
		if wal.ReplicaID(m.Msg.GetFrom()) != l.theirs.Replica || wal.ReplicaID(m.Msg.GetTo()) != self || self == 0 || l.theirs.Replica == 0 {
			return errMalformed
		}
		if to := l.local(m.Group); to != nil {
			ctx.Send(to, m)
		}
	}
	return nil
}

// encodeChunk writes a part of a segment without copying it.
func encodeChunk(m *message.SegmentChunk) [][]byte {
	head := *m
	head.Data = nil
	h, err := json.Marshal(&head)
	if err != nil {
		panic("BUG: a segment chunk does not encode: " + err.Error())
	}
	b := binary.AppendUvarint([]byte{frameVersion, kindSegmentChunk}, uint64(len(h)))
	return [][]byte{append(b, h...), m.Data}
}

func decodeChunk(b []byte) (*message.SegmentChunk, error) {
	r := &reader{b: b}
	head := r.bytes()
	m := &message.SegmentChunk{}
	if r.bad || json.Unmarshal(head, m) != nil {
		return nil, errMalformed
	}
	m.Data = append([]byte(nil), r.b...)
	return m, nil
}
