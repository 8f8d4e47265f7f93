package wal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"chronik/wal/vfs"
)

var errCrash = errors.New("the power is gone")

// crashAt lets the first n changing operations of a disk pass and then none.
func crashAt(m *vfs.Mem, n int) (count *int) {
	count = new(int)
	m.Before = func(op, name string) error {
		*count++
		if *count > n {
			return errCrash
		}
		return nil
	}
	return count
}

// outcome is what a run has acknowledged, and the round that was under way.
type outcome struct {
	acked    model
	inFlight []Write
}

// allows says whether a recovered state is one that the run may have left: everything acknowledged, and of the round
// under way a beginning.
func (o *outcome) allows(groups map[GroupID]*GroupState) string {
	m := o.acked.clone()
	why := m.differ(groups)
	for _, w := range o.inFlight {
		if why == "" {
			return ""
		}
		m.apply(w)
		if d := m.differ(groups); d == "" {
			return ""
		}
	}
	return why
}

// life runs a node's log until something fails: restarts, rounds, recycling. The script continues from what o allows.
func life(fsys vfs.FS, seed uint64, rounds int) *outcome {
	s := newScript(seed)
	o := &outcome{acked: model{}}
	l, _, err := Open(fsys, "wal", small())
	for i := 0; err == nil && i < rounds; i++ {
		if i%17 == 16 {
			_ = l.Close()
			if l, _, err = Open(fsys, "wal", small()); err != nil {
				break
			}
		}
		o.inFlight = s.round()
		if err = l.Commit(o.inFlight); err != nil {
			break
		}
		o.acked, o.inFlight = s.m.clone(), nil
		if err = l.EnsureRoom(); err == nil {
			_, err = l.Reclaim()
		}
	}
	return o
}

// TestCrashAtEveryOperation runs a node's log, takes the power away before every single operation that changes the disk,
// and looks at what the next start finds, for several ways in which a disk can lose what was not synced.
func TestCrashAtEveryOperation(t *testing.T) {
	const rounds = 60
	for seed := range uint64(3) {
		disk := vfs.NewMem()
		total := crashAt(disk, 1<<30)
		life(disk, seed, rounds)
		if *total < 150 {
			t.Fatalf("the script makes only %d operations", *total)
		}
		for n := 0; n <= *total; n++ {
			disk := vfs.NewMem()
			crashAt(disk, n)
			o := life(disk, seed, rounds)
			for i, p := range []float64{0, 0.3, 0.7, 1} {
				rng := rand.New(rand.NewPCG(seed<<32|uint64(n), uint64(i)))
				after := disk.Crash(rng, p)
				checkRecovery(t, after, o, fmt.Sprintf("seed %d, operation %d, p %v", seed, n, p))
			}
			if t.Failed() {
				return
			}
		}
	}
}

// checkRecovery starts on a disk, twice, and writes in between: the second start must find the first one's state.
func checkRecovery(t *testing.T, disk *vfs.Mem, o *outcome, where string) {
	t.Helper()
	l, r, err := Open(disk, "wal", small())
	if err != nil {
		t.Errorf("%s: %v", where, err)
		return
	}
	if why := o.allows(r.Groups); why != "" {
		t.Errorf("%s: %s", where, why)
		return
	}
	m := model(r.Groups).clone()
	if why := spansMatch(l, m); why != "" {
		t.Errorf("%s: %s", where, why)
	}
	w := Write{Group: 99, Birth: &Birth{Group: 99, Name: "after"}, Entries: entriesOf(1, 1, 3, 100)}
	m.apply(w)
	mustCommit(t, l, w)
	_ = l.Close()
	_, r, err = Open(disk, "wal", small())
	if err != nil {
		t.Errorf("%s: second start: %v", where, err)
	} else if why := m.differ(r.Groups); why != "" {
		t.Errorf("%s: second start: %s", where, why)
	}
}

// TestKilledThenPowerLoss: the process is killed, which leaves what it wrote in the page cache; the next one is cut off by
// a loss of power at every operation of its start, or right after it. Nothing acknowledged is lost, and what a completed
// start found is found again.
func TestKilledThenPowerLoss(t *testing.T) {
	const rounds = 40
	for seed := range uint64(2) {
		disk := vfs.NewMem()
		total := crashAt(disk, 1<<30)
		life(disk, seed, rounds)
		for n := 0; n <= *total; n++ {
			disk := vfs.NewMem()
			crashAt(disk, n)
			o := life(disk, seed, rounds)
			for k := 0; ; k++ {
				second := disk.Kill()
				crashAt(second, k)
				l, r, err := Open(second, "wal", small())
				found := o
				if err == nil {
					if why := o.allows(r.Groups); why != "" {
						t.Fatalf("seed %d, killed at %d: %s", seed, n, why)
					}
					found = &outcome{acked: r.Groups}
					if n%3 > 0 { // and goes on working
						w := Write{Group: 98, Entries: entriesOf(1, 1, 2, 30)}
						found.acked = found.acked.clone()
						found.acked.apply(w)
						second.Before = nil
						mustCommit(t, l, w)
					}
					_ = l.Close()
				} else if !errors.Is(err, errCrash) {
					t.Fatalf("seed %d, killed at %d: %v", seed, n, err)
				}
				p := []float64{0, 0.5}[(n+k)%2]
				after := second.Crash(rand.New(rand.NewPCG(uint64(n), uint64(k))), p)
				checkRecovery(t, after, found, fmt.Sprintf("seed %d, killed at %d, power lost at %d of the start, p %v", seed, n, k, p))
				if t.Failed() {
					return
				}
				if err == nil {
					break
				}
			}
		}
	}
}

// TestNoSyncIsFound: with the switch that skips fdatasync the model must go red; otherwise these tests prove nothing.
func TestNoSyncIsFound(t *testing.T) {
	disk := vfs.NewMem()
	o := small()
	o.NoSync = true
	l, _ := mustOpen(t, disk, o)
	w := Write{Group: 2, Entries: entriesOf(1, 1, 3, 10)}
	mustCommit(t, l, w)
	acked := model{}
	acked.apply(w)
	after := disk.Crash(rand.New(rand.NewPCG(1, 1)), 0)
	if _, r, err := Open(after, "wal", small()); err == nil && acked.equal(r.Groups) {
		t.Fatal("nothing was synced and yet everything is there")
	}
}
