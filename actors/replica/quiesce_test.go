package replica_test

import (
	"testing"
	"time"

	"chronik/actors/actortest/rig"
	"chronik/actors/message"
	"chronik/wal"
)

// atRest waits until no node ticks the partition any more.
func (b *bench) atRest() *rig.Machine {
	b.t.Helper()
	l := b.leader()
	b.put(b.values("a"))
	if !b.RunUntil(time.Minute, func() bool {
		for _, m := range b.Machines {
			if m.Alive() && !m.Resting(rig.Group) {
				return false
			}
		}
		return true
	}) {
		b.t.Fatal("the partition does not come to rest")
	}
	return l
}

// TestTargetEndsRest: a reassignment of a partition that rests begins at once.
func TestTargetEndsRest(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3, Metadata: true})
	l, f := b.atRest(), b.follower()
	var target []wal.ReplicaID
	for _, m := range b.Machines {
		if m != f {
			target = append(target, m.Replica)
		}
	}
	l.Send(l.PID(rig.Group), &message.TargetChanged{Target: target})
	if !b.RunUntil(2*time.Second, func() bool { return len(b.inSync(l)) == 2 }) {
		t.Errorf("in sync are %v", b.inSync(l))
	}
}

// TestRestEndsWithALink: a leader that dies while the partition rests is replaced, and one that comes back is in sync again.
func TestRestEndsWithALink(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3})
	l := b.atRest()
	l.Crash(0)
	if !b.RunUntil(3*time.Second, func() bool { return b.Leader(rig.Group) != nil && b.Leader(rig.Group) != l }) {
		t.Fatal("nobody leads")
	}
	n := b.atRest()
	l.Start()
	if !b.RunUntil(3*time.Second, func() bool { return len(b.inSync(n)) == 3 }) {
		t.Errorf("in sync are %v", b.inSync(n))
	}
}

// TestRetentionOfARestingPartition: old records go although nobody ticks it.
func TestRetentionOfARestingPartition(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3, Configs: map[string]string{"retention.ms": "60000", "segment.ms": "1000"}})
	l := b.atRest()
	if !b.RunUntil(20*time.Minute, func() bool { return b.describe(l).LogStart > 0 }) {
		t.Errorf("%+v", b.describe(l))
	}
}
