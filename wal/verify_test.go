package wal

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"testing"

	"chronik/protocol/batch"
	"chronik/wal/vfs"
)

// node is a data directory as a node keeps it: identity, log and segments together, for two partitions.
type node struct {
	fs    vfs.FS
	dir   *Dir
	log   *Log
	segs  *Segments
	feeds map[GroupID]*feed
	tail  map[GroupID][]SegmentEntry // committed, not in segments yet
	acked map[GroupID]int64          // next offset
	acks  int
}

func startNode(fsys vfs.FS) (*node, error) {
	n := &node{fs: fsys, feeds: map[GroupID]*feed{}, tail: map[GroupID][]SegmentEntry{}, acked: map[GroupID]int64{}}
	var err error
	if n.dir, err = OpenDir(fsys, "data", 1, DirectoryID{1}); err != nil {
		return nil, err
	}
	if n.log, _, err = Open(fsys, "data/wal", small()); err != nil {
		return nil, err
	}
	n.segs, err = OpenSegments(fsys, "data/segments")
	return n, err
}

// step does one thing that a node does; an error ends its life.
func (n *node) step(rng *rand.Rand) error {
	id := GroupID(2 + rng.IntN(2))
	f := n.feeds[id]
	if f == nil {
		f = newFeed(id)
		n.feeds[id] = f
		return n.log.Commit([]Write{{Group: id, Birth: &Birth{Group: id, Name: f.name, Voters: []ReplicaID{1, 2, 3}}, HardState: &HardState{Term: 1, Vote: 1}}})
	}
	if rng.IntN(5) == 0 && len(n.tail[id]) > 0 {
		return n.move(id, f, rng)
	}
	var es []SegmentEntry
	switch rng.IntN(7) {
	case 0:
		es = append(es, f.other(true))
	case 1:
		f.term++
		es = append(es, f.other(false))
	}
	es = append(es, f.batch(1+rng.IntN(4)), f.batch(1+rng.IntN(9)))
	w := Write{Group: id, HardState: &HardState{f.term, 1, es[0].Index - 1}}
	for _, e := range es {
		w.Entries = append(w.Entries, e.Entry)
	}
	if err := n.log.Commit([]Write{w}); err != nil {
		return err
	}
	n.tail[id] = append(n.tail[id], es...)
	n.acked[id] = f.offset
	n.acks++
	if err := n.log.EnsureRoom(); err != nil {
		return err
	}
	_, err := n.log.Reclaim()
	return err
}

func (n *node) move(id GroupID, f *feed, rng *rand.Rand) error {
	es := n.tail[id][:1+rng.IntN(len(n.tail[id]))]
	a := SegmentAppend{Group: id, Name: f.name, Entries: es, Checkpoint: []byte("state"), NextOffset: f.offset, LogStart: max(0, f.offset-60)}
	for _, e := range n.tail[id] {
		if e.BaseOffset >= 0 {
			a.NextOffset = e.BaseOffset
			break
		}
	}
	res, err := n.segs.Append(a)
	if err != nil {
		return err
	}
	n.tail[id] = n.tail[id][len(es):]
	return n.log.Commit([]Write{{Group: id, Release: &res.Last}})
}

func (n *node) stop() {
	if n.segs != nil {
		n.segs.Close()
	}
	if n.log != nil {
		_ = n.log.Close()
	}
	_ = n.dir.Close()
}

// run starts a node and lets it work.
func run(fsys vfs.FS, seed uint64, steps int) *node {
	n, err := startNode(fsys)
	if err != nil {
		return &node{acked: map[GroupID]int64{}, feeds: map[GroupID]*feed{}}
	}
	rng := rand.New(rand.NewPCG(seed, 3))
	for range steps {
		if n.step(rng) != nil {
			break
		}
	}
	return n
}

