package actortest

import "time"

// clock is one node's wall clock: the world's time plus the node's skew. Its timers die with the incarnation.
type clock struct{ node *Node }

func (c clock) Now() time.Time { return Epoch.Add(c.node.world.Now + c.node.Skew) }

func (c clock) After(d time.Duration, f func()) (cancel func()) {
	n, incarnation := c.node, c.node.incarnation
	return n.world.After(d, func() {
		if n.alive && n.incarnation == incarnation {
			f()
		}
	})
}
