package wal

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
	"testing"

	"chronik/wal/vfs"
)

// TestRoundTrip: what a long random life wrote is what a start finds.
func TestRoundTrip(t *testing.T) {
	for seed := range uint64(20) {
		disk := vfs.NewMem()
		o := life(disk, seed, 200)
		if o.inFlight != nil {
			t.Fatalf("seed %d: the run did not get through", seed)
		}
		l, r := mustOpen(t, disk, small())
		if why := o.acked.differ(r.Groups); why != "" {
			t.Fatalf("seed %d: %s", seed, why)
		}
		if why := spansMatch(l, o.acked); why != "" {
			t.Fatalf("seed %d: %s", seed, why)
		}
		if r.TornBytes != 0 {
			t.Fatalf("seed %d: a clean end counts as torn", seed)
		}
		_ = l.Close()
	}
}

// TestGroupCommit: everything in one Commit costs one write and one sync, however many groups write.
func TestGroupCommit(t *testing.T) {
	disk := vfs.NewFaults(vfs.NewMem())
	l, _ := mustOpen(t, disk, Options{FileSize: 8 << 20, FirstFile: 8 << 20})
	m := model{}
	for round := range 3 {
		var ws []Write
		for g := range GroupID(500) {
			last := Index(round)*3 + 1
			w := Write{Group: 2 + g, Entries: entriesOf(1, last, last+2, int(g)), HardState: &HardState{Term: 1, Commit: last}}
			if round == 0 {
				w.Birth = &Birth{Group: 2 + g, Name: fmt.Sprintf("topic-with-a-name-%d", g), Voters: []ReplicaID{1, 2, 3, 4, 5}}
			}
			m.apply(w)
			ws = append(ws, w)
		}
		writes, syncs := disk.Count(vfs.OpWrite), disk.Count(vfs.OpSync)
		mustCommit(t, l, ws...)
		if w, s := disk.Count(vfs.OpWrite)-writes, disk.Count(vfs.OpSync)-syncs; w != 1 || s != 1 {
			t.Fatalf("%d writes and %d syncs for one round", w, s)
		}
	}
	if l.Rounds != 3 {
		t.Fatalf("%d rounds", l.Rounds)
	}
	if err := l.Commit(nil); err != nil || l.Rounds != 3 {
		t.Fatalf("an empty commit: %v, %d rounds", err, l.Rounds)
	}
	_ = l.Close()
	_, r := mustOpen(t, disk, Options{})
	if why := m.differ(r.Groups); why != "" {
		t.Fatal(why)
	}
}

// TestLargeWrites: rounds that need several files, and a write that is larger than a file.
func TestLargeWrites(t *testing.T) {
	disk := vfs.NewMem()
	l, _ := mustOpen(t, disk, small())
	m := model{}
	var ws []Write
	for g := range GroupID(40) {
		w := Write{Group: 2 + g, Entries: entriesOf(1, 1, 2, 700)}
		m.apply(w)
		ws = append(ws, w)
	}
	huge := Write{Group: 99, Entries: entriesOf(1, 1, 3, 30<<10)}
	m.apply(huge)
	mustCommit(t, l, append(ws, huge)...)
	if _, err := l.Reclaim(); err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	_, r := mustOpen(t, disk, small())
	if why := m.differ(r.Groups); why != "" {
		t.Fatal(why)
	}
}

// TestPressure: a group that never moves on pins the oldest file. It is named while the ring fills, and when the ring is
// beyond its limit its entries, and the votes of groups that were silent all the time, are written again at the head.
func TestPressure(t *testing.T) {
	disk := vfs.NewMem()
	l, _ := mustOpen(t, disk, small())
	m := model{}
	commit := func(w Write) {
		m.apply(w)
		mustCommit(t, l, w)
	}
	commit(Write{Group: 5, Birth: &Birth{Group: 5, Name: "silent-0", Voters: []ReplicaID{1, 2}}, HardState: &HardState{Term: 7, Vote: 2}})
	commit(Write{Group: 6, Entries: entriesOf(1, 1, 9, 200), HardState: &HardState{1, 1, 0}})
	commit(Write{Group: 6, Entries: entriesOf(2, 5, 6, 200), HardState: &HardState{2, 1, 0}}) // truncates
	named, most := false, 0
	for i := Index(1); i < 200; i++ {
		commit(Write{Group: 7, Entries: entriesOf(1, i, i, 1500), HardState: &HardState{1, 1, i}, Release: &Position{i, 1}})
		for _, p := range l.Pinned() {
			if p != (Pin{6, 6}) {
				t.Fatalf("%v is said to be in the way", p)
			}
			named = true
		}
		if err := l.EnsureRoom(); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Reclaim(); err != nil {
			t.Fatal(err)
		}
		most = max(most, len(l.files))
		if why := spansMatch(l, m); why != "" {
			t.Fatalf("round %d: %s", i, why)
		}
	}
	if !named {
		t.Error("nobody was said to be in the way")
	}
	if most > small().Files+1 {
		t.Errorf("the ring grew to %d files", most)
	}
	_ = l.Close()
	_, r := mustOpen(t, disk, small())
	if why := m.differ(r.Groups); why != "" {
		t.Fatal(why)
	}
}

