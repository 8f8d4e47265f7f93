package wal

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"chronik/wal/vfs"
)

// leaderSegments are those of a partition's leader: several, with rows that have no records.
func leaderSegments(t *testing.T, logStart int64) (*vfs.Mem, *feed, *SegmentState) {
	disk := vfs.NewMem()
	s := openSegments(t, disk)
	f := newFeed(2)
	for range 5 {
		a := f.append(f.other(false), f.batch(3), f.batch(2), f.other(true))
		a.NextOffset, a.LogStart = f.offset-5, logStart
		mustAppend(t, s, a)
		f.term++
	}
	mustAppend(t, s, f.append(f.batch(1), f.other(false)))
	s.Close()
	return disk, f, s.Groups()[2]
}

// copyFrom brings a follower's segments to where the leader's are, in small chunks, as a replica does.
func copyFrom(leader *SegmentReader, s *Segments, upTo Index) error {
	from, offset := Index(1), int64(0)
	if st := s.Groups()[2]; st != nil {
		from, offset = st.Last.Index+1, st.NextOffset
	}
	for from <= upTo {
		c, err := leader.Entries(2, from, upTo, 200)
		if err != nil {
			return err
		}
		a := SegmentAppend{Group: 2, Name: "topic-2", Entries: c.Entries, NextOffset: offset, Hold: true, Checkpoint: []byte("copied")}
		if len(c.Entries) == 0 {
			from, offset = c.First, c.FirstOffset
			a.Restart, a.NextOffset = true, offset
		}
		for _, e := range c.Entries {
			from = e.Index + 1
			if e.BaseOffset >= 0 {
				offset = e.LastOffset + 1
			}
		}
		a.Hold = from <= upTo
		if _, err := s.Append(a); err != nil {
			return err
		}
	}
	return nil
}

// TestCopy: a follower that has nothing, a part, or only what the leader's retention deleted long ago, ends with the same
// segments, byte for byte; a crash at any operation leaves it as it was or done.
func TestCopy(t *testing.T) {
	for _, logStart := range []int64{0, 12} {
		disk, f, want := leaderSegments(t, logStart)
		leader := NewSegmentReader(disk, "segments")
		for _, has := range []int{0, 1, 2} {
			start := func() *vfs.Mem {
				follower := vfs.NewMem()
				s := openSegments(t, follower)
				g := newFeed(2)
				for i := range has {
					a := g.append(g.other(false), g.batch(3), g.batch(2), g.other(true))
					a.NextOffset = int64(i) * 5
					mustAppend(t, s, a)
					g.term++
				}
				s.Close()
				return follower
			}
			for n := 0; ; n++ {
				follower := start()
				s := openSegments(t, follower)
				before := s.Groups()[2]
				crashAt(follower, n)
				err := copyFrom(leader, s, want.Last.Index)
				after := follower.Crash(rand.New(rand.NewPCG(uint64(n), 0)), float64(n%3)/2)
				where := fmt.Sprintf("log start %d, %d segments before, operation %d", logStart, has, n)
				s, oerr := OpenSegments(after, "segments")
				if oerr != nil {
					t.Fatalf("%s: %v", where, oerr)
				}
				st := s.Groups()[2]
				if err != nil && st != nil && string(st.Checkpoint) != "copied" {
					if st.Last != before.Last || st.NextOffset != before.NextOffset {
						t.Fatalf("%s: %+v, before %+v", where, st, before)
					}
				} else if err == nil && st == nil {
					t.Fatalf("%s: nothing is there", where)
				}
				if err := copyFrom(leader, s, want.Last.Index); err != nil {
					t.Fatalf("%s: again: %v", where, err)
				}
				st = s.Groups()[2]
				if st.Last != want.Last || st.NextOffset != want.NextOffset || logStart > 0 && has < 2 && !reflect.DeepEqual(st.Segments, want.Segments) {
					t.Fatalf("%s: %+v, want %+v", where, st, want)
				}
				got, rerr := readGroup(after, 2, st)
				if rerr != nil {
					t.Fatalf("%s: %v", where, rerr)
				}
				for base, b := range got {
					if string(b) != string(f.batches[base]) {
						t.Fatalf("%s: the batch at %d is another one", where, base)
					}
				}
				s.Close()
				if err == nil {
					break
				}
			}
		}
	}
}

// TestCopyGivenUp: what was held goes; the group continues from what was promised.
func TestCopyGivenUp(t *testing.T) {
	disk := vfs.NewMem()
	s := openSegments(t, disk)
	f := newFeed(2)
	mustAppend(t, s, f.append(f.batch(3)))
	before := *s.Groups()[2]
	a := f.append(f.batch(2), f.other(true), f.batch(1))
	a.Hold = true
	mustAppend(t, s, a)
	if !reflect.DeepEqual(*s.Groups()[2], before) {
		t.Fatal("what is held counts as promised")
	}
	if r := mustAppend(t, s, SegmentAppend{Group: 2, Revert: true}); r.Last != before.Last || !reflect.DeepEqual(r.Segments, before.Segments) {
		t.Fatalf("%+v", r)
	}
	a.Hold = false
	mustAppend(t, s, a)
	got, err := readGroup(disk, 2, s.Groups()[2])
	if err != nil || !reflect.DeepEqual(got, f.batches) {
		t.Fatal(err)
	}
	if r := mustAppend(t, s, SegmentAppend{Group: 3, Revert: true}); len(r.Segments) != 0 {
		t.Fatalf("a group without segments: %+v", r)
	}
}
