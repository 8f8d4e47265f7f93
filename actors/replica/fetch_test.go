package replica_test

import (
	"fmt"
	"testing"
	"time"

	"chronik/actors/actortest/rig"
	"chronik/actors/message"
	"chronik/protocol/batch"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
)

func TestLongPoll(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3})
	l := b.leader()
	b.put(b.values("a"))
	f := fetchOf(1)
	f.Wait = 10 * time.Second
	waits := b.fetch(l, f)
	b.RunFor(time.Second)
	if waits.Answer() != nil {
		t.Fatalf("answered with nothing to give: %+v", waits.Answer())
	}
	// On the leader's disk only: the high watermark has not passed it, nobody may see it.
	b.Isolate(l.ID)
	if a := b.append(l, b.values("b"), acks(1)).Wait(); a.Reason != kerror.None {
		t.Fatalf("%+v", a)
	}
	now := b.fetch(l, fetchOf(1)).Wait()
	if now.Reason != kerror.None || len(now.Batches) > 0 || now.Cold != nil || now.HighWatermark != 1 {
		t.Fatalf("a fetch of what is not committed: %+v", now)
	}
	b.RunFor(500 * time.Millisecond)
	if waits.Answer() != nil {
		t.Fatalf("woken by what is not committed: %+v", waits.Answer())
	}
	b.Heal()
	a := waits.Wait()
	if a == nil || len(a.Batches) != 1 || a.HighWatermark != 2 {
		t.Fatalf("%+v", a)
	}
}

func TestLongPollEnds(t *testing.T) {
	b := newBench(t, rig.Options{})
	l := b.leader()
	f := fetchOf(0)
	f.Wait = 2 * time.Second
	from := b.Now
	if r := b.fetch(l, f).Wait(); r.Reason != kerror.None || len(r.Batches) != 0 || b.Now-from < 2*time.Second || b.Now-from > 2*time.Second+2*rig.Tick {
		t.Errorf("after %v: %+v", b.Now-from, r)
	}
	f.Wait = 0
	from = b.Now
	if r := b.fetch(l, f).Wait(); r.Reason != kerror.None || b.Now != from {
		t.Errorf("without waiting, after %v: %+v", b.Now-from, r)
	}
	f.Wait = time.Hour
	gone := b.fetch(l, f)
	l.Send(l.PID(rig.Group), &message.CancelFetch{ReplyTo: gone.ReplyTo()})
	b.put(b.values("a"))
	b.RunFor(time.Second)
	if gone.Answer() != nil {
		t.Error("a fetch was answered after it had been withdrawn")
	}
}

func TestLongPollSeesTheLeaderGo(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3})
	l := b.leader()
	f := fetchOf(0)
	f.Wait = time.Hour
	a := b.fetch(l, f)
	b.elect(b.follower())
	if r := a.Wait(); r == nil || r.Reason != kerror.NotLeaderOrFollower {
		t.Errorf("%+v", r)
	}
}

// TestFetchBounds: in memory and in segments alike.
func TestFetchBounds(t *testing.T) {
	for _, cold := range []bool{false, true} {
		t.Run(fmt.Sprintf("cold %v", cold), func(t *testing.T) {
			b := newBench(t, rig.Options{KeepBytes: 1})
			l := b.leader()
			size := len(b.filler(1000))
			for range 10 {
				b.put(b.filler(1000))
			}
			if cold {
				b.flush(l)
				if r := b.fetch(l, fetchOf(0)).Wait(); r.Cold == nil {
					t.Fatal("what is in segments is still served from memory")
				}
			}
			for _, c := range []struct {
				at    kafka.Offset
				bytes int
				one   bool
				want  int
			}{
				{0, 10 * size, false, 10}, {0, 3 * size, false, 3}, {0, 3*size - 1, false, 2}, {4, 1 << 20, false, 6}, {0, size - 1, false, 0}, {0, size - 1, true, 1}, {0, 0, true, 1}, {0, 0, false, 0},
				{9, 1, true, 1}, {10, 1 << 20, true, 0}, {0, 2*size + 1, true, 2},
			} {
				f := fetchOf(c.at)
				f.MaxBytes, f.MinOne = c.bytes, c.one
				if r, bs := b.batches(l, f); r.Reason != kerror.None || len(bs) != c.want {
					t.Errorf("%d bytes from %d on, at least one %v: %v, %d batches, wanted %d", c.bytes, c.at, c.one, r.Reason, len(bs), c.want)
				}
			}
			for _, o := range []kafka.Offset{-1, 11, 1 << 40} {
				if r := b.fetch(l, fetchOf(o)).Wait(); r.Reason != kerror.OffsetOutOfRange {
					t.Errorf("a fetch at %d: %v", o, r.Reason)
				}
			}
		})
	}
}

