package replica_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chronik/actors/actortest/rig"
	"chronik/actors/message"
	"chronik/protocol/config"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
	"chronik/wal"
)

// figures is everything that a replica says of itself and that must not depend on restarts and flushes.
func (b *bench) figures(m *rig.Machine) string {
	d := b.describe(m)
	values, epochs := b.all(m, d.LogStart)
	return fmt.Sprint("start ", d.LogStart, " high ", d.HighWatermark, " end ", d.LogEnd, " producers ", d.Producers, " epochs ", epochs, " values ", values)
}

// segmentFiles lists a node's files of records.
func segmentFiles(m *rig.Machine) (out []string) {
	dirs, _ := m.Disk.List(rig.DataDir + "/segments")
	for _, d := range dirs {
		files, _ := m.Disk.List(rig.DataDir + "/segments/" + d)
		for _, f := range files {
			if strings.HasSuffix(f, ".log") {
				out = append(out, f)
			}
		}
	}
	return out
}

// TestFlushAndRestartChangeNothing at random moments of a random history.
func TestFlushAndRestartChangeNothing(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			b := newBench(t, rig.Options{Seed: seed + 1, FlushBytes: 2000, KeepBytes: 500, Configs: map[string]string{"retention.ms": "-1"},
				Broker: func(c *config.Broker) { c.TopicDefaults.SegmentBytes = 3000 }})
			seqs := map[kafka.ProducerID]kafka.Sequence{}
			for range 60 {
				switch b.Rand.IntN(8) {
				case 0:
					d := b.describe(b.leader())
					b.deleteBefore(d.LogStart + kafka.Offset(b.Rand.Int64N(int64(d.HighWatermark-d.LogStart)/3+1)))
				case 1:
					b.flush(b.leader())
				case 2:
					m := b.leader()
					was := b.figures(m)
					m.Crash([]float64{0, 0.5, 1}[b.Rand.IntN(3)])
					m.Start()
					b.leader()
					if now := b.figures(m); now != was {
						t.Fatalf("a restart changed\n%s\nto\n%s", was, now)
					}
				default:
					id := kafka.ProducerID(1 + b.Rand.IntN(3))
					vs := make([]string, 1+b.Rand.IntN(4))
					for i := range vs {
						vs[i] = strings.Repeat("v", b.Rand.IntN(300))
					}
					b.put(b.at(b.stamp(), producer(id, 0, seqs[id]), vs...))
					seqs[id] += kafka.Sequence(len(vs))
				}
			}
		})
	}
}

// TestRollBySize: segments of all replicas are cut at the same places, and none is larger than it may be.
func TestRollBySize(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3, FlushBytes: 1, Configs: map[string]string{"segment.bytes": "1048576"}})
	one := int64(len(b.filler(200 << 10)))
	for range 23 {
		b.put(b.filler(200 << 10))
	}
	b.RunFor(2 * time.Second)
	want := segmentFiles(b.Machines[0])
	if len(want) != 5 {
		t.Errorf("segments %v", want)
	}
	for _, m := range b.Machines {
		b.flush(m)
		same(t, fmt.Sprint("segments of node ", m.ID), segmentFiles(m), want)
		equal(t, "size", b.describe(m).SizeBytes, 23*one)
	}
}

func TestRollByAge(t *testing.T) {
	b := newBench(t, rig.Options{FlushBytes: 1, Configs: map[string]string{"segment.ms": "60000"}})
	for range 4 {
		b.put(b.values("x"))
		b.put(b.values("x"))
		b.RunFor(61 * time.Second)
	}
	b.flush(b.leader())
	equal(t, "segments", len(segmentFiles(b.leader())), 4)
}

