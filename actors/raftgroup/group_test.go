package raftgroup_test

import (
	"slices"
	"strings"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"

	"chronik/actors/message"
	"chronik/actors/raftgroup"
	"chronik/raftnode"
	"chronik/wal"
)

func first(s *site, c *raftgroup.Config) { c.First = s.id == 1 }

// TestAloneLeadsAtOnce: a single voter needs no clock; its hard state is on disk before it leads.
func TestAloneLeadsAtOnce(t *testing.T) {
	w := newWorld(t, 1, nil)
	s := w.sites[0]
	if len(s.log) != 1 || s.owner.g.Leading() {
		t.Fatalf("%d writes, leading %v, before its vote is on disk", len(s.log), s.owner.g.Leading())
	}
	w.stabilize()
	s.owner.saw(t, "role StatePreCandidate of term 0, leader 0", "role StateCandidate of term 1, leader 0", "role StateLeader of term 1, leader 1", "appended [1/1:] truncated 0 leading true", "durable 1/1", "apply [1/1:]")
}

// TestBurstIsOneWrite: proposals of a burst become one append and one write.
func TestBurstIsOneWrite(t *testing.T) {
	w := newWorld(t, 1, nil)
	s := w.lead()
	for _, v := range []string{"a", "b", "c"} {
		s.node.Runtime.System.Root.Send(s.pid, &propose{v})
	}
	w.settle()
	if len(s.log) != 1 || len(s.log[0].Write.Entries) != 3 {
		t.Fatalf("%d writes", len(s.log))
	}
	s.owner.saw(t, "appended [1/2:a 1/3:b 1/4:c] truncated 0 leading true")
	s.done(1)
	s.owner.saw(t, "durable 1/4", "apply [1/2:a 1/3:b 1/4:c]")
}

// TestAnswersLeaveAfterTheWrite: votes and acknowledgements wait for WriteDone, entries and heartbeats do not.
func TestAnswersLeaveAfterTheWrite(t *testing.T) {
	w := newWorld(t, 3, first)
	a, b := w.sites[0], w.sites[1]
	a.deliver(2) // pre-vote
	b.deliver(1)
	a.done(1)
	a.deliver(2) // vote
	if len(b.log) != 1 || len(b.sent[1]) != 0 {
		t.Fatalf("%d writes, sent %v", len(b.log), b.types(1))
	}
	b.done(1)
	if got := b.types(1); !slices.Equal(got, []string{"MsgVoteResp"}) {
		t.Fatal(got)
	}
	a = w.lead()
	a.send(&propose{"a"})
	if got := a.types(2); !slices.Equal(got, []string{"MsgApp"}) || len(a.log) != 1 {
		t.Fatal("entries wait for the leader's own disk", got)
	}
	a.deliver(2)
	if len(b.log) != 1 || len(b.sent[1]) != 0 {
		t.Fatalf("%d writes, sent %v", len(b.log), b.types(1))
	}
	b.done(1)
	if got := b.types(1); !slices.Equal(got, []string{"MsgAppResp"}) {
		t.Fatal(got)
	}
}

// TestAnswerWithoutWriteKeepsItsPlace: an entry that is there already needs no write, but what its answer says must be on
// disk.
func TestAnswerWithoutWriteKeepsItsPlace(t *testing.T) {
	w := newWorld(t, 3, first)
	a, b := w.lead(), w.sites[1]
	a.send(&propose{"a"})
	a.sent[2] = append(a.sent[2], a.sent[2]...) // the network repeats
	a.deliver(2)
	if len(b.log) != 1 || len(b.sent[1]) != 0 {
		t.Fatalf("%d writes, sent %v before they are done", len(b.log), b.types(1))
	}
	b.done(1)
	if got := b.types(1); !slices.Equal(got, []string{"MsgAppResp", "MsgAppResp"}) {
		t.Fatal(got)
	}
	// With nothing under way it leaves at once.
	a.send(&propose{"b"})
	m := a.sent[2]
	a.deliver(2)
	b.done(1)
	b.sent[1] = nil
	a.sent[2] = m
	a.deliver(2)
	if got := b.types(1); !slices.Equal(got, []string{"MsgAppResp"}) || len(b.log) != 0 {
		t.Fatal(got, len(b.log))
	}
}

