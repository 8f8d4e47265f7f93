package actortest

import "time"

// clock is one life's wall clock: the world's time plus a skew. Within a life it does not jump: a process measures with its
// monotonic clock, which time.Time carries along. Its timers die with the incarnation.
type clock struct {
	node *Node
	skew time.Duration
}

func (c clock) Now() time.Time { return Epoch.Add(c.node.world.Now + c.skew) }

// Monotonic knows no skew.
func (c clock) Monotonic() time.Duration { return c.node.world.Now }

func (c clock) After(d time.Duration, f func()) (cancel func()) {
	n, incarnation := c.node, c.node.incarnation
	return n.world.After(d, func() {
		if n.alive && n.incarnation == incarnation {
			f()
		}
	})
}
