package wal

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"syscall"
	"testing"

	"chronik/protocol/batch"
	"chronik/protocol/kafka"
	"chronik/wal/vfs"
)

// feed makes the committed entries of one partition.
type feed struct {
	group   GroupID
	name    string
	index   Index
	term    Term
	offset  int64
	time    int64
	batches map[int64][]byte // by base offset
}

func newFeed(g GroupID) *feed {
	return &feed{group: g, name: fmt.Sprintf("topic-%d", g), term: 1, time: 1000, batches: map[int64][]byte{}}
}

func (f *feed) batch(records int) SegmentEntry {
	var rs []batch.Record
	for i := range records {
		f.time += 7
		rs = append(rs, batch.Record{Timestamp: kafka.Timestamp(f.time), Key: []byte(fmt.Sprint(i)), Value: bytes.Repeat([]byte{byte(f.offset)}, 20+i)})
	}
	b := batch.Build(batch.Params{Producer: &batch.Producer{ID: 4, Epoch: 1, Sequence: kafka.Sequence(f.offset)}}, rs)
	batch.Stamp(b, kafka.Offset(f.offset), kafka.LeaderEpoch(f.term))
	f.index++
	e := SegmentEntry{Entry: Entry{Index: f.index, Term: f.term, Data: b}, BaseOffset: f.offset, LastOffset: f.offset + int64(records) - 1, MaxTimestamp: f.time}
	f.batches[f.offset] = b
	f.offset += int64(records)
	return e
}

// other makes an entry without records: a leader's first (no data), or a command.
func (f *feed) other(roll bool) SegmentEntry {
	f.index++
	e := SegmentEntry{Entry: Entry{Index: f.index, Term: f.term}, BaseOffset: -1, LastOffset: -1, Roll: roll}
	if roll {
		e.Data = append([]byte{commandByte, 1, 1}, make([]byte, 16)...)
	}
	return e
}

func (f *feed) append(es ...SegmentEntry) SegmentAppend {
	next := f.offset
	for _, e := range es {
		if e.BaseOffset >= 0 {
			next = e.BaseOffset
			break
		}
	}
	return SegmentAppend{Group: f.group, Name: f.name, Entries: es, Checkpoint: []byte(fmt.Sprintf("state at %d", f.index)), NextOffset: next}
}