// TestOtherLives: a WriteDone of another incarnation, and one of a write of the owner's own, change nothing.
func TestOtherLives(t *testing.T) {
	w := newWorld(t, 1, nil)
	s := w.lead()
	s.send(&propose{"a"})
	s.owner.events = nil
	s.send(&message.WriteDone{Incarnation: 4, Token: 3})
	s.send(&message.WriteDone{Incarnation: 6, Token: 3})
	s.send(&message.WriteDone{Incarnation: 5, Token: 0})
	s.owner.saw(t)
	if s.owner.g.Applied() != 1 {
		t.Error("applied before the write was done")
	}
	s.done(1)
	s.owner.saw(t, "durable 1/2", "apply [1/2:a]")
}

func TestUnexpectedWriteDoneIsABug(t *testing.T) {
	w := newWorld(t, 1, nil)
	s := w.lead()
	s.node.Runtime.System.Root.Send(s.pid, &message.WriteDone{Incarnation: 5, Token: 99})
	w.RunFor(0)
	if w.Violation == nil || !strings.Contains(w.Violation.Error(), "BUG: t-0: a write was answered that nobody waits for") {
		t.Errorf("%.200v", w.Violation)
	}
	w.Violation = nil
}

// TestDropped: proposals that do not get in are counted, all of them.
func TestDropped(t *testing.T) {
	w := newWorld(t, 3, first)
	a, b := w.lead(), w.sites[1]
	b.owner.events = nil
	for range 3 {
		b.node.Runtime.System.Root.Send(b.pid, &propose{"x"})
	}
	w.settle()
	b.owner.saw(t, "dropped 3")
	a.send(&transfer{2})
	a.send(&propose{"x"})
	a.owner.saw(t, "transfer true", "dropped 1")
}

// TestCutTailIsTold with the first index that goes, and its write is not called durable any more.
func TestCutTailIsTold(t *testing.T) {
	w := newWorld(t, 3, first)
	a, b := w.lead(), w.sites[1]
	a.send(&propose{"lost"}) // its write hangs
	a.sent[2], a.sent[3] = nil, nil
	a.owner.events = nil
	b.send(&message.PeerChanged{Replica: 1})
	w.sites[2].send(&message.PeerChanged{Replica: 1})
	for range 12 {
		for _, s := range w.sites[1:] {
			s.done(9)
			s.deliver(2)
			s.deliver(3)
		}
	}
	if !b.owner.g.Leading() {
		t.Fatal(b.state())
	}
	b.send(&propose{"kept"})
	b.send(&message.Tick{N: 1})
	for range 6 {
		b.deliver(1)
		a.deliver(2)
	}
	if !slices.ContainsFunc(a.owner.events, func(e string) bool { return strings.HasSuffix(e, "truncated 2 leading false") }) {
		t.Fatalf("%q", a.owner.events)
	}
	a.owner.events = nil
	a.done(1) // of "lost"
	a.owner.saw(t)
	w.stabilize()
	if got := a.owner.events; !slices.ContainsFunc(got, func(e string) bool { return strings.HasPrefix(e, "durable 2/") }) {
		t.Errorf("%q", got)
	}
}

// TestDeathOfTheLeader: the first of the others stands at once, the next one two ticks later.
func TestDeathOfTheLeader(t *testing.T) {
	w := newWorld(t, 3, first)
	w.lead()
	b, c := w.sites[1], w.sites[2]
	b.send(&message.PeerChanged{Replica: 1})
	c.send(&message.PeerChanged{Replica: 1})
	if !slices.Contains(b.types(3), "MsgPreVote") || slices.Contains(c.types(2), "MsgPreVote") {
		t.Fatal(b.types(3), c.types(2))
	}
	b.sent = map[wal.ReplicaID][]*message.RaftMessage{} // it dies, too
	for range 3 {
		if slices.Contains(c.types(1), "MsgPreVote") {
			t.Fatal("too early")
		}
		c.send(&message.Tick{N: 1})
	}
	if !slices.Contains(c.types(1), "MsgPreVote") {
		t.Error("the second candidate does not stand")
	}
}

