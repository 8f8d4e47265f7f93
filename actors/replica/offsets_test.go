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

// records makes a batch of records with the given timestamps.
func records(ts ...kafka.Timestamp) []byte {
	rs := make([]batch.Record, len(ts))
	for i, at := range ts {
		rs[i] = batch.Record{Timestamp: at, Value: []byte(fmt.Sprint(at))}
	}
	return batch.Build(batch.Params{}, rs)
}

// TestListOffsets across what is in segments, what is in memory, and both.
func TestListOffsets(t *testing.T) {
	for _, flushed := range []int{0, 2, 3, 5} {
		t.Run(fmt.Sprintf("%d of 5 batches in segments", flushed), func(t *testing.T) {
			b := newBench(t, rig.Options{KeepBytes: 1, Configs: map[string]string{"retention.ms": "-1"}})
			for i, raw := range [][]byte{records(100, 110), records(90), records(300, 200, 310), records(150), records(310, 400, 5)} {
				b.put(raw)
				if i+1 == flushed {
					b.flush(b.leader())
				}
			}
			l := b.leader()
			epoch := b.describe(l).LeaderEpoch
			for _, c := range []struct {
				ask  int64
				want kafka.Offset
				at   kafka.Timestamp
			}{
				{-1, 10, -1}, {-2, 0, -1}, {-4, 0, -1}, {-5, -1, -1}, {-3, 8, 400},
				{0, 0, 100}, {100, 0, 100}, {101, 1, 110}, {111, 3, 300}, {300, 3, 300}, {301, 5, 310}, {310, 5, 310}, {311, 8, 400}, {400, 8, 400}, {401, -1, -1}, {1 << 50, -1, -1},
			} {
				want := epoch
				if c.want < 0 {
					want = kafka.NoLeaderEpoch
				}
				if r := b.list(l, c.ask); r.Reason != kerror.None || r.Offset != c.want || r.Timestamp != c.at || r.LeaderEpoch != want {
					t.Errorf("timestamp %d: %+v, wanted %d at %d", c.ask, r, c.want, c.at)
				}
			}
			// Records below the log start are not found, be they in the middle of a batch.
			b.deleteBefore(1)
			for ask, want := range map[int64]kafka.Offset{-2: 1, 0: 1, 100: 1, 105: 1, -3: 8} {
				if r := b.list(l, ask); r.Offset != want || ask >= 0 && r.Timestamp != 110 {
					t.Errorf("after a deletion, timestamp %d: %+v", ask, r)
				}
			}
			b.deleteBefore(9)
			if r := b.list(l, 300); r.Offset != -1 {
				t.Errorf("after another deletion, timestamp 300: %+v", r)
			}
			if r := b.list(l, 5); r.Offset != 9 || r.Timestamp != 5 {
				t.Errorf("after another deletion, timestamp 5: %+v", r)
			}
		})
	}
}

// TestMaxTimestampOfDeletedRecords: the largest timestamp of the oldest segment belongs to records that are deleted.
func TestMaxTimestampOfDeletedRecords(t *testing.T) {
	b := newBench(t, rig.Options{KeepBytes: 1, Configs: map[string]string{"retention.ms": "-1"}})
	b.put(records(900, 50))
	b.flush(b.leader())
	b.put(records(60, 40))
	b.deleteBefore(1)
	if r := b.list(b.leader(), -3); r.Offset != 2 || r.Timestamp != 60 {
		t.Fatalf("%+v", r)
	}
}

func TestListOffsetsOfAnEmptyPartition(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3})
	l := b.leader()
	epoch := b.describe(l).LeaderEpoch
	for ask, want := range map[int64]message.ListOffsetsReply{
		-1: {Offset: 0, Timestamp: -1, LeaderEpoch: epoch}, -2: {Offset: 0, Timestamp: -1, LeaderEpoch: epoch}, -3: {Offset: -1, Timestamp: -1, LeaderEpoch: -1}, 7: {Offset: -1, Timestamp: -1, LeaderEpoch: -1},
	} {
		r := b.list(l, ask)
		r.Answered = message.Answered{}
		equal(t, fmt.Sprint("timestamp ", ask), *r, want)
	}
	if r := b.list(b.follower(), -1); r.Reason != kerror.NotLeaderOrFollower {
		t.Errorf("a follower: %+v", r)
	}
}

// TestLatestWaitsForTheOwnTerm: a new leader does not know the high watermark before an entry of its own is committed.
func TestLatestWaitsForTheOwnTerm(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3, Silent: true})
	b.put(b.values("a", "b"))
	old := b.leader()
	b.RunFor(time.Second)
	old.Crash(0)
	seen := map[kerror.Code]bool{}
	end := b.Now + 20*time.Second
	for b.Now < end && !seen[kerror.None] {
		for _, m := range b.Machines {
			if !m.Alive() {
				continue
			}
			r := b.list(m, -1)
			seen[r.Reason] = true
			if r.Reason == kerror.None && r.Offset != 2 {
				t.Fatalf("latest of node %d: %+v", m.ID, r)
			}
			if r := b.list(m, -2); r.Reason == kerror.None && r.Offset != 0 {
				t.Fatalf("earliest of node %d: %+v", m.ID, r)
			}
		}
		b.RunFor(100 * time.Microsecond)
	}
	if !seen[kerror.None] || !seen[kerror.OffsetNotAvailable] {
		t.Errorf("seen: %v", seen)
	}
}

