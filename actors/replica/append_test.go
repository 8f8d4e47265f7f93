package replica_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chronik/actors/actortest/rig"
	"chronik/actors/message"
	"chronik/protocol/batch"
	"chronik/protocol/config"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
	"chronik/wal"
)

// promise appends records with some acks and says, for each answer, on how many disks the record was when it came, and
// whether it was on the leader's: counted as after a loss of power at exactly that moment.
func promise(b *bench, acked int16, n int) (copies []int, own []bool) {
	l := b.leader()
	value := map[uint64]string{}
	l.OnAnswer(func(a any) {
		if r, ok := a.(*message.AppendBatchReply); ok && r.Reason == kerror.None {
			on := b.OnDisk([]byte(value[r.Token]))
			copies, own = append(copies, len(on)), append(own, slices.Contains(on, l.ID))
		}
	})
	var asked []*rig.Asked[message.AppendBatchReply]
	for i := range n {
		v := fmt.Sprintf("<acks %d record %d>", acked, i)
		asked = append(asked, b.append(l, b.values(v), acks(acked)))
		value[asked[i].Token()] = v
		for range b.Rand.IntN(8) { // some come while the writes of others are under way
			b.Step()
		}
	}
	b.RunUntil(10*time.Second, func() bool { return asked[n-1].Answer() != nil })
	l.OnAnswer(nil)
	return copies, own
}

func TestAcknowledgedIsOnDisk(t *testing.T) {
	for _, nodes := range []int{1, 2, 3, 5} {
		t.Run(fmt.Sprintf("%d nodes", nodes), func(t *testing.T) {
			b := newBench(t, rig.Options{Nodes: nodes})
			copies, _ := promise(b, -1, 20)
			equal(t, "answers", len(copies), 20)
			for _, c := range copies {
				if c < nodes/2+1 {
					t.Fatalf("acks=all was answered when %d of %d disks had the record", c, nodes)
				}
			}
			_, own := promise(b, 1, 20)
			equal(t, "answers", len(own), 20)
			if slices.Contains(own, false) {
				t.Fatal("acks=1 was answered before the record was on the leader's disk")
			}
		})
	}
}

// TestSkippedSyncIsNoticed: the check above, with disks that are never synced, must go red.
func TestSkippedSyncIsNoticed(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3, WAL: wal.Options{NoSync: true}})
	copies, _ := promise(b, -1, 5)
	if len(copies) != 5 || slices.Max(copies) > 1 {
		t.Fatalf("without a sync the records were on %v disks", copies)
	}
}

// TestAcks1DoesNotWaitForFollowers and acks=all does.
func TestAcks1DoesNotWaitForFollowers(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3})
	l := b.leader()
	b.put(b.values("a"))
	b.Isolate(l.ID)
	one, every := b.append(l, b.values("b"), acks(1)), b.append(l, b.values("c"))
	if a := one.Within(100 * time.Millisecond); a == nil || a.Reason != kerror.None || a.BaseOffset != 1 {
		t.Fatalf("acks=1 without followers: %+v", a)
	}
	if a := every.Within(200 * time.Millisecond); a != nil {
		t.Fatalf("acks=all without followers: %+v", a)
	}
	equal(t, "high watermark", b.describe(l).HighWatermark, 1)
	if a := every.Within(10 * time.Second); a == nil || a.Reason != kerror.NotLeaderOrFollower {
		t.Fatalf("acks=all at a leader that was replaced: %+v", a)
	}
}

func TestAcks0IsAppendedAndNotAnswered(t *testing.T) {
	b := newBench(t, rig.Options{})
	answers := 0
	b.leader().OnAnswer(func(any) { answers++ })
	b.append(b.leader(), b.values("quiet"), acks(0))
	b.RunFor(time.Second)
	equal(t, "answers", answers, 0)
	values, _ := b.all(b.leader(), 0)
	same(t, "values", values, []string{"quiet"})
}

