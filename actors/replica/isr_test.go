package replica_test

import (
	"testing"
	"time"

	"chronik/actors/actortest/rig"
	"chronik/actors/message"
	"chronik/protocol/config"
	"chronik/protocol/kafka"
	"chronik/wal"
)

func (b *bench) inSync(m *rig.Machine) []kafka.NodeID { return m.Leaders[rig.Group].Leadership.InSync }

func without(n int) []kafka.NodeID {
	var out []kafka.NodeID
	for i := kafka.NodeID(1); i <= 3; i++ {
		if i != kafka.NodeID(n) {
			out = append(out, i)
		}
	}
	return out
}

func lag(d time.Duration) func(*config.Broker) {
	return func(c *config.Broker) { c.ReplicaLagMax = d }
}

// TestInSyncOfAnIdlePartition: who is dead leaves the set, and comes back, although nobody writes.
func TestInSyncOfAnIdlePartition(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3, Broker: lag(5 * time.Second)})
	l, f := b.leader(), b.follower()
	b.put(b.values("a"))
	b.RunFor(20 * time.Second)
	same(t, "in sync", b.inSync(l), []kafka.NodeID{1, 2, 3})
	f.Crash(0)
	from := b.Now
	if !b.RunUntil(30*time.Second, func() bool { return len(b.inSync(l)) == 2 }) {
		t.Fatal("a dead follower stays in sync")
	}
	if took := b.Now - from; took < 4*time.Second || took > 9*time.Second {
		t.Errorf("a dead follower left the set after %v", took)
	}
	same(t, "in sync", b.inSync(l), without(f.ID))
	f.Start()
	from = b.Now
	if !b.RunUntil(30*time.Second, func() bool { return len(b.inSync(l)) == 3 }) || b.Now-from > 2*time.Second {
		t.Errorf("a follower that came back is in sync after %v", b.Now-from)
	}
}

// TestInSyncUnderLoad: a follower that is always a little behind, but was at each end soon enough, stays.
func TestInSyncUnderLoad(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3, Broker: lag(2 * time.Second)})
	l := b.leader()
	b.MinDelay, b.MaxDelay = 150*time.Millisecond, 200*time.Millisecond
	end := b.Now + 20*time.Second
	for b.Now < end {
		b.append(l, b.values("x"), acks(1))
		b.RunFor(20 * time.Millisecond)
		if n := len(b.inSync(l)); n != 3 {
			t.Fatalf("%d in sync after %v", n, b.Now)
		}
	}
}

// TestInSyncNeedsProgress: a follower that answers heartbeats and stores nothing leaves.
func TestInSyncNeedsProgress(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3, Broker: lag(3 * time.Second)})
	l, f := b.leader(), b.follower()
	b.put(b.values("a"))
	b.Drop = func(from, to int, m any) bool {
		r, ok := m.(*message.RaftMessage)
		return ok && to == f.ID && len(r.Msg.Entries) > 0
	}
	for range 100 {
		b.put(b.values("x"))
		b.RunFor(100 * time.Millisecond)
	}
	same(t, "in sync", b.inSync(l), without(f.ID))
	b.Drop = nil
	b.RunFor(3 * time.Second)
	same(t, "in sync", b.inSync(l), []kafka.NodeID{1, 2, 3})
}

// TestLeadershipIsTold: each change once, by the leader only, with versions that grow within a term.
func TestLeadershipIsTold(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3, Broker: lag(3 * time.Second)})
	first := b.leader()
	b.RunFor(time.Second)
	term := first.Leaders[rig.Group].Leadership.Term
	for _, m := range b.Machines {
		l := m.Leaders[rig.Group]
		equal(t, "leader", l.Leadership.Leader, kafka.NodeID(first.ID))
		equal(t, "term", l.Leadership.Term, term)
		equal(t, "leading", l.Leading, m == first)
		if m != first && l.Leadership.InSync != nil {
			t.Errorf("follower %d speaks of who is in sync", m.ID)
		}
	}
	before := first.Leaders[rig.Group].Leadership.Version
	b.RunFor(time.Minute)
	equal(t, "version in quiet times", first.Leaders[rig.Group].Leadership.Version, before)
	second := b.elect(b.follower())
	b.RunFor(time.Second)
	for _, m := range b.Machines {
		l := m.Leaders[rig.Group]
		if l.Leadership.Leader != kafka.NodeID(second.ID) || l.Leadership.Term <= term || l.Leading != (m == second) {
			t.Errorf("node %d: %+v", m.ID, l)
		}
	}
}

// TestFirstLeadersAreWherePlaced: each group is led first by the first of its replicas.
func TestFirstLeadersAreWherePlaced(t *testing.T) {
	groups := make([]wal.GroupID, 30)
	for i := range groups {
		groups[i] = wal.GroupID(2 + i)
	}
	b := newBench(t, rig.Options{Nodes: 3, Groups: groups, Seed: 5})
	b.RunFor(3 * time.Second)
	count := map[int]int{}
	for i, g := range groups {
		l := b.Leader(g)
		if l == nil {
			t.Fatalf("group %d has no leader", g)
		}
		count[l.ID]++
		if l.ID != i%3+1 {
			t.Errorf("group %d is led by node %d", g, l.ID)
		}
	}
	for n := 1; n <= 3; n++ {
		if count[n] < 8 || count[n] > 12 {
			t.Errorf("node %d leads %d of 30", n, count[n])
		}
	}
}