// TestFetchInsideABatch gives the whole batch.
func TestFetchInsideABatch(t *testing.T) {
	b := newBench(t, rig.Options{KeepBytes: 1})
	b.put(b.values("a", "b", "c"))
	b.put(b.values("d"))
	for range 2 {
		for o := range kafka.Offset(3) {
			if _, bs := b.batches(b.leader(), fetchOf(o)); len(bs) != 2 {
				t.Errorf("at %d: %d batches", o, len(bs))
			} else if h, _ := batch.ParseHeader(bs[0]); h.BaseOffset != 0 {
				t.Errorf("at %d: the first batch begins at %d", o, h.BaseOffset)
			}
		}
		b.flush(b.leader())
	}
}

func TestFetchFromFollower(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3})
	f := b.follower()
	b.put(b.values("a"))
	b.RunFor(time.Second)
	if r := b.fetch(f, fetchOf(0)).Wait(); r.Reason != kerror.NotLeaderOrFollower {
		t.Errorf("who does not ask for a follower: %v", r.Reason)
	}
	values, _ := b.all(f, 0)
	same(t, "values", values, []string{"a"})
	w := fetchOf(1)
	w.Follower, w.Wait = true, time.Hour
	waits := b.fetch(f, w)
	b.put(b.values("b"))
	if r := waits.Wait(); r == nil || len(r.Batches) != 1 {
		t.Errorf("a long poll at a follower: %+v", r)
	}
}

func TestFetchEpochs(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3})
	first := b.put(b.values("a", "b")).LeaderEpoch
	b.elect(b.follower())
	second := b.put(b.values("c")).LeaderEpoch
	b.elect(b.follower())
	l := b.leader()
	b.RunFor(time.Second)
	now := b.describe(l).LeaderEpoch // without records of its own
	if !(first < second && second < now) {
		t.Fatalf("epochs %d, %d, %d", first, second, now)
	}
	for _, c := range []struct {
		name             string
		at               kafka.Offset
		current, fetched kafka.LeaderEpoch
		code             kerror.Code
		diverging        kafka.LeaderEpoch
		end              kafka.Offset
	}{
		{"knows nothing", 0, -1, -1, kerror.None, -1, -1},
		{"knows the leader", 0, now, -1, kerror.None, -1, -1},
		{"an old leader", 0, second, -1, kerror.FencedLeaderEpoch, -1, -1},
		{"a leader to come", 0, now + 1, -1, kerror.UnknownLeaderEpoch, -1, -1},
		{"in the first epoch", 2, now, first, kerror.None, -1, -1},
		{"beyond the end of the first epoch", 3, now, first, kerror.None, first, 2},
		{"in the second epoch", 3, now, second, kerror.None, -1, -1},
		{"an epoch of nobody", 3, now, second + (now-second)/2, kerror.None, -1, -1},
		{"in the newest epoch", 3, now, now, kerror.None, -1, -1},
		{"an epoch to come", 3, now, now + 1, kerror.OffsetOutOfRange, -1, -1},
	} {
		f := fetchOf(c.at)
		f.LeaderEpoch, f.LastFetchedEpoch = c.current, c.fetched
		r := b.fetch(l, f).Wait()
		if c.name == "an epoch of nobody" {
			if c.fetched != second && (r.DivergingEpoch != second || r.DivergingEnd != 3) {
				t.Errorf("%s: %+v", c.name, r)
			}
			continue
		}
		if r.Reason != c.code || r.DivergingEpoch != c.diverging || r.DivergingEnd != c.end {
			t.Errorf("%s: %+v", c.name, r)
		}
	}
}

// TestHighWatermarkNeverGoesBack while leaders come and go, and nothing at or above it is served.
func TestHighWatermarkNeverGoesBack(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3, Seed: 3})
	newest := map[int]kafka.Offset{}
	look := func() {
		for _, m := range b.Machines {
			if !m.Alive() {
				continue
			}
			f := fetchOf(newest[m.ID])
			f.Follower = true
			r := b.fetch(m, f).Wait()
			if r == nil || r.Reason != kerror.None {
				t.Fatalf("node %d at its own old high watermark %d: %+v", m.ID, newest[m.ID], r)
			}
			if r.HighWatermark < newest[m.ID] {
				t.Fatalf("the high watermark of node %d went from %d to %d", m.ID, newest[m.ID], r.HighWatermark)
			}
			newest[m.ID] = r.HighWatermark
		}
	}
	for i := range 60 {
		b.append(b.leader(), b.values(fmt.Sprint(i)), acks(1)).Wait()
		switch i % 10 {
		case 3:
			b.elect(b.follower())
		case 6:
			b.Isolate(b.leader().ID)
			b.RunFor(3 * time.Second)
			b.Heal()
		}
		look()
	}
}