// TestFullDisk: no room for the next file is a state, not an error; what is reserved still takes writes; a ring that has no
// room to be rewritten keeps everything; and all ends by itself when there is room again.
func TestFullDisk(t *testing.T) {
	disk := vfs.NewMem()
	o := Options{FileSize: 16 << 10, FirstFile: 16 << 10, Files: 2}
	l, _ := mustOpen(t, disk, o)
	m := model{}
	var births []Write
	for g := range GroupID(80) {
		w := Write{Group: 100 + g, Birth: &Birth{Group: 100 + g, Name: fmt.Sprintf("topic-%d", g), Voters: []ReplicaID{1, 2, 3}}, HardState: &HardState{Term: Term(g), Vote: 2}}
		m.apply(w)
		births = append(births, w)
	}
	mustCommit(t, l, births...)
	index := Index(0)
	write := func() {
		index++
		w := Write{Group: 7, Entries: entriesOf(1, index, index, 1500), HardState: &HardState{1, 1, index}, Release: &Position{index, 1}}
		m.apply(w)
		mustCommit(t, l, w)
	}
	for len(l.files) < 4 || l.room() > 4<<10 {
		write()
	}
	disk.Capacity = 1 // nothing more
	if err := l.EnsureRoom(); err != nil || !l.Full() {
		t.Fatalf("a full disk: %v, full %v", err, l.Full())
	}
	write()
	if n, err := l.Reclaim(); err != nil || n != 0 || !l.Full() {
		t.Fatalf("Reclaim on a full disk: %d files, %v", n, err)
	}
	_, r, err := Open(disk.Kill(), "wal", o)
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("a start that finds no room: %v, %v", r, err)
	}
	disk.Capacity = 0
	if err := l.EnsureRoom(); err != nil || l.Full() {
		t.Fatalf("with room again: %v, full %v", err, l.Full())
	}
	if n, err := l.Reclaim(); err != nil || n == 0 {
		t.Fatalf("Reclaim with room again: %d files, %v", n, err)
	}
	_, r = mustOpen(t, disk, o)
	if why := m.differ(r.Groups); why != "" {
		t.Fatal(why)
	}
}

// TestWriteErrors: an error writing or syncing space that was allocated is final, whatever it is.
func TestWriteErrors(t *testing.T) {
	for _, op := range []vfs.Op{vfs.OpWrite, vfs.OpSync} {
		disk := vfs.NewFaults(vfs.NewMem())
		l, _ := mustOpen(t, disk, small())
		mustCommit(t, l, Write{Group: 2, Entries: entriesOf(1, 1, 1, 10)})
		disk.Add(vfs.Fault{Op: op, Name: "*.wal", Err: syscall.ENOSPC, Short: 100, Times: 1})
		var fatal *FatalError
		if err := l.Commit([]Write{{Group: 2, Entries: entriesOf(1, 2, 2, 1000)}}); !errors.As(err, &fatal) || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("operation %d: %v", op, err)
		}
	}
}

// TestLeftOvers: files that a crash left half allocated are removed, foreign files are left alone.
func TestLeftOvers(t *testing.T) {
	disk := vfs.NewMem()
	l, _ := mustOpen(t, disk, small())
	mustCommit(t, l, Write{Group: 2, Entries: entriesOf(1, 1, 1, 10)})
	_ = l.Close()
	writeTest(t, disk, "wal", "00000007.wal", make([]byte, 5000))
	writeTest(t, disk, "wal", "00000008.wal", nil)
	writeTest(t, disk, "wal", "README", []byte("mine"))
	_, r := mustOpen(t, disk, small())
	names, _ := disk.List("wal")
	if !slices.Contains(names, "README") || slices.Contains(names, "00000007.wal") || slices.Contains(names, "00000008.wal") {
		t.Errorf("files are %v", names)
	}
	if len(r.Groups[2].Entries) != 1 {
		t.Error("the entry is gone")
	}
}