// TestFirstStandsAgain while the others are being born.
func TestFirstStandsAgain(t *testing.T) {
	w := newWorld(t, 3, first)
	a := w.sites[0]
	a.sent = map[wal.ReplicaID][]*message.RaftMessage{} // nobody was there
	for range 3 {
		a.send(&message.Tick{N: 1})
	}
	if !slices.Contains(a.types(2), "MsgPreVote") {
		t.Fatal(a.types(2))
	}
	w.stabilize()
	if !a.owner.g.Leading() {
		t.Error(a.state())
	}
}

func TestReadIndex(t *testing.T) {
	w := newWorld(t, 3, first)
	a := w.lead()
	a.send(&readIndex{})
	a.send(&readIndex{})
	a.owner.saw(t, "asked 1", "asked 2")
	w.stabilize()
	a.owner.saw(t, "read 1 at 1", "read 2 at 1")
}

// TestNoLink: without a link a message is lost, and Raft knows.
func TestNoLink(t *testing.T) {
	w := newWorld(t, 3, first)
	a := w.lead()
	a.alone[2] = true
	a.send(&propose{"a"})
	a.send(&propose{"b"})
	w.stabilize()
	a.alone[2] = false
	w.tick(1)
	w.stabilize()
	w.tick(1)
	w.stabilize()
	if w.sites[1].owner.g.Applied() != 3 {
		t.Errorf("applied %d", w.sites[1].owner.g.Applied())
	}
	for _, m := range a.all {
		if m.Write.Group != group {
			t.Errorf("a write for group %d", m.Write.Group)
		}
	}
}

// TestTransfer without a wish goes to who is furthest and alive.
func TestTransfer(t *testing.T) {
	w := newWorld(t, 3, first)
	a := w.lead()
	w.sites[1].send(&transfer{})
	if got := w.sites[1].owner.events; got[len(got)-1] != "transfer false" {
		t.Error("a follower transfers leadership", got)
	}
	a.send(&propose{"a"})
	a.done(9)
	a.deliver(3)
	w.sites[2].done(9)
	w.sites[2].deliver(1)
	a.sent[2] = nil
	a.send(&transfer{})
	w.stabilize()
	if !w.sites[2].owner.g.Leading() {
		t.Error(w.sites[2].state())
	}
}

// TestSnapshotIsHeldBack until what it stands for is on disk; then the log begins anew there.
func TestSnapshotIsHeldBack(t *testing.T) {
	w := newWorld(t, 3, first)
	a, c := w.lead(), w.sites[2]
	a.owner.snap = true
	for _, v := range []string{"a", "b"} {
		a.send(&propose{v})
		a.sent[3] = nil
		a.done(9)
		a.deliver(2)
		w.sites[1].done(9)
		w.sites[1].deliver(1)
	}
	a.owner.g.Node().Compact(2)
	a.send(&message.LinkDropped{Peer: 3})
	for range 4 {
		w.tick(1)
		a.deliver(3)
		c.deliver(1)
	}
	c.owner.events = slices.DeleteFunc(c.owner.events, func(e string) bool { return !strings.HasPrefix(e, "prepare") })
	c.owner.saw(t, `prepare "state" of 1 at 1/3`)
	if len(c.log) != 0 || c.owner.g.Applied() != 1 {
		t.Fatal("the snapshot was taken over before it was prepared")
	}
	c.owner.prepare(false) // it did not work out
	w.settle()
	if c.owner.g.Applied() != 1 {
		t.Fatal("a snapshot that failed was taken over")
	}
	// Raft offers it again when it is told that the link was lost.
	a.send(&message.PeerChanged{Replica: 3, Up: true})
	for range 4 {
		w.tick(1)
		a.deliver(3)
		c.deliver(1)
	}
	c.owner.saw(t, `prepare "state" of 1 at 1/3`)
	c.owner.prepare(true)
	c.send(&message.Tick{N: 1})
	w.stabilize()
	w.tick(1)
	w.stabilize()
	if c.owner.events[0] != `restore "state" at 1/3` || c.owner.g.Applied() != 3 {
		t.Errorf("%q", c.owner.events)
	}
	reset := false
	for _, m := range c.all {
		if m.Write.Reset != nil {
			reset = reset || *m.Write.Reset == wal.Position{Index: 3, Term: 1}
		}
	}
	if !reset {
		t.Error("the log on disk was not told")
	}
}

