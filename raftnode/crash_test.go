package raftnode

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/cryptotest"

	pb "go.etcd.io/raft/v3/raftpb"

	"chronik/wal"
)

var seeds = flag.Int("seeds", 200, "how many seeds TestRandom runs")

// story is a history with everything in it: an election, commits, a leader that is cut off and accepts what is lost, its
// successor, and the cut of its tail. step is called before each thing that somebody does.
func story(l *lab, step func()) {
	do := func(f func()) { step(); f() }
	up := func(p *peer) bool { return p.n != nil }
	propose := func(p *peer, v string) {
		do(func() {
			if up(p) {
				_ = p.n.Propose([][]byte{[]byte(v)})
			}
		})
	}
	work := func(ps ...*peer) {
		for range 6 {
			for _, p := range ps {
				do(p.ready)
				do(p.sync)
				do(p.sync)
			}
			do(func() {
				l.deliver(func(m *pb.Message) bool { return slices.Contains(ps, l.peer(wal.ReplicaID(m.GetTo()))) })
			})
		}
	}
	all := l.peers
	do(func() {
		if up(all[0]) {
			all[0].n.Campaign()
		}
	})
	work(all...)
	propose(all[0], "a")
	propose(all[0], "b")
	work(all...)
	for _, p := range all[1:] {
		l.cut[[2]uint64{1, uint64(p.id)}], l.cut[[2]uint64{uint64(p.id), 1}] = true, true
	}
	propose(all[0], "lost")
	work(all...)
	for _, p := range all[1:] {
		do(func() {
			if up(p) {
				p.n.ForgetLeader()
			}
		})
	}
	do(func() {
		if up(all[1]) {
			all[1].n.Campaign()
		}
	})
	work(all...)
	propose(all[1], "kept")
	work(all...)
	clear(l.cut)
	do(func() {
		if up(all[1]) {
			all[1].n.Tick()
		}
	})
	work(all...)
}

// recover starts who is down and elects somebody: the group must work, and what was applied anywhere must be there.
func (l *lab) recover(t *testing.T) {
	t.Helper()
	clear(l.cut)
	for _, p := range l.peers {
		if p.n == nil {
			p.start()
		}
	}
	for i := 0; i < 300 && len(l.broken) == 0; i++ {
		if p := l.leader(); p != nil && i > 30 {
			before := p.upTo
			_ = p.n.Propose([][]byte{[]byte("end")})
			l.stabilize()
			if p.upTo > before && p.hs.Term == p.n.Role().Term {
				break
			}
		}
		for _, p := range l.peers {
			p.n.Tick()
			for _, f := range p.n.Peers() {
				if f.Snapshotting { // what was under way may be lost; package raftgroup says so after a while
					p.n.ReportSnapshot(f.ID, false)
				}
			}
		}
		l.stabilize()
	}
	for range 3 { // a heartbeat tells the followers of the commit
		for _, p := range l.peers {
			p.n.Tick()
		}
		l.stabilize()
	}
	l.check(t)
	for i := wal.Index(1); i <= l.leader().upTo; i++ {
		if _, ok := l.applied[i]; !ok {
			t.Fatalf("entry %d was never applied", i)
		}
	}
	for _, p := range l.peers {
		if p.upTo != l.leader().upTo {
			t.Fatalf("replica %d has applied %d entries, its leader %d", p.id, p.upTo, l.leader().upTo)
		}
	}
}

// TestCrashEverywhere crashes each replica, and all of them, before each step of the story, with every prefix of the writes
// that were handed over done, and restarts at once or at the end.
func TestCrashEverywhere(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1)
	steps := 0
	story(newLab(3), func() { steps++ })
	runs := 0
	for at := range steps {
		for victim := range 4 { // the fourth: all
			for _, done := range []int{0, 1, 9} {
				for _, again := range []bool{true, false} {
					runs++
					l, n := newLab(3), 0
					story(l, func() {
						if n++; n != at+1 {
							return
						}
						for i, p := range l.peers {
							if victim == 3 || victim == i {
								for range done { // its disk was done with them, nobody heard of it
									if len(p.queue) > 0 {
										p.write(p.queue[0])
										p.queue = p.queue[1:]
									}
								}
								p.crash()
								if again {
									p.start()
								}
							}
						}
					})
					if l.recover(t); t.Failed() {
						t.Fatalf("step %d, victim %d, %d writes done, restart at once %v", at, victim, done, again)
					}
				}
			}
		}
	}
	t.Logf("%d runs of %d steps", runs, steps)
}

// random runs a group of some size through many random steps.
func random(seed uint64, early bool) *lab {
	rng := rand.New(rand.NewPCG(seed, 7))
	l := newLab([]int{3, 3, 5, 1, 2}[rng.IntN(5)])
	n := 0
	for range 3000 {
		if len(l.broken) > 0 {
			return l
		}
		p := l.peers[rng.IntN(len(l.peers))]
		if p.n == nil {
			if rng.IntN(10) == 0 {
				p.start()
			}
			continue
		}
		p.early = early
		switch k := rng.IntN(100); {
		case k < 25:
			p.n.Tick()
		case k < 45:
			p.ready()
		case k < 65:
			p.sync()
		case k < 85:
			l.deliver(func(*pb.Message) bool { return rng.IntN(3) > 0 })
		case k < 92:
			n++
			if x := l.leader(); x != nil {
				_ = x.n.Propose([][]byte{fmt.Append(nil, n)})
			}
		case k < 93:
			p.crash()
		case k < 94:
			l.cut[[2]uint64{uint64(p.id), uint64(1 + rng.IntN(len(l.peers)))}] = true
		case k < 96:
			clear(l.cut)
		case k < 97:
			p.n.TransferLeader(wal.ReplicaID(1 + rng.IntN(len(l.peers))))
		case k < 98:
			if p.upTo > p.base.Index && p.last() >= p.upTo {
				p.compact(p.upTo)
			}
		case k < 99:
			l.flying = slices.DeleteFunc(l.flying, func(*pb.Message) bool { return rng.IntN(4) == 0 })
		default:
			p.n.ReportUnreachable(wal.ReplicaID(1 + rng.IntN(len(l.peers))))
		}
	}
	return l
}

func TestRandom(t *testing.T) {
	applied := 0
	for seed := range uint64(*seeds) {
		cryptotest.SetGlobalRandom(t, seed)
		l := random(seed, false)
		if len(l.broken) > 0 {
			t.Fatalf("seed %d: %v", seed, l.broken)
		}
		if l.recover(t); t.Failed() {
			t.Fatalf("seed %d", seed)
		}
		applied += len(l.applied)
	}
	t.Logf("%d entries applied", applied)
}

// TestRandomFindsEarlyAnswers: with the planted bug, answers that leave before the write they depend on, it goes red.
func TestRandomFindsEarlyAnswers(t *testing.T) {
	for seed := range uint64(20) {
		cryptotest.SetGlobalRandom(t, seed)
		if len(random(seed, true).broken) > 0 {
			return
		}
	}
	t.Fatal("20 seeds did not notice")
}