func TestOffsetsAreDense(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3})
	next := kafka.Offset(0)
	var want []string
	for i := range 30 {
		var vs []string
		for k := range 1 + i%4 {
			vs = append(vs, fmt.Sprintf("%d.%d", i, k))
		}
		a := b.put(b.values(vs...))
		equal(t, "base offset", a.BaseOffset, next)
		next += kafka.Offset(len(vs))
		want = append(want, vs...)
		if i%10 == 9 { // an empty entry of a new term takes an index, and no offset
			b.elect(b.follower())
		}
	}
	b.RunFor(time.Second)
	for _, m := range b.Machines {
		values, epochs := b.all(m, 0)
		same(t, "values", values, want)
		if !slices.IsSorted(epochs) || epochs[0] == epochs[len(epochs)-1] {
			t.Errorf("epochs %v", epochs)
		}
	}
}

func TestRefusals(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3, Configs: map[string]string{"max.message.bytes": "1000"}})
	l, f := b.leader(), b.follower()
	b.put(b.values("first"))
	big := b.filler(1000)
	b.refused(kerror.MessageTooLarge, big)
	b.put(big, func(m *message.AppendBatch) { m.Coordinator = true })
	if a := b.append(f, b.values("x")).Wait(); a.Reason != kerror.NotLeaderOrFollower || a.BaseOffset != kafka.NoOffset {
		t.Errorf("a follower: %+v", a)
	}
	epoch := b.describe(l).LeaderEpoch
	b.put(b.values("y"), func(m *message.AppendBatch) { m.LeaderEpoch = epoch })
	b.refused(kerror.NotLeaderOrFollower, b.values("x"), func(m *message.AppendBatch) { m.LeaderEpoch = epoch - 1 })
	b.refused(kerror.NotLeaderOrFollower, b.values("x"), func(m *message.AppendBatch) { m.LeaderEpoch = epoch + 1 })
	l.Send(l.PID(rig.Group), &message.DiskState{Full: true})
	b.refused(kerror.KafkaStorageError, b.values("x"))
	l.Send(l.PID(rig.Group), &message.DiskState{})
	equal(t, "base offset", b.put(b.values("z")).BaseOffset, 3)
}

func TestBufferIsFreedOnce(t *testing.T) {
	b := newBench(t, rig.Options{Configs: map[string]string{"max.message.bytes": "1000"}})
	freed := 0
	free := func(m *message.AppendBatch) { m.Free = func() { freed++ } }
	raw := b.at(b.stamp(), &batch.Producer{ID: 7}, "v")
	b.put(raw, free)
	equal(t, "freed after an append", freed, 1)
	b.put(raw, free)
	equal(t, "freed after a duplicate", freed, 2)
	b.refused(kerror.MessageTooLarge, b.filler(2000), free)
	equal(t, "freed after a refusal", freed, 3)
	b.append(b.leader(), b.values("w"), free, acks(0))
	l := b.leader()
	l.Send(l.PID(rig.Group), &message.StopReplica{})
	b.refused(kerror.NotLeaderOrFollower, b.values("x"), free)
	b.RunFor(time.Second)
	equal(t, "freed at the end", freed, 5)
}

// TestFreedBufferIsNotRead: what is given back may be overwritten.
func TestFreedBufferIsNotRead(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3})
	raw := b.values("precious")
	h, _ := batch.ParseHeader(raw)
	l := b.leader()
	a := rig.Ask[message.AppendBatchReply](l, l.PID(rig.Group), func(to message.ReplyTo) any {
		return &message.AppendBatch{ReplyTo: to, Raw: raw, Header: h, Acks: -1, LeaderEpoch: kafka.NoLeaderEpoch, Free: func() {
			for i := range raw {
				raw[i] = 0xEE
			}
		}}
	}).Wait()
	if a == nil || a.Reason != kerror.None {
		t.Fatalf("%+v", a)
	}
	for _, m := range b.Machines {
		b.RunFor(time.Second)
		values, _ := b.all(m, 0)
		same(t, "values", values, []string{"precious"})
	}
}

func TestLogAppendTime(t *testing.T) {
	b := newBench(t, rig.Options{Configs: map[string]string{"message.timestamp.type": "LogAppendTime"}})
	b.leader()
	b.RunFor(time.Minute)
	now := b.stamp()
	a := b.put(b.at(5, nil, "old"))
	equal(t, "append time", a.LogAppendTime, now)
	_, bs := b.batches(b.leader(), fetchOf(0))
	h, _ := batch.ParseHeader(bs[0])
	equal(t, "time in the log", h.MaxTimestamp, now)
	if !h.LogAppendTime() || !batch.Intact(bs[0]) {
		t.Error("the batch does not say that the broker set its time")
	}
}