// TestSnapshotThatIsBehindAtOnce: the leader has forgotten the entry that follows a snapshot by the time that it is stored. A
// newer one goes out at the next heartbeat, though nothing is ever appended any more.
func TestSnapshotThatIsBehindAtOnce(t *testing.T) {
	w := newWorld(t, 3, first)
	a, b, c := w.lead(), w.sites[1], w.sites[2]
	a.owner.snap = true
	add := func(v string) {
		a.send(&propose{v})
		a.sent[3] = nil
		a.done(9)
		a.deliver(2)
		b.done(9)
		b.deliver(1)
		a.owner.g.Node().Compact(a.owner.g.Applied())
	}
	add("a")
	a.send(&message.LinkDropped{Peer: 3})
	for c.owner.prepare == nil {
		w.tick(1)
		a.deliver(3)
		c.deliver(1)
	}
	add("b")
	for ticks := 0; c.owner.g.Applied() < 3; ticks++ {
		if ticks > 5 {
			t.Fatalf("the follower has %d of 3 and waits", c.owner.g.Applied())
		}
		if p := c.owner.prepare; p != nil {
			c.owner.prepare = nil
			p(true)
			c.send(&message.Tick{N: 1})
		}
		w.stabilize()
		w.tick(1)
		w.stabilize()
	}
}

// TestLogBeginsWhereTheStartDoes: a crash between a snapshot and the log's knowledge of it is settled first of all.
func TestLogBeginsWhereTheStartDoes(t *testing.T) {
	at := wal.Position{Index: 9, Term: 2}
	entry := wal.Entry{Index: 10, Term: 2}
	for name, c := range map[string]struct {
		restored       *wal.GroupState
		entries        []wal.Entry
		reset, release bool
	}{
		"nothing in the log":      {nil, nil, true, false},
		"an older log":            {&wal.GroupState{Base: wal.Position{Index: 3, Term: 1}, Entries: []wal.Entry{{Index: 4, Term: 1}}}, nil, true, false},
		"another entry there":     {&wal.GroupState{Base: wal.Position{Index: 8, Term: 1}, Entries: []wal.Entry{{Index: 9, Term: 1}}}, nil, true, false},
		"the log ends there":      {&wal.GroupState{Base: wal.Position{Index: 8, Term: 1}, Entries: []wal.Entry{{Index: 9, Term: 2}}}, nil, false, true},
		"the log goes on":         {&wal.GroupState{Base: wal.Position{Index: 8, Term: 1}, Entries: []wal.Entry{{Index: 9, Term: 2}, entry}}, []wal.Entry{entry}, false, true},
		"the log begins there":    {&wal.GroupState{Base: at, Entries: []wal.Entry{entry}}, []wal.Entry{entry}, false, false},
		"the log begins and ends": {&wal.GroupState{Base: at}, nil, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1, func(_ *site, g *raftgroup.Config) {
				g.Restored = c.restored
				g.Start = raftnode.Start{Base: at, Applied: at.Index, Entries: c.entries, Conf: &pb.ConfState{Voters: []uint64{1}}, HardState: wal.HardState{Term: 2}}
			})
			m := w.sites[0].log[0]
			if reset := m.Write.Reset != nil && *m.Write.Reset == at; reset != c.reset {
				t.Errorf("reset: %+v", m.Write)
			}
			if release := m.Write.Release != nil && *m.Write.Release == at; release != c.release {
				t.Errorf("release: %+v", m.Write)
			}
			if (c.reset || c.release) && (m.Owner != nil || m.Write.Entries != nil) {
				t.Errorf("%+v", m)
			}
			w.stabilize()
			if !w.sites[0].owner.g.Leading() {
				t.Error("it does not lead")
			}
		})
	}
}
