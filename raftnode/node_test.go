package raftnode

import (
	"testing"
	"testing/cryptotest"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"

	"chronik/wal"
)

func alone(t *testing.T, values ...string) *peer {
	cryptotest.SetGlobalRandom(t, 1)
	l := newLab(1)
	p := l.peers[0]
	p.n.Campaign()
	l.stabilize()
	for _, v := range values {
		if err := p.n.Propose([][]byte{[]byte(v)}); err != nil {
			t.Fatal(err)
		}
		l.stabilize()
	}
	l.check(t)
	return p
}

// TestEntriesAreFresh: raft appends to what it gets and keeps it; the storage's own list must not be seen through it.
func TestEntriesAreFresh(t *testing.T) {
	n := alone(t, "a", "b", "c").n
	es, err := n.st.Entries(2, 4, 1<<20)
	if err != nil || len(es) != 2 {
		t.Fatal(es, err)
	}
	es[0] = nil
	_ = append(es, nil)
	for i, want := range map[wal.Index]string{2: "a", 3: "b", 4: "c"} {
		if e, ok := n.Entry(i); !ok || string(e.Data) != want {
			t.Errorf("entry %d is %q", i, e.Data)
		}
	}
}

func TestStorageBounds(t *testing.T) {
	n := alone(t, "aaaaaaaaaa", "bbbbbbbbbb", "cccccccccc").n
	for _, c := range []struct {
		lo, hi, size uint64
		n            int
	}{{1, 5, 1 << 20, 4}, {2, 5, 0, 1}, {2, 5, 34, 1}, {2, 5, 68, 2}, {2, 5, 67, 1}, {3, 3, 0, 0}} {
		if es, err := n.st.Entries(c.lo, c.hi, c.size); err != nil || len(es) != c.n {
			t.Errorf("[%d,%d) within %d bytes: %d entries, %v", c.lo, c.hi, c.size, len(es), err)
		}
	}
	if _, err := n.st.Entries(3, 6, 1<<20); err != raft.ErrUnavailable {
		t.Error(err)
	}
	if n.Bytes() != 30 {
		t.Error(n.Bytes())
	}
	n.Compact(2)
	if _, err := n.st.Entries(2, 4, 1<<20); err != raft.ErrCompacted {
		t.Error(err)
	}
	if _, err := n.st.Term(1); err != raft.ErrCompacted {
		t.Error(err)
	}
	if term, ok := n.TermAt(2); !ok || term != 1 {
		t.Error(term, ok)
	}
	if _, ok := n.Entry(2); ok {
		t.Error("a forgotten entry is there")
	}
	if n.Bytes() != 20 || n.Base() != (wal.Position{Index: 2, Term: 1}) || n.Last() != 4 {
		t.Error(n.Bytes(), n.Base(), n.Last())
	}
	n.Compact(1) // no way back
	n.Compact(4)
	if n.Bytes() != 0 || n.Base().Index != 4 || n.Last() != 4 {
		t.Error(n.Bytes(), n.Base(), n.Last())
	}
}

// TestSnapshotCountsAsCommitted: where segments end, the log is committed, whatever the hard state says; and a vote of an
// older term is none in theirs.
func TestSnapshotCountsAsCommitted(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1)
	n, err := New(Config{ID: 1, Name: "t"}, Start{HardState: wal.HardState{Term: 2, Vote: 3, Commit: 4}, Base: wal.Position{Index: 9, Term: 5}, Applied: 9,
		Conf: &pb.ConfState{Voters: []uint64{1, 2, 3}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	hs := n.rn.BasicStatus().HardState
	if hs.GetTerm() != 5 || hs.GetVote() != 0 || hs.GetCommit() != 9 {
		t.Errorf("%+v", hs)
	}
}

// TestBatchIsAllOrNothing: what is proposed in one step gets consecutive indexes.
func TestBatchIsAllOrNothing(t *testing.T) {
	p := alone(t)
	if err := p.n.Propose([][]byte{[]byte("a"), []byte("b"), []byte("c")}); err != nil {
		t.Fatal(err)
	}
	rd := p.n.Ready()
	if len(rd.Entries) != 3 || len(rd.Appends) != 1 || !rd.Appends[0].Write {
		t.Fatalf("%+v", rd)
	}
	for i, e := range rd.Entries {
		if e.Index != wal.Index(2+i) || e.Term != 1 {
			t.Errorf("%+v", e)
		}
	}
}

// TestProposalIsCopied: the buffer belongs to the caller again when Propose returns.
func TestProposalIsCopied(t *testing.T) {
	p := alone(t)
	buf := []byte("precious")
	if err := p.n.Propose([][]byte{buf}); err != nil {
		t.Fatal(err)
	}
	rd := p.n.Ready()
	clear(buf)
	if string(rd.Entries[0].Data) != "precious" {
		t.Error("raft keeps the caller's bytes; the replica gives them back at this point")
	}
}