func TestMinInsyncReplicas(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3, Configs: map[string]string{"min.insync.replicas": "3"}, Broker: func(c *config.Broker) { c.ReplicaLagMax = 5 * time.Second }})
	l, f := b.leader(), b.follower()
	b.put(b.values("a"))
	l.OnAnswer(func(a any) {
		if r, ok := a.(*message.AppendBatchReply); ok && r.Reason == kerror.None && len(b.OnDisk([]byte("<all three>"))) != 3 {
			t.Error("min.insync.replicas=3 was answered before three disks had the record")
		}
	})
	b.put(b.values("<all three>"))
	l.OnAnswer(nil)

	b.Isolate(f.ID)
	late := b.append(l, b.at(b.stamp(), &batch.Producer{ID: 1}, "committed, two copies"), within(time.Second))
	a := late.Wait()
	if a == nil || a.Reason != kerror.NotEnoughReplicasAfterAppend {
		t.Fatalf("two of three copies: %+v", a)
	}
	equal(t, "high watermark", b.describe(l).HighWatermark, 3)
	// The retry of a committed batch must wait for the third copy too.
	again := b.append(l, b.at(b.stamp(), &batch.Producer{ID: 1}, "committed, two copies"), within(time.Second)).Wait()
	if again == nil || again.Reason != kerror.NotEnoughReplicasAfterAppend {
		t.Fatalf("the retry with two of three copies: %+v", again)
	}
	b.RunFor(6 * time.Second)
	b.refused(kerror.NotEnoughReplicas, b.values("x"))
	equal(t, "log end", b.describe(l).LogEnd, 3)
	b.put(b.values("acks=1 does not ask"), acks(1))
	b.Heal()
	b.RunFor(3 * time.Second)
	b.put(b.values("b"))
	a = b.append(b.leader(), b.at(b.stamp(), &batch.Producer{ID: 1}, "committed, two copies")).Wait()
	if a.Reason != kerror.None || a.BaseOffset != 2 {
		t.Errorf("the retry with three copies: %+v", a)
	}
}

func TestTimeout(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3})
	l := b.leader()
	b.put(b.values("a"))
	b.Isolate(l.ID)
	a := b.append(l, b.values("b"), within(300*time.Millisecond)).Wait()
	if a == nil || a.Reason != kerror.RequestTimedOut {
		t.Fatalf("%+v", a)
	}
}

// TestDeposedLeader: what an isolated leader accepted is cut when it comes back, and its offsets are used again.
func TestDeposedLeader(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3})
	old := b.leader()
	b.put(b.at(b.stamp(), &batch.Producer{ID: 1, Sequence: 0}, "a"))
	b.Isolate(old.ID)
	lost := []*rig.Asked[message.AppendBatchReply]{b.append(old, b.at(b.stamp(), &batch.Producer{ID: 1, Sequence: 1}, "lost 1")), b.append(old, b.values("lost 2"))}
	if !b.RunUntil(20*time.Second, func() bool { return b.Leader(rig.Group) != old && b.Leader(rig.Group) != nil }) {
		t.Fatal("no other leader")
	}
	a := b.put(b.at(b.stamp(), &batch.Producer{ID: 1, Sequence: 1}, "kept 1"))
	equal(t, "base offset", a.BaseOffset, 1)
	b.Heal()
	b.RunFor(5 * time.Second)
	for _, x := range lost {
		if a := x.Answer(); a == nil || a.Reason != kerror.NotLeaderOrFollower {
			t.Errorf("an append that was cut: %+v", a)
		}
	}
	values, _ := b.all(old, 0)
	same(t, "values", values, []string{"a", "kept 1"})
	// The producer state went with the cut.
	b.elect(old)
	if a := b.put(b.at(b.stamp(), &batch.Producer{ID: 1, Sequence: 1}, "kept 1")); a.BaseOffset != 1 {
		t.Errorf("the retry at the old leader: %+v", a)
	}
	equal(t, "base offset", b.put(b.at(b.stamp(), &batch.Producer{ID: 1, Sequence: 2}, "more")).BaseOffset, 2)
}

