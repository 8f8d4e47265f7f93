package actortest

import (
	"time"

	"chronik/wal/vfs"
)

// Node is one simulated machine: a disk that survives crashes, and at most one life of a broker at a time.
type Node struct {
	ID   int
	Skew time.Duration // of its wall clock
	Disk *vfs.Mem

	world       *World
	net         *Network
	alive       bool
	incarnation uint64
}

// crashNow ends the node's life: nothing of it runs any more, its connections are reset, and its disk keeps what was
// synced and, of the rest, whatever chance decides.
func (n *Node) crashNow(why string) {
	if !n.alive {
		return
	}
	n.alive = false
	n.incarnation++
	n.world.telling("node %d  CRASH %s", n.ID, why)
	n.net.closeOf(n, false)
	n.Disk = n.Disk.Crash(n.world.Rand, []float64{0, 0.5, 1}[n.world.Rand.IntN(3)])
}