func TestEpochEnds(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3})
	e1 := b.put(b.values("a", "b")).LeaderEpoch
	b.elect(b.follower())
	e2 := b.put(b.values("c")).LeaderEpoch
	b.elect(b.follower())
	check := func() {
		t.Helper()
		l := b.leader()
		e3 := b.describe(l).LeaderEpoch
		for asked, want := range map[kafka.LeaderEpoch][2]int64{
			e1 - 1: {int64(e1) - 1, 0}, e1: {int64(e1), 2}, e2: {int64(e2), 3}, e3: {int64(e3), 3}, e3 + 1: {-1, -1}, -1: {-1, -1},
		} {
			r := b.epochEnd(l, asked)
			equal(t, fmt.Sprint("end of epoch ", asked), [2]int64{int64(r.Epoch), int64(r.EndOffset)}, want)
		}
	}
	check()
	for _, m := range b.Machines {
		b.RunFor(time.Second)
		b.flush(m)
		m.Crash(0)
	}
	b.StartAll()
	check()
	if r := b.epochEnd(b.follower(), e1); r.Reason != kerror.NotLeaderOrFollower {
		t.Errorf("a follower: %+v", r)
	}
	// What retention took: the oldest known epoch begins where the log does.
	b.deleteBefore(2)
	r := b.epochEnd(b.leader(), e1)
	equal(t, "end of an epoch that was deleted", [2]int64{int64(r.Epoch), int64(r.EndOffset)}, [2]int64{int64(e1), 2})
}

func TestDeleteRecords(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3, FlushBytes: 1})
	for i := range 6 {
		b.put(b.values(fmt.Sprint(i), "x"))
	}
	b.RunFor(time.Second)
	for _, c := range []struct {
		before kafka.Offset
		code   kerror.Code
		start  kafka.Offset
	}{{13, kerror.OffsetOutOfRange, 0}, {-2, kerror.OffsetOutOfRange, 0}, {0, kerror.None, 0}, {5, kerror.None, 5}, {3, kerror.None, 5}, {-1, kerror.None, 12}} {
		if r := b.deleteBefore(c.before); r.Reason != c.code || r.LogStart != c.start {
			t.Fatalf("before %d: %+v", c.before, r)
		}
		if c.before == 5 {
			if r := b.fetch(b.leader(), fetchOf(4)).Wait(); r.Reason != kerror.OffsetOutOfRange || r.LogStart != 5 {
				t.Errorf("a fetch below the log start: %+v", r)
			}
			values, _ := b.all(b.leader(), 5)
			same(t, "values", values[:2], []string{"x", "3"})
		}
	}
	equal(t, "base offset", b.put(b.values("next")).BaseOffset, 12)
	// It holds on every replica, and after restarts.
	b.RunFor(time.Second)
	for _, m := range b.Machines {
		equal(t, "log start", b.describe(m).LogStart, 12)
		m.Crash(0)
	}
	b.StartAll()
	b.leader()
	b.RunFor(time.Second)
	for _, m := range b.Machines {
		equal(t, "log start after a restart", b.describe(m).LogStart, 12)
		values, _ := b.all(m, 12)
		same(t, "values", values, []string{"next"})
	}
}

func TestDeleteRecordsWithoutAQuorum(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3})
	b.put(b.values("a"))
	l := b.leader()
	b.Isolate(l.ID)
	ask := func(d time.Duration) *message.DeleteRecordsReply {
		return rig.Ask[message.DeleteRecordsReply](l, l.PID(rig.Group), func(to message.ReplyTo) any {
			return &message.DeleteRecords{ReplyTo: to, Before: 1, Deadline: b.now().Add(d)}
		}).Wait()
	}
	if r := ask(300 * time.Millisecond); r == nil || r.Reason != kerror.RequestTimedOut {
		t.Errorf("%+v", r)
	}
	if r := ask(time.Hour); r == nil || r.Reason != kerror.NotLeaderOrFollower {
		t.Errorf("at a leader that was replaced: %+v", r)
	}
}

// TestReadBarrier: passes while a quorum follows, and never at a leader that was replaced.
func TestReadBarrier(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3})
	l := b.leader()
	epoch := b.describe(l).LeaderEpoch
	ask := func(e kafka.LeaderEpoch) *rig.Asked[message.ReadBarrierReply] {
		return rig.Ask[message.ReadBarrierReply](l, l.PID(rig.Group), func(to message.ReplyTo) any { return &message.ReadBarrier{ReplyTo: to, LeaderEpoch: e} })
	}
	if r := ask(epoch).Within(time.Second); r == nil || r.Reason != kerror.None {
		t.Errorf("%+v", r)
	}
	if r := ask(epoch - 1).Within(time.Second); r == nil || r.Reason != kerror.NotLeaderOrFollower {
		t.Errorf("another epoch: %+v", r)
	}
	b.Isolate(l.ID)
	a := ask(epoch)
	b.RunUntil(20*time.Second, func() bool { return b.Leader(rig.Group) != l && b.Leader(rig.Group) != nil })
	if r := a.Within(5 * time.Second); r == nil || r.Reason != kerror.NotLeaderOrFollower {
		t.Errorf("isolated: %+v", r)
	}
}
