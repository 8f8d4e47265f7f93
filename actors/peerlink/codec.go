package peerlink

import (
	"encoding/binary"
	"errors"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"chronik/actors/cluster"
	"chronik/actors/message"
	"chronik/protocol/kafka"
	"chronik/wal"
)

var errMalformed = errors.New("malformed peer frame")

// Flags of an encoded raft message.
const (
	flagReject   = 1
	flagSnapshot = 2
	flagContext  = 4
	flagEntries  = 8
)

// raftEncoder puts raft messages into one frame; payloads of entries become parts of their own and are not copied.
type raftEncoder struct {
	parts [][]byte
	buf   []byte
	size  int // of finished parts
}

func newRaftEncoder() *raftEncoder {
	return &raftEncoder{buf: append(make([]byte, 0, 4096), frameVersion, kindRaft)}
}

func (e *raftEncoder) len() int { return e.size + len(e.buf) }

func (e *raftEncoder) uint(v uint64) { e.buf = binary.AppendUvarint(e.buf, v) }

// payload adds bytes as a part of their own; small ones are copied, a part costs more than they do.
func (e *raftEncoder) payload(b []byte) {
	if len(b) < 512 {
		e.buf = append(e.buf, b...)
		return
	}
	e.cut()
	e.parts = append(e.parts, b)
	e.size += len(b)
}

func (e *raftEncoder) cut() {
	if len(e.buf) > 0 {
		e.parts = append(e.parts, e.buf)
		e.size += len(e.buf)
		e.buf = make([]byte, 0, 1024)
	}
}

func (e *raftEncoder) finish() [][]byte {
	e.cut()
	return e.parts
}

func (e *raftEncoder) message(g wal.GroupID, m *raftpb.Message) {
	flags := byte(0)
	if m.GetReject() {
		flags |= flagReject
	}
	if m.Snapshot != nil && m.GetType() == raftpb.MsgSnap {
		flags |= flagSnapshot
	}
	if len(m.Context) > 0 {
		flags |= flagContext
	}
	if len(m.Entries) > 0 {
		flags |= flagEntries
	}
	e.uint(uint64(g))
	e.buf = append(e.buf, byte(m.GetType()), flags)
	for _, v := range [...]uint64{m.GetFrom(), m.GetTo(), m.GetTerm(), m.GetLogTerm(), m.GetIndex(), m.GetCommit(), m.GetVote(), m.GetRejectHint()} {
		e.uint(v)
	}
	if flags&flagContext != 0 {
		e.uint(uint64(len(m.Context)))
		e.buf = append(e.buf, m.Context...)
	}
	if flags&flagSnapshot != 0 {
		b, err := proto.Marshal(m.Snapshot)
		if err != nil {
			panic("BUG: a snapshot does not encode: " + err.Error())
		}
		e.uint(uint64(len(b)))
		e.payload(b)
	}
	if flags&flagEntries != 0 {
		e.uint(uint64(len(m.Entries)))
		for _, x := range m.Entries {
			e.buf = append(e.buf, byte(x.GetType()))
			e.uint(x.GetTerm())
			e.uint(x.GetIndex())
			e.uint(uint64(len(x.Data)))
			e.payload(x.Data)
		}
	}
}

// reader takes a frame apart; after the first bad field everything reads as zero and bad is set.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.b, r.bad = nil, true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

// bytes returns a copy: the frame's buffer goes back to its pool.
func (r *reader) bytes() []byte {
	n := r.uint()
	if r.bad || n > uint64(len(r.b)) {
		r.b, r.bad = nil, true
		return nil
	}
	v := append(make([]byte, 0, n), r.b[:n]...)
	r.b = r.b[n:]
	return v
}

// minEntry is what an entry costs at least; it bounds a declared count by what can be there.
const minEntry = 4

func (r *reader) message() *message.RaftMessage {
	out := &message.RaftMessage{Group: wal.GroupID(r.uint())}
	kind, flags := r.byte(), r.byte()
	m := &raftpb.Message{Type: raftpb.MessageType(kind).Enum()}
	if _, known := raftpb.MessageType_name[int32(kind)]; !known || flags&^(flagReject|flagSnapshot|flagContext|flagEntries) != 0 {
		r.bad = true
		return out
	}
	for _, f := range [...]**uint64{&m.From, &m.To, &m.Term, &m.LogTerm, &m.Index, &m.Commit, &m.Vote, &m.RejectHint} {
		*f = new(r.uint())
	}
	if flags&flagReject != 0 {
		m.Reject = new(true)
	}
	if flags&flagContext != 0 {
		m.Context = r.bytes()
	}
	if flags&flagSnapshot != 0 {
		m.Snapshot = &raftpb.Snapshot{}
		if b := r.bytes(); r.bad || proto.Unmarshal(b, m.Snapshot) != nil {
			r.bad = true
			return out
		}
	}
	if flags&flagEntries != 0 {
		n := r.uint()
		if n > uint64(len(r.b)/minEntry) {
			r.bad = true
			return out
		}
		m.Entries = make([]*raftpb.Entry, 0, n)
		for range n {
			e := &raftpb.Entry{Type: raftpb.EntryType(r.byte()).Enum()}
			e.Term, e.Index = new(r.uint()), new(r.uint())
			e.Data = r.bytes()
			if len(e.Data) == 0 {
				e.Data = nil
			}
			m.Entries = append(m.Entries, e)
			if r.bad {
				return out
			}
		}
	}
	out.Msg = m
	return out
}

// decodeRaft reads a batch of raft messages; all or nothing.
func decodeRaft(b []byte) ([]*message.RaftMessage, error) {
	r := &reader{b: b}
	var out []*message.RaftMessage
	for len(r.b) > 0 {
		m := r.message()
		if r.bad {
			return nil, errMalformed
		}
		out = append(out, m)
	}
	return out, nil
}

func encodeGossip(m *message.Gossip) []byte {
	b := []byte{frameVersion, kindGossip, 0}
	if m.Unfit {
		b[2] = 1
	}
	for _, row := range m.Rows {
		l := &row.Leadership
		for _, v := range [...]uint64{uint64(row.Group), uint64(l.Term), l.Version, uint64(l.Leader), uint64(len(l.InSync))} {
			b = binary.AppendUvarint(b, v)
		}
		for _, n := range l.InSync {
			b = binary.AppendUvarint(b, uint64(n))
		}
	}
	return b
}

func decodeGossip(b []byte) (*message.Gossip, error) {
	r := &reader{b: b}
	out := &message.Gossip{Unfit: r.uint() == 1}
	if r.bad {
		return nil, errMalformed
	}
	for len(r.b) > 0 {
		row := message.GossipRow{Group: wal.GroupID(r.uint())}
		row.Leadership = cluster.Leadership{Term: wal.Term(r.uint()), Version: r.uint(), Leader: kafka.NodeID(r.uint())}
		n := r.uint()
		if r.bad || n > uint64(len(r.b)) {
			return nil, errMalformed
		}
		for range n {
			row.Leadership.InSync = append(row.Leadership.InSync, kafka.NodeID(r.uint()))
		}
		if r.bad {
			return nil, errMalformed
		}
		out.Rows = append(out.Rows, row)
	}
	return out, nil
}
