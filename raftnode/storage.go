package raftnode

import (
	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"

	"chronik/wal"
)

// storage is what RawNode reads: the entries after base, in memory.
type storage struct {
	hard    wal.HardState
	conf    *pb.ConfState
	base    wal.Position
	entries []*pb.Entry // base.Index+1 …
	bytes   int
	// snapshot makes the snapshot that a follower below base needs; nil data with ok false: not now.
	snapshot func() (data []byte, pos wal.Position, conf *pb.ConfState, ok bool)
}

func (s *storage) last() wal.Index { return s.base.Index + wal.Index(len(s.entries)) }

// InitialState implements raft.Storage.
func (s *storage) InitialState() (*pb.HardState, *pb.ConfState, error) {
	return &pb.HardState{Term: ptr(uint64(s.hard.Term)), Vote: ptr(uint64(s.hard.Vote)), Commit: ptr(uint64(s.hard.Commit))}, s.conf, nil
}

// Entries implements raft.Storage; see invariant 1.
func (s *storage) Entries(lo, hi, maxSize uint64) ([]*pb.Entry, error) {
	if wal.Index(lo) <= s.base.Index {
		return nil, raft.ErrCompacted
	}
	if wal.Index(hi) > s.last()+1 {
		return nil, raft.ErrUnavailable
	}
	view := s.entries[lo-uint64(s.base.Index)-1 : hi-uint64(s.base.Index)-1]
	size := uint64(0)
	for i, e := range view {
		if size += uint64(len(e.Data)) + 24; size > maxSize && i > 0 {
			view = view[:i]
			break
		}
	}
	return append(make([]*pb.Entry, 0, len(view)), view...), nil
}

// Term implements raft.Storage.
func (s *storage) Term(i uint64) (uint64, error) {
	switch x := wal.Index(i); {
	case x == s.base.Index:
		return uint64(s.base.Term), nil
	case x < s.base.Index:
		return 0, raft.ErrCompacted
	case x > s.last():
		return 0, raft.ErrUnavailable
	default:
		return s.entries[x-s.base.Index-1].GetTerm(), nil
	}
}

// LastIndex implements raft.Storage.
func (s *storage) LastIndex() (uint64, error) { return uint64(s.last()), nil }

// FirstIndex implements raft.Storage.
func (s *storage) FirstIndex() (uint64, error) { return uint64(s.base.Index) + 1, nil }

// Snapshot implements raft.Storage.
func (s *storage) Snapshot() (*pb.Snapshot, error) {
	data, pos, conf, ok := s.snapshot()
	if !ok {
		return nil, raft.ErrSnapshotTemporarilyUnavailable
	}
	return &pb.Snapshot{Data: data, Metadata: &pb.SnapshotMetadata{Index: ptr(uint64(pos.Index)), Term: ptr(uint64(pos.Term)), ConfState: conf}}, nil
}

// append takes over entries that Raft handed out; it returns the first index that they replace, 0 for none.
func (s *storage) append(es []*pb.Entry) (truncated wal.Index) {
	if len(es) == 0 {
		return 0
	}
	first := wal.Index(es[0].GetIndex())
	if first <= s.last() {
		truncated = first
		keep := int(first - s.base.Index - 1)
		for _, e := range s.entries[keep:] {
			s.bytes -= len(e.Data)
		}
		clear(s.entries[keep:])
		s.entries = s.entries[:keep]
	}
	for _, e := range es {
		s.bytes += len(e.Data)
	}
	s.entries = append(s.entries, es...)
	return truncated
}

// compact forgets the entries up to an index.
func (s *storage) compact(upTo wal.Index) {
	if upTo <= s.base.Index {
		return
	}
	upTo = min(upTo, s.last())
	n := int(upTo - s.base.Index)
	s.base = wal.Position{Index: upTo, Term: wal.Term(s.entries[n-1].GetTerm())}
	for _, e := range s.entries[:n] {
		s.bytes -= len(e.Data)
	}
	clear(s.entries[:n])
	s.entries = s.entries[n:]
	if len(s.entries) == 0 || cap(s.entries) > 4*len(s.entries)+64 {
		s.entries = append([]*pb.Entry(nil), s.entries...) // give the long tail of the old array back
	}
}

func ptr[T any](v T) *T { return &v }