func verify(t testing.TB, fsys vfs.FS) *Report {
	t.Helper()
	r, err := Verify(fsys, "data", nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestVerifySound(t *testing.T) {
	disk := vfs.NewMem()
	n := run(disk, 1, 150)
	if _, err := Verify(disk, "data", nil); !errors.Is(err, vfs.ErrLocked) {
		t.Fatalf("a running node: %v", err)
	}
	n.stop()
	count := crashAt(disk, 1<<30)
	r, err := Verify(disk, "data", nil)
	if err != nil || r.Damaged() || r.Torn != nil {
		t.Fatalf("%v %v %v %v", err, r.Problems, r.Torn, r.Notes)
	}
	if *count > 0 {
		t.Fatalf("%d operations changed the disk", *count)
	}
	for id, f := range n.feeds {
		g := r.Group(id)
		if g == nil || g.NextOffset != f.offset || g.LastIndex != f.index || g.Segments == 0 || g.LogEntries == 0 || g.Name != f.name {
			t.Errorf("group %d: %+v, want offset %d, entry %d", id, g, f.offset, f.index)
		}
		if g.HighWatermark > g.NextOffset || g.HighWatermark < g.FirstOffset {
			t.Errorf("group %d: high watermark %d", id, g.HighWatermark)
		}
	}
	if _, err := Verify(disk, "elsewhere", nil); err == nil {
		t.Error("a directory that is none verifies")
	}
}

// TestVerifyAfterEveryCrash: whatever a loss of power leaves is sound, before and after the next start, and has everything
// that was acknowledged.
func TestVerifyAfterEveryCrash(t *testing.T) {
	const steps = 60
	disk := vfs.NewMem()
	total := crashAt(disk, 1<<30)
	run(disk, 2, steps)
	for k := 0; k <= *total; k++ {
		disk := vfs.NewMem()
		crashAt(disk, k)
		n := run(disk, 2, steps)
		after := disk.Crash(rand.New(rand.NewPCG(uint64(k), 0)), []float64{0, 0.5, 1}[k%3])
		check := func(when string) {
			t.Helper()
			r, err := Verify(after, "data", nil)
			if err != nil {
				if n.acks == 0 && strings.Contains(err.Error(), "no data directory") {
					return
				}
				t.Fatalf("operation %d, %s: %v", k, when, err)
			}
			if r.Damaged() {
				t.Fatalf("operation %d, %s: %v", k, when, r.Problems)
			}
			for id, offset := range n.acked {
				if g := r.Group(id); g == nil || g.NextOffset < offset {
					t.Fatalf("operation %d, %s: group %d: %+v, acknowledged up to %d", k, when, id, g, offset)
				}
			}
		}
		check("before the start")
		next, err := startNode(after)
		if err != nil {
			t.Fatalf("operation %d: %v", k, err)
		}
		next.stop()
		check("after the start")
	}
}

// TestVerifyFindsDamage flips bytes all over a directory: what is not spare, padding or the last round is found, and the
// file is named.
func TestVerifyFindsDamage(t *testing.T) {
	disk := vfs.NewMem()
	n := run(disk, 1, 80)
	n.stop()
	n2, err := startNode(disk) // so that no round is the last
	if err != nil {
		t.Fatal(err)
	}
	ok := n2.log.Commit([]Write{{Group: 2, HardState: &HardState{Term: n.feeds[2].term, Commit: n.feeds[2].index}}})
	if ok != nil {
		t.Fatal(ok)
	}
	n2.stop()
	if r := verify(t, disk); r.Damaged() {
		t.Fatal(r.Problems)
	}
	flip := func(name string, from, to, step int64, what func(int64) bool) {
		whole := readTest(t, disk, name)
		for at := from; at < min(to, int64(len(whole))); at += step {
			d := disk.Kill()
			b := bytes.Clone(whole)
			b[at] ^= 0x40
			writeTest(t, d, path.Dir(name), path.Base(name), b)
			r, err := Verify(d, "data", nil)
			if errors.Is(err, ErrUnknownVersion) && what(at) {
				continue
			}
			if err != nil {
				t.Fatalf("%s, byte %d: %v", name, at, err)
			}
			if !r.Damaged() && what(at) {
				t.Fatalf("%s, byte %d: nothing was found", name, at)
			}
			if r.Damaged() && !strings.HasPrefix(r.Problems[0].File, path.Dir(name)) {
				t.Fatalf("%s, byte %d: %v", name, at, r.Problems[0])
			}
		}
	}
	always := func(int64) bool { return true }
	for _, g := range []string{"2", "3"} {
		names, _ := disk.List("data/segments/" + g)
		for _, f := range names {
			flip("data/segments/"+g+"/"+f, 0, 1<<20, 11, always)
		}
	}
	names, _ := disk.List("data/wal")
	checked := 0
	for _, f := range names {
		whole := readTest(t, disk, "data/wal/"+f)
		h, live, _ := decodeHeader(whole, f)
		if !live {
			continue
		}
		flip("data/wal/"+f, 0, headerUsed, 1, always)
		for pos := int64(headerSize); ; {
			fr, _, ok := decodeFrame(whole, place{h.Gen, pos})
			if !ok {
				break
			}
			last := false // the round of the last commit: cut when damaged
			if _, _, more := decodeFrame(whole, place{h.Gen, pos + frameSize(fr.length)}); !more && f == path.Base(n2.log.files[len(n2.log.files)-1].name) {
				last = true
			}
			flip("data/wal/"+f, pos, pos+frameHead+int64(fr.length), 13, func(int64) bool { return !last && !rewritten(n2, h.Gen, pos) })
			pos += frameSize(fr.length)
			checked++
		}
	}
	if checked < 20 {
		t.Fatalf("only %d rounds", checked)
	}
}

// rewritten says whether a place is behind the end that the next generation vouches for: a start wrote it again.
func rewritten(n *node, gen uint64, pos int64) bool {
	for _, f := range n.log.files {
		if f.PrevGen == gen {
			return pos >= f.PrevEnd
		}
	}
	return false
}

// TestVerifySaysWhatIsWrong: damage whose checksums are right, made by hand.
func TestVerifySaysWhatIsWrong(t *testing.T) {
	type change func(es []SegmentEntry)
	cases := map[string]change{
		"not dense":    func(es []SegmentEntry) { batch.Stamp(es[2].Data, 40, 1); es[2].BaseOffset, es[2].LastOffset = 40, 41 },
		"leader epoch": func(es []SegmentEntry) { es[0].Term = 5; batch.Stamp(es[0].Data, 0, 5) },
		"where entry":  func(es []SegmentEntry) { es[2].Index++ },
		"its row says": func(es []SegmentEntry) { es[1].LastOffset++; es[2].BaseOffset++; es[2].LastOffset++ },
		"its CRC is":   func(es []SegmentEntry) { es[1].Data[70] ^= 1 },
	}
	for want, change := range cases {
		for _, where := range []string{"segments", "log"} {
			disk := vfs.NewMem()
			n, err := startNode(disk)
			if err != nil {
				t.Fatal(err)
			}
			f := newFeed(2)
			es := []SegmentEntry{f.batch(2), f.batch(2), f.batch(2)}
			change(es)
			var entries []Entry
			for _, e := range es {
				entries = append(entries, e.Entry)
			}
			w := Write{Group: 2, Birth: &Birth{Group: 2, Name: f.name}, HardState: &HardState{Term: 9}}
			if where == "log" {
				if want == "where entry" || want == "its row says" {
					continue
				}
				w.Entries = entries
			}
			mustCommit(t, n.log, w)
			if where == "segments" {
				func() {
					defer func() { _ = recover() }() // a writer does not take offsets with a gap
					mustAppend(t, n.segs, SegmentAppend{Group: 2, Name: f.name, Entries: es, Checkpoint: []byte("x")})
				}()
				if want == "not dense" {
					continue
				}
				mustCommit(t, n.log, Write{Group: 2, Release: &Position{es[2].Index, es[2].Term}})
			}
			n.stop()
			r := verify(t, disk)
			if !strings.Contains(fmt.Sprint(r.Problems), want) {
				t.Errorf("%s in %s: %v", want, where, r.Problems)
			}
		}
	}
}

// TestDump: the lines of a partition are the same wherever its batches lie, up to the place.
func TestDump(t *testing.T) {
	dump := func(moved int) ([]string, string) {
		disk := vfs.NewMem()
		n, err := startNode(disk)
		if err != nil {
			t.Fatal(err)
		}
		f := newFeed(2)
		es := []SegmentEntry{f.other(false), f.batch(2), f.batch(3), f.other(true), f.batch(1), f.batch(2)}
		w := Write{Group: 2, Birth: &Birth{Group: 2, Name: "a-topic-7"}, HardState: &HardState{1, 1, 5}}
		for _, e := range es {
			w.Entries = append(w.Entries, e.Entry)
		}
		mustCommit(t, n.log, w)
		if moved > 0 {
			res := mustAppend(t, n.segs, SegmentAppend{Group: 2, Name: "a-topic-7", Entries: es[:moved], Checkpoint: []byte("x")})
			mustCommit(t, n.log, Write{Group: 2, Release: &res.Last})
		}
		n.stop()
		var out bytes.Buffer
		r, err := Dump(disk, "data", "a-topic-7", DumpOptions{Records: true}, &out)
		if err != nil || r.Damaged() {
			t.Fatalf("%v %v", err, r.Problems)
		}
		var lines []string
		for _, l := range strings.Split(strings.TrimSpace(out.String()), "\n") {
			l, _, _ = strings.Cut(l, " where ")
			lines = append(lines, l)
		}
		if _, err := Dump(disk, "data", "a-topic-8", DumpOptions{}, &out); !errors.Is(err, ErrNoPartition) {
			t.Errorf("no such partition: %v", err)
		}
		return lines, out.String()
	}
	inLog, text := dump(0)
	if len(inLog) != 4+8+1 {
		t.Fatalf("%d lines:\n%s", len(inLog), text)
	}
	if !strings.HasPrefix(inLog[0], "batch 0-1 epoch 1 producer 4/1 seq 0 records 2 ") || !strings.Contains(text, "where log 00000001.wal@4096") || inLog[9] != "high watermark 6" ||
		!strings.Contains(text, "where log-uncommitted ") {
		t.Errorf("\n%s", text)
	}
	for _, moved := range []int{2, 4, 5} {
		lines, text := dump(moved)
		if strings.Join(lines, "\n") != strings.Join(inLog, "\n") {
			t.Errorf("with %d entries in segments:\n%s", moved, text)
		}
		if !strings.Contains(text, "where segment 00000000000000000000.log@0") {
			t.Errorf("with %d entries in segments:\n%s", moved, text)
		}
	}
}

// TestVerifyOvertaken: a copy from the leader is promised, the log's own tail, never committed, is not reset yet.
func TestVerifyOvertaken(t *testing.T) {
	disk := vfs.NewMem()
	n, err := startNode(disk)
	if err != nil {
		t.Fatal(err)
	}
	mine, leaders := newFeed(2), newFeed(2)
	leaders.term = 3
	w := Write{Group: 2, Birth: &Birth{Group: 2, Name: mine.name}, HardState: &HardState{Term: 3}}
	for range 3 {
		w.Entries = append(w.Entries, mine.batch(2).Entry)
	}
	mustCommit(t, n.log, w)
	a := leaders.append(leaders.batch(1), leaders.batch(4))
	a.NextOffset = 0
	mustAppend(t, n.segs, a)
	n.stop()
	r := verify(t, disk)
	if g := r.Group(2); r.Damaged() || len(r.Notes) == 0 || g.NextOffset != 5 || g.HighWatermark != 5 {
		t.Fatalf("%v %v %+v", r.Problems, r.Notes, g)
	}
}
