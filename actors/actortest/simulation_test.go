package actortest

import (
	"os"
	"strconv"
	"testing"
	"testing/cryptotest"
	"time"
)

// The floors: a seed that stays below them proves too little and runs on until it reaches them.
const (
	floorMessages = 20_000
	floorFaults   = 20
	floorAcked    = 500
	floorLeaders  = 2 // changes of a leader, beyond the first of each group
)

const partitions = 4

type figures struct{ messages, faults, lost, elections, acked, read, commits, moves, rebalances int }

// simulate runs one seed: a cluster of three, producers and consumers, faults; then everything is repaired, and all that was
// acknowledged must be there, once, in order.
func simulate(t *testing.T, seed uint64, tell func(string)) (figures, uint64) {
	t.Helper()
	c := NewCluster(seed, size(seed))
	c.Tell(tell)
	x := run(t, c)
	if c.Violation != nil {
		t.Fatal(c.Violation)
	}
	return x, c.Hash()
}

// size is the number of nodes of a seed's cluster.
func size(seed uint64) int { return []int{3, 3, 5, 3, 1}[seed%5] }

// run is simulate for a cluster that is prepared; what is wrong is c.Violation.
func run(t *testing.T, c *Cluster) figures {
	cryptotest.SetGlobalRandom(t, c.Seed)
	inv := Watch(c)
	for _, n := range c.Nodes {
		c.After(time.Duration(c.Rand.Int64N(int64(500*time.Millisecond))), n.Start)
	}
	var w *Workload
	c.NewClient("admin").CreateTopic("t", partitions, int16(min(3, len(c.Nodes))), func() { w = NewWorkload(c, "t", partitions, 2) })
	if !c.RunUntil(30*time.Second, func() bool { return w != nil && w.Acked > 20 }) {
		c.Fail("the cluster did not begin to work")
	}
	f := NewFaults(c)
	enough := func() bool {
		return c.Messages >= floorMessages && f.Count >= floorFaults && c.Lost > 0 && w.Acked >= floorAcked && inv.Elections >= partitions+1+floorLeaders
	}
	if c.Violation == nil && !c.RunUntil(10*time.Minute, enough) {
		c.Fail("the floors were not reached: %d messages, %d faults, %d acknowledged", c.Messages, f.Count, w.Acked)
	}
	f.Stop()
	if w != nil {
		w.Stop()
		if c.Violation == nil && !c.RunUntil(2*time.Minute, w.Settled) {
			for _, l := range append(c.Describe(2, 3, 4, 5), w.Stuck()...) {
				t.Log(l)
			}
			c.Fail("two minutes after everything was repaired something is still not acknowledged or not read")
		}
		w.Verify()
	}
	x := figures{messages: c.Messages, faults: f.Count, lost: c.Lost, elections: inv.Elections}
	if w != nil {
		x.acked, x.read, x.commits, x.moves, x.rebalances = w.Acked, w.Read, w.Commits(), w.Moves(), w.Rebalances()
	}
	return x
}

// TestSimulationFindsSkippedSync: the same runs on nodes that skip every fdatasync must go red.
func TestSimulationFindsSkippedSync(t *testing.T) {
	for seed := uint64(1); seed <= 50; seed++ {
		c := NewCluster(seed, 3)
		for _, n := range c.Nodes {
			n.NoSync = true
		}
		if run(t, c); c.Violation != nil {
			t.Logf("found by seed %d: %v", seed, c.Violation)
			return
		}
	}
	t.Fatal("50 seeds did not notice that nothing was synced")
}

// TestSimulation runs CHRONIK_SIM_SEEDS seeds (10) from CHRONIK_SIM_FIRST (1) on. Every 20th runs twice: the same seed must
// give the same trace.
func TestSimulation(t *testing.T) {
	number := func(name string, def int) int {
		if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
			return n
		}
		return def
	}
	first, seeds := number("CHRONIK_SIM_FIRST", 1), number("CHRONIK_SIM_SEEDS", 10)
	var tell func(string)
	if os.Getenv("CHRONIK_SIM_TELL") != "" {
		tell = func(line string) { t.Log(line) }
	}
	var sum figures
	began := time.Now()
	for i := range seeds {
		t.Run(strconv.Itoa(first+i), func(t *testing.T) {
			x, hash := simulate(t, uint64(first+i), tell)
			if i%20 == 0 {
				if _, again := simulate(t, uint64(first+i), nil); again != hash {
					t.Fatalf("the second run of the seed has the trace %x, the first %x", again, hash)
				}
			}
			sum.messages += x.messages
			sum.faults += x.faults
			sum.lost += x.lost
			sum.elections += x.elections
			sum.acked += x.acked
			sum.read += x.read
			sum.commits += x.commits
			sum.moves += x.moves
			sum.rebalances += x.rebalances
		})
	}
	t.Logf("%d seeds in %v: %d messages, %d faults, %d crashes with lost writes, %d leaders elected, %d records acknowledged, %d read, %d commits of offsets, %d reassignments, %d rebalances of a group",
		seeds, time.Since(began).Round(time.Millisecond), sum.messages, sum.faults, sum.lost, sum.elections, sum.acked, sum.read, sum.commits, sum.moves, sum.rebalances)
}

// TestSimulationWipes: nodes lose their disks under load, one after the other, beside all other faults; each is admitted anew and
// nothing that was acknowledged is lost. Half of the wipes hit a voter of the metadata.
func TestSimulationWipes(t *testing.T) {
	seeds := uint64(12)
	if n, err := strconv.ParseUint(os.Getenv("CHRONIK_SIM_WIPES"), 10, 64); err == nil {
		seeds = n
	}
	total := 0
	for seed := uint64(1); seed <= seeds; seed++ {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			c := NewCluster(seed, []int{3, 3, 5}[seed%3])
			cryptotest.SetGlobalRandom(t, c.Seed)
			inv := Watch(c)
			for _, n := range c.Nodes {
				n.Start()
			}
			var w *Workload
			var x *Wiper
			c.NewClient("admin").CreateTopic("t", partitions, 3, func() { w = NewWorkload(c, "t", partitions, 2); w.KeepThree(); x = NewWiper(w) })
			if !c.RunUntil(30*time.Second, func() bool { return w != nil && w.Acked > 20 }) {
				t.Fatal("the cluster did not begin to work")
			}
			var f *Faults
			if seed%2 == 0 { // else nothing but wipes
				f = NewFaults(c)
			}
			if !c.RunUntil(20*time.Minute, func() bool { return x.Wipes >= 6 }) && c.Violation == nil {
				c.Fail("%d wipes; %s", x.Wipes, x.Redundant())
			}
			if f != nil {
				f.Stop()
			}
			w.Stop()
			for _, n := range c.Nodes {
				n.Start()
			}
			if c.Violation == nil && !c.RunUntil(2*time.Minute, func() bool { return w.Settled() && x.Redundant() == "" }) {
				c.Fail("two minutes after everything was repaired: %v; %s", w.Stuck(), x.Redundant())
			}
			w.Verify()
			if c.Violation != nil {
				t.Fatal(c.Violation)
			}
			total += x.Wipes
			_ = inv
		})
	}
	t.Logf("%d disks lost", total)
}