func TestStopAnswersEverybody(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3})
	l := b.leader()
	b.put(b.values("a"))
	b.Isolate(l.ID)
	waiting := b.append(l, b.values("b"))
	f := fetchOf(1)
	f.Wait = time.Hour
	parked := b.fetch(l, f)
	deleting := rig.Ask[message.DeleteRecordsReply](l, l.PID(rig.Group), func(to message.ReplyTo) any { return &message.DeleteRecords{ReplyTo: to, Before: 1} })
	barrier := rig.Ask[message.ReadBarrierReply](l, l.PID(rig.Group), func(to message.ReplyTo) any {
		return &message.ReadBarrier{ReplyTo: to, LeaderEpoch: b.describe(l).LeaderEpoch}
	})
	b.RunFor(50 * time.Millisecond)
	l.Send(l.PID(rig.Group), &message.StopReplica{})
	if a := waiting.Wait(); a == nil || a.Reason != kerror.NotLeaderOrFollower {
		t.Errorf("append: %+v", a)
	}
	if a := parked.Wait(); a == nil || a.Reason != kerror.NotLeaderOrFollower {
		t.Errorf("fetch: %+v", a)
	}
	if a := deleting.Within(time.Second); a == nil || a.Reason != kerror.NotLeaderOrFollower {
		t.Errorf("delete: %+v", a)
	}
	if a := barrier.Within(time.Second); a == nil || a.Reason != kerror.NotLeaderOrFollower {
		t.Errorf("barrier: %+v", a)
	}
	if a := b.list(l, -1); a.Reason != kerror.NotLeaderOrFollower {
		t.Errorf("list: %+v", a)
	}
}

func TestDeletedGroupLeavesNothing(t *testing.T) {
	b := newBench(t, rig.Options{FlushBytes: 100})
	l := b.leader()
	for range 10 {
		b.put(b.filler(200))
	}
	b.RunFor(time.Second)
	l.Send(l.PID(rig.Group), &message.StopReplica{Delete: true})
	b.RunFor(time.Second)
	l.Crash(0)
	_, rec, err := wal.Open(l.Disk, rig.DataDir+"/wal", wal.Options{FileSize: 256 << 10, FirstFile: 64 << 10})
	if err != nil || rec.Groups[rig.Group] != nil {
		t.Fatalf("the log still knows the group: %+v, %v", rec.Groups[rig.Group], err)
	}
	s, err := wal.OpenSegments(l.Disk, rig.DataDir+"/segments")
	if err != nil || len(s.Groups()) != 0 {
		t.Fatalf("segments: %v, %v", s.Groups(), err)
	}
}

func TestNoLeaderText(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3, Silent: true})
	f := b.follower()
	b.Isolate(f.ID)
	b.RunFor(5 * time.Second)
	if a := b.append(f, b.values("x")).Wait(); a.Reason != kerror.NotLeaderOrFollower || !strings.Contains(a.Message, "No leader elected yet") {
		t.Errorf("%+v", a)
	}
}

// TestFollowerWithAFullDisk stores no records and acknowledges none, votes and deletes on, and catches up when it has room.
func TestFollowerWithAFullDisk(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3})
	f := b.follower()
	b.put(b.values("before"))
	b.RunFor(time.Second)
	f.Send(f.PID(rig.Group), &message.DiskState{Full: true})
	b.deleteBefore(1)
	b.RunFor(time.Second)
	equal(t, "log start of the full node", b.describe(f).LogStart, 1)
	for i := range 20 {
		b.put(b.values(fmt.Sprint(i)))
	}
	b.RunFor(3 * time.Second)
	equal(t, "log end of the full node", b.describe(f).LogEnd, 1)
	for _, m := range b.Machines {
		if m != f && m != b.leader() { // the other one goes: the full node is needed for a vote, and has less than it takes to lead
			m.Crash(0)
			b.RunFor(time.Second)
			m.Start()
		}
	}
	b.put(b.values("more"))
	f.Send(f.PID(rig.Group), &message.DiskState{})
	b.RunFor(3 * time.Second)
	equal(t, "log end with room again", b.describe(f).LogEnd, 22)
	equal(t, "values", len(b.mustRead(f, 1)), 21)
}

func (b *bench) mustRead(m *rig.Machine, from kafka.Offset) []string {
	b.t.Helper()
	values, _ := b.all(m, from)
	return values
}