func openSegments(t testing.TB, fsys vfs.FS) *Segments {
	t.Helper()
	s, err := OpenSegments(fsys, "segments")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustAppend(t testing.TB, s *Segments, a SegmentAppend) SegmentResult {
	t.Helper()
	r, err := s.Append(a)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// readGroup reads all batches that a group has in segments, by base offset.
func readGroup(fsys vfs.FS, id GroupID, st *SegmentState) (map[int64][]byte, error) {
	r := NewSegmentReader(fsys, "segments")
	out := map[int64][]byte{}
	for _, seg := range st.Segments {
		bs, err := r.Read(ColdRange{Group: id, Base: seg.Base, Rows: seg.Rows, From: seg.Base, To: seg.NextOffset, MaxBytes: 1 << 30})
		if err != nil {
			return nil, err
		}
		for _, b := range bs {
			h, _ := batch.ParseHeader(b)
			out[int64(h.BaseOffset)] = b
		}
	}
	return out, nil
}

func TestSegments(t *testing.T) {
	disk := vfs.NewMem()
	s := openSegments(t, disk)
	f := newFeed(2)
	mustAppend(t, s, f.append(f.other(false), f.batch(3), f.batch(1)))
	mustAppend(t, s, f.append(f.batch(2), f.other(true), f.batch(5)))
	f.term++
	res := mustAppend(t, s, f.append(f.other(false), f.other(true), f.batch(2), f.batch(2)))
	if len(res.Segments) != 3 || res.Last != (Position{f.index, f.term}) {
		t.Fatalf("%+v", res)
	}
	want := []SegmentInfo{{Base: 0, NextOffset: 6, Rows: 5, Sealed: true}, {Base: 6, NextOffset: 11, Rows: 3, Sealed: true}, {Base: 11, NextOffset: 15, Rows: 2}}
	for i, seg := range res.Segments {
		if seg.Base != want[i].Base || seg.NextOffset != want[i].NextOffset || seg.Rows != want[i].Rows || seg.Sealed != want[i].Sealed {
			t.Errorf("segment %d: %+v", i, seg)
		}
	}
	s.Close()
	s = openSegments(t, disk.Crash(rand.New(rand.NewPCG(1, 1)), 0))
	st := s.Groups()[2]
	if !reflect.DeepEqual(st.Segments, res.Segments) || st.Last != res.Last || st.Name != f.name || string(st.Checkpoint) != fmt.Sprintf("state at %d", f.index) || st.NextOffset != f.offset {
		t.Fatalf("after a restart: %+v", st)
	}
	got, err := readGroup(disk, 2, st)
	if err != nil || !reflect.DeepEqual(got, f.batches) {
		t.Fatalf("%d of %d batches, %v", len(got), len(f.batches), err)
	}
	testReader(t, disk, f, st)
	// The log start moves: whole segments go, in one step with the manifest.
	a := f.append(f.batch(1))
	a.LogStart = 11
	if res = mustAppend(t, openSegments(t, disk), a); len(res.Segments) != 1 || res.Segments[0].Base != 11 {
		t.Fatalf("%+v", res.Segments)
	}
	if names, _ := disk.List("segments/2"); len(names) != 3 {
		t.Errorf("files are %v", names)
	}
}

// testReader reads ranges and looks for timestamps in the segments of TestSegments.
func testReader(t *testing.T, disk *vfs.Mem, f *feed, st *SegmentState) {
	r := NewSegmentReader(disk, "segments")
	first := st.Segments[0]
	c := ColdRange{Group: 2, Base: first.Base, Rows: first.Rows, From: 1, To: first.NextOffset, MaxBytes: 1}
	if bs, err := r.Read(c); err != nil || len(bs) != 0 {
		t.Errorf("a limit below the first batch: %d batches, %v", len(bs), err)
	}
	c.MinOne = true
	if bs, err := r.Read(c); err != nil || len(bs) != 1 || !bytes.Equal(bs[0], f.batches[0]) {
		t.Errorf("at least one: %d batches, %v", len(bs), err)
	}
	c.MaxBytes, c.To = 1<<20, 4
	if bs, err := r.Read(c); err != nil || len(bs) != 2 || !bytes.Equal(bs[1], f.batches[3]) {
		t.Errorf("up to offset 4: %d batches, %v", len(bs), err)
	}
	c.From, c.To = 6, 20
	if bs, err := r.Read(c); err != nil || bs != nil {
		t.Errorf("behind the end: %d batches, %v", len(bs), err)
	}
	c.From, c.To = 0, 6
	for at, want := range map[int64]int64{0: 0, 1021: 0, 1022: 3, 1028: 3, 1029: 4, 1042: 4} {
		if b, err := r.FindBatch(c, at); err != nil || !bytes.Equal(b, f.batches[want]) {
			t.Errorf("timestamp %d: %v", at, err)
		}
	}
	if b, err := r.FindBatch(c, 5000); err != nil || b != nil {
		t.Errorf("a timestamp to come: %v", err)
	}
}

// TestSegmentDamage flips every byte of every file of a group: no damaged byte is ever returned.
func TestSegmentDamage(t *testing.T) {
	disk := vfs.NewMem()
	s := openSegments(t, disk)
	f := newFeed(2)
	mustAppend(t, s, f.append(f.batch(2), f.batch(1), f.other(true), f.batch(2)))
	st := s.Groups()[2]
	s.Close()
	names, _ := disk.List("segments/2")
	for _, n := range names {
		whole := readTest(t, disk, "segments/2/"+n)
		for i := range whole {
			d := disk.Kill()
			b := bytes.Clone(whole)
			b[i] ^= 0x20
			writeTest(t, d, "segments/2", n, b)
			var damage *CorruptionError
			if n == manifestName {
				if _, err := OpenSegments(d, "segments"); !errors.As(err, &damage) && !errors.Is(err, ErrUnknownVersion) {
					t.Fatalf("%s, byte %d: %v", n, i, err)
				}
				continue
			}
			if _, err := readGroup(d, 2, st); !errors.As(err, &damage) || damage.File != "segments/2/"+n || damage.Offset > int64(i) {
				t.Fatalf("%s, byte %d: %v", n, i, err)
			}
		}
	}
	if err := disk.Remove("segments/2/" + logName(0)); err != nil {
		t.Fatal(err)
	}
	var damage *CorruptionError
	if _, err := OpenSegments(disk, "segments"); !errors.As(err, &damage) {
		t.Fatalf("a segment is gone: %v", err)
	}
}

// kept is what segments promised: the states that a crash may leave, and the bytes.
type kept struct {
	acked, inFlight map[GroupID]SegmentState
	feeds           map[GroupID]*feed
}

// moves runs a segment writer until something fails: appends, rolls, retention, deletions, restarts, copies from a peer.
func moves(fsys vfs.FS, seed uint64, steps int) *kept {
	rng := rand.New(rand.NewPCG(seed, 2))
	k := &kept{acked: map[GroupID]SegmentState{}, feeds: map[GroupID]*feed{}}
	s, err := OpenSegments(fsys, "segments")
	snapshot := func() map[GroupID]SegmentState {
		out := map[GroupID]SegmentState{}
		for id, st := range s.Groups() {
			if st.Name != "" {
				out[id] = *st
			}
		}
		return out
	}
	for i := 0; err == nil && i < steps; i++ {
		if rng.IntN(8) == 0 {
			s.Close()
			if s, err = OpenSegments(fsys, "segments"); err != nil {
				break
			}
		}
		id := GroupID(2 + rng.IntN(2))
		f := k.feeds[id]
		if f == nil {
			f = newFeed(id)
			k.feeds[id] = f
		}
		var a SegmentAppend
		if i > 10 && rng.IntN(12) == 0 {
			a = SegmentAppend{Group: id, Delete: true}
		} else {
			var es []SegmentEntry
			for range 1 + rng.IntN(4) {
				switch rng.IntN(6) {
				case 0:
					es = append(es, f.other(true))
				case 1:
					es = append(es, f.other(false))
				default:
					es = append(es, f.batch(1+rng.IntN(5)))
				}
			}
			a = f.append(es...)
			a.LogStart = max(0, f.offset-int64(rng.IntN(40)))
			if rng.IntN(8) == 0 {
				half := a
				half.Entries, half.Hold = es[:len(es)/2], true
				if _, err = s.Append(half); err != nil {
					break
				}
				a.Entries = es[len(es)/2:]
				for _, e := range a.Entries {
					if e.BaseOffset >= 0 {
						a.NextOffset = e.BaseOffset
						break
					}
				}
			}
		}
		k.inFlight = expect(fsys, snapshot(), a)
		if _, err = s.Append(a); err != nil {
			break
		}
		k.acked, k.inFlight = snapshot(), nil
		if a.Delete {
			k.feeds[id] = nil
		}
	}
	return k
}

// expect is what is promised when an append gets through: only Last, by which states are told apart.
func expect(_ vfs.FS, now map[GroupID]SegmentState, a SegmentAppend) map[GroupID]SegmentState {
	out := map[GroupID]SegmentState{}
	for id, st := range now {
		out[id] = st
	}
	if a.Delete {
		delete(out, a.Group)
		return out
	}
	st := out[a.Group]
	if n := len(a.Entries); n > 0 {
		st.Last = Position{a.Entries[n-1].Index, a.Entries[n-1].Term}
	}
	st.Checkpoint = a.Checkpoint
	out[a.Group] = st
	return out
}

func (k *kept) matches(want map[GroupID]SegmentState, have map[GroupID]*SegmentState) string {
	if len(want) != len(have) {
		return fmt.Sprintf("%d groups, want %d", len(have), len(want))
	}
	for id, w := range want {
		h := have[id]
		if h == nil || h.Last != w.Last || string(h.Checkpoint) != string(w.Checkpoint) {
			return fmt.Sprintf("group %d: %+v, want the state at %v", id, h, w.Last)
		}
	}
	return ""
}

// TestSegmentCrash takes the power away before every operation of a segment writer. The next one finds what was promised,
// or the step that was under way, every batch of it readable, and can go on.
func TestSegmentCrash(t *testing.T) {
	const steps = 40
	for seed := range uint64(3) {
		disk := vfs.NewMem()
		total := crashAt(disk, 1<<30)
		moves(disk, seed, steps)
		for n := 0; n <= *total; n++ {
			for i, p := range []float64{0, 0.5, 1} {
				disk := vfs.NewMem()
				crashAt(disk, n)
				k := moves(disk, seed, steps)
				after := disk.Crash(rand.New(rand.NewPCG(seed, uint64(n*3+i))), p)
				where := fmt.Sprintf("seed %d, operation %d, p %v", seed, n, p)
				s, err := OpenSegments(after, "segments")
				if err != nil {
					t.Fatalf("%s: %v", where, err)
				}
				groups := s.Groups()
				if why := k.matches(k.acked, groups); why != "" && (k.inFlight == nil || k.matches(k.inFlight, groups) != "") {
					t.Fatalf("%s: %s", where, why)
				}
				for id, st := range groups {
					got, err := readGroup(after, id, st)
					if err != nil {
						t.Fatalf("%s: %v", where, err)
					}
					for base, b := range got {
						if f := k.feeds[id]; f != nil && !bytes.Equal(b, f.batches[base]) {
							t.Fatalf("%s: the batch at offset %d of group %d is another one", where, base, id)
						}
					}
				}
				for id, st := range groups {
					g := newFeed(id)
					g.index, g.offset, g.term = st.Last.Index, st.NextOffset, st.Last.Term+1
					a := g.append(g.batch(2))
					a.NextOffset = st.NextOffset
					mustAppend(t, s, a)
				}
				s.Close()
			}
		}
	}
}

// TestSegmentENOSPC: without room nothing is promised, and the same append gets through later.
func TestSegmentENOSPC(t *testing.T) {
	for skip := range 12 {
		disk := vfs.NewFaults(vfs.NewMem())
		s := openSegments(t, disk)
		f := newFeed(2)
		mustAppend(t, s, f.append(f.batch(3)))
		before := *s.Groups()[2]
		a := f.append(f.batch(2), f.other(true), f.batch(1))
		remove := disk.Add(vfs.Fault{Op: vfs.OpWrite, Skip: skip, Err: syscall.ENOSPC, Short: 30})
		_, err := s.Append(a)
		remove()
		if err == nil {
			if skip < 4 {
				t.Fatalf("skip %d: it got through", skip)
			}
			return
		}
		if !errors.Is(err, syscall.ENOSPC) || !reflect.DeepEqual(*s.Groups()[2], before) {
			t.Fatalf("skip %d: %v, %+v", skip, err, s.Groups()[2])
		}
		mustAppend(t, s, a)
		got, err := readGroup(disk, 2, s.Groups()[2])
		if err != nil || !reflect.DeepEqual(got, f.batches) {
			t.Fatalf("skip %d: %v", skip, err)
		}
	}
}

// TestSegmentVersions: an unknown manifest is refused before anything is cut.
func TestSegmentVersions(t *testing.T) {
	disk := vfs.NewMem()
	s := openSegments(t, disk)
	for g := range GroupID(2) {
		f := newFeed(2 + g)
		mustAppend(t, s, f.append(f.batch(3)))
		writeTest(t, disk, fmt.Sprintf("segments/%d", 2+g), "left-over", []byte("x"))
	}
	s.Close()
	b := readTest(t, disk, "segments/3/manifest")
	b[8]++
	writeTest(t, disk, "segments/3", "manifest", b)
	count := crashAt(disk, 1<<30)
	if _, err := OpenSegments(disk, "segments"); !errors.Is(err, ErrUnknownVersion) || *count > 0 {
		t.Fatalf("%v, %d operations", err, *count)
	}
}