func TestRetention(t *testing.T) {
	const mb = 1 << 20
	sweep := func(c *config.Broker) { c.RetentionCheck = time.Second; c.TopicDefaults.SegmentBytes = mb }
	t.Run("by size", func(t *testing.T) {
		b := newBench(t, rig.Options{Nodes: 3, FlushBytes: 1, Broker: sweep, Configs: map[string]string{"retention.bytes": fmt.Sprint(3 * mb), "retention.ms": "-1"}})
		for range 80 {
			b.put(b.filler(100 << 10))
		}
		b.RunFor(5 * time.Second)
		for _, m := range b.Machines {
			b.flush(m)
			d := b.describe(m)
			if d.SizeBytes < 3*mb || d.SizeBytes >= 4*mb+200<<10 || d.LogStart == 0 {
				t.Errorf("node %d: %d bytes from %d on", m.ID, d.SizeBytes, d.LogStart)
			}
			if files := segmentFiles(m); len(files) > 5 || files[0] != fmt.Sprintf("%020d.log", d.LogStart) {
				t.Errorf("node %d keeps %v, the log starts at %d", m.ID, files, d.LogStart)
			}
			values, _ := b.all(m, d.LogStart)
			equal(t, "records", len(values), int(80-d.LogStart))
		}
	})
	t.Run("by time", func(t *testing.T) {
		b := newBench(t, rig.Options{Nodes: 3, FlushBytes: 1, Broker: sweep, Configs: map[string]string{"retention.ms": "600000"}})
		b.put(b.filler(100 << 10))
		b.RunFor(5 * time.Minute)
		b.put(b.values("young"))
		b.RunFor(8 * time.Minute)
		// The newest record of the segment counts, not its oldest.
		equal(t, "log start", b.describe(b.leader()).LogStart, 0)
		b.RunFor(3 * time.Minute)
		for _, m := range b.Machines {
			d := b.describe(m)
			equal(t, "log start", d.LogStart, 2)
			equal(t, "size", d.SizeBytes, 0)
		}
		equal(t, "base offset", b.put(b.values("next")).BaseOffset, 2)
	})
	t.Run("without limit", func(t *testing.T) {
		b := newBench(t, rig.Options{FlushBytes: 1, Broker: sweep, Configs: map[string]string{"retention.ms": "-1"}})
		b.put(b.at(1, nil, "as old as can be"))
		b.RunFor(time.Hour)
		equal(t, "log start", b.describe(b.leader()).LogStart, 0)
	})
	t.Run("changed", func(t *testing.T) {
		b := newBench(t, rig.Options{FlushBytes: 1, Broker: sweep, Configs: map[string]string{"retention.ms": "-1"}})
		b.put(b.at(1, nil, "old"))
		b.RunFor(time.Minute)
		l := b.leader()
		l.Send(l.PID(rig.Group), &message.ConfigChanged{Configs: map[string]string{"retention.ms": "1000"}})
		b.RunFor(time.Minute)
		equal(t, "log start", b.describe(l).LogStart, 1)
	})
}

// TestWALIsReleased: however much is written, the log's ring stays small, because what is committed moves to segments.
func TestWALIsReleased(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3})
	for i := range 200 {
		b.put(b.filler(20 << 10))
		if i%50 == 0 {
			b.RunFor(time.Second)
		}
	}
	b.RunFor(2 * time.Second)
	for _, m := range b.Machines {
		files, _ := m.Disk.List(rig.DataDir + "/wal")
		if len(files) > 12 {
			t.Errorf("node %d has %d files: %v", m.ID, len(files), files)
		}
		values, _ := b.all(m, 0)
		equal(t, "records", len(values), 200)
	}
}

// TestNoRoomForSegments stops the moving, not the node; it goes on when there is room again.
func TestNoRoomForSegments(t *testing.T) {
	b := newBench(t, rig.Options{FlushBytes: 1, KeepBytes: 1, WAL: wal.Options{FileSize: 1 << 20, FirstFile: 1 << 20, Files: 4}})
	l := b.leader()
	b.put(b.filler(1000))
	b.RunFor(time.Second)
	l.Disk.Capacity = 1 // nothing may grow
	b.put(b.filler(1000))
	b.put(b.filler(1000))
	b.RunFor(5 * time.Second)
	values, _ := b.all(l, 0)
	equal(t, "records while full", len(values), 3)
	if r := b.fetch(l, fetchOf(1)).Wait(); r.Cold != nil {
		t.Fatal("a full disk took segments")
	}
	l.Disk.Capacity = 0
	b.RunFor(5 * time.Second)
	if r := b.fetch(l, fetchOf(1)).Wait(); r.Reason != kerror.None || r.Cold == nil {
		t.Errorf("nothing was moved to segments when there was room again: %+v", r)
	}
	l.Crash(0)
	l.Start()
	values, _ = b.all(b.leader(), 0)
	equal(t, "records after a restart", len(values), 3)
}

// TestSegmentsHoldOnlyWhatIsCommitted: a deposed leader's tail never gets there.
func TestSegmentsHoldOnlyWhatIsCommitted(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3, FlushBytes: 1})
	old := b.leader()
	b.put(b.values("kept"))
	b.Isolate(old.ID)
	b.append(old, b.values("<never committed>"), acks(1)).Wait()
	b.flush(old)
	files, _ := old.Disk.List(rig.DataDir + "/segments")
	if len(files) > 0 && slices.Contains(files, "never") {
		t.Fatal(files)
	}
	if old.InSegments([]byte("<never committed>")) {
		t.Error("segments hold a record that is not committed")
	}
	if !old.InSegments([]byte("kept")) {
		t.Error("segments do not hold what is committed")
	}
}
