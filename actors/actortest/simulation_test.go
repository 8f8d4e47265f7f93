package actortest

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"
)

// simulate is Simulate for a test.
func simulate(t *testing.T, seed uint64, tell func(string)) (Figures, uint64) {
	t.Helper()
	x, hash, err := Simulate(t, seed, tell)
	if err != nil {
		t.Fatal(err)
	}
	return x, hash
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
	var sum Figures
	began := time.Now()
	for i := range seeds {
		t.Run(strconv.Itoa(first+i), func(t *testing.T) {
			x, hash := simulate(t, uint64(first+i), tell)
			if i%20 == 0 {
				if _, again := simulate(t, uint64(first+i), nil); again != hash {
					t.Fatalf("the second run of the seed has the trace %x, the first %x", again, hash)
				}
			}
			sum.Add(x)
		})
	}
	t.Logf("%d seeds in %v: %v", seeds, time.Since(began).Round(time.Millisecond), sum)
}

// TestSeedsThatFoundSomething runs the seeds of testdata/seeds.txt: each was red once, for the reason beside it.
func TestSeedsThatFoundSomething(t *testing.T) {
	list, err := os.ReadFile("testdata/seeds.txt")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(list)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		number, why, _ := strings.Cut(line, " ")
		seed, err := strconv.ParseUint(number, 10, 64)
		if err != nil || why == "" {
			t.Fatalf("%q is not a seed and a reason", line)
		}
		n++
		t.Run(number, func(t *testing.T) { simulate(t, seed, nil) })
	}
	if n == 0 {
		t.Error("no seed was kept")
	}
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
