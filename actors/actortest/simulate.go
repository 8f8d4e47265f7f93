package actortest

import (
	"fmt"
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

// Figures are what happened in a run, or in several.
type Figures struct{ Messages, Faults, Lost, Elections, Acked, Read, Commits, Moves, Rebalances int }

// Add sums up.
func (x *Figures) Add(y Figures) {
	x.Messages += y.Messages
	x.Faults += y.Faults
	x.Lost += y.Lost
	x.Elections += y.Elections
	x.Acked += y.Acked
	x.Read += y.Read
	x.Commits += y.Commits
	x.Moves += y.Moves
	x.Rebalances += y.Rebalances
}

func (x Figures) String() string {
	return fmt.Sprintf("%d messages, %d faults, %d crashes with lost writes, %d leaders elected, %d records acknowledged, %d read, %d commits of offsets, %d reassignments, %d rebalances of a group",
		x.Messages, x.Faults, x.Lost, x.Elections, x.Acked, x.Read, x.Commits, x.Moves, x.Rebalances)
}

// Simulate runs one seed: a cluster of one to five nodes, producers and consumers, faults; then everything is repaired, and all
// that was acknowledged must be there, once, in order. tell, when not nil, is told the story line by line. The hash is of every
// message that was handled: the same seed gives the same one. t is only asked to make the system's randomness follow the seed.
func Simulate(t *testing.T, seed uint64, tell func(string)) (Figures, uint64, error) {
	c := NewCluster(seed, size(seed))
	c.Tell(tell)
	x := run(t, c)
	return x, c.Hash(), c.Violation
}

// size is the number of nodes of a seed's cluster.
func size(seed uint64) int { return []int{3, 3, 5, 3, 1}[seed%5] }

// run is Simulate for a cluster that is prepared; what is wrong is c.Violation.
func run(t *testing.T, c *Cluster) Figures {
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
				c.telling("%s", l)
			}
			c.Fail("two minutes after everything was repaired something is still not acknowledged or not read")
		}
		w.Verify()
	}
	x := Figures{Messages: c.Messages, Faults: f.Count, Lost: c.Lost, Elections: inv.Elections}
	if w != nil {
		x.Acked, x.Read, x.Commits, x.Moves, x.Rebalances = w.Acked, w.Read, w.Commits(), w.Moves(), w.Rebalances()
	}
	return x
}
