package actortest

import (
	"time"

	"chronik/wal"
)

// Faults breaks a cluster at random, and always repairs it again.
type Faults struct {
	Count int

	c   *Cluster
	off bool
}

// NewFaults begins to inject faults every 100 ms to 2 s.
func NewFaults(c *Cluster) *Faults {
	f := &Faults{c: c}
	f.plan()
	return f
}

func (f *Faults) between(low, high time.Duration) time.Duration {
	return low + time.Duration(f.c.Rand.Int64N(int64(high-low)))
}

func (f *Faults) plan() {
	f.c.After(f.between(100*time.Millisecond, 2*time.Second), func() {
		if f.off {
			return
		}
		f.inject()
		f.plan()
	})
}

func (f *Faults) node() *Node { return f.c.Nodes[f.c.Rand.IntN(len(f.c.Nodes))] }

func (f *Faults) inject() {
	f.Count++
	c, n := f.c, f.node()
	switch f.c.Rand.IntN(12) {
	case 0, 1:
		n.Crash()
		f.restart(n)
	case 2, 3: // in the middle of writing
		n.CrashAtDisk(1 + c.Rand.IntN(40))
		c.After(f.between(time.Millisecond, time.Second), func() { n.Crash(); f.restart(n) })
	case 4: // two at once
		other := f.node()
		n.Crash()
		other.Crash()
		f.restart(n)
		f.restart(other)
	case 5: // the power of the whole room
		for _, x := range c.Nodes {
			x.Crash()
			f.restart(x)
		}
	case 6, 7: // nobody reaches it, it reaches nobody
		for _, x := range c.Nodes {
			if x != n {
				c.Net.Cut(n.ID, x.ID)
				c.Net.Cut(x.ID, n.ID)
			}
		}
		f.heal()
	case 8: // one direction between two
		c.Net.Cut(n.ID, f.node().ID)
		f.heal()
	case 9: // clients do not reach it
		c.Net.Cut(0, n.ID)
		c.Net.Cut(n.ID, 0)
		f.heal()
	case 10:
		n.Skew = f.between(-time.Hour, time.Hour)
	default:
		n.Transfer(wal.GroupID(2 + c.Rand.IntN(6)))
	}
}

func (f *Faults) restart(n *Node) {
	f.c.After(f.between(10*time.Millisecond, 3*time.Second), func() {
		if !n.Alive() {
			n.Start()
		}
	})
}

func (f *Faults) heal() { f.c.After(f.between(100*time.Millisecond, 4*time.Second), f.c.Net.Heal) }

// Stop ends the faults and repairs everything.
func (f *Faults) Stop() {
	f.off = true
	f.c.Net.Heal()
	for _, n := range f.c.Nodes {
		n.crashIn = 0
		if !n.Alive() {
			n.Start()
		}
	}
}
