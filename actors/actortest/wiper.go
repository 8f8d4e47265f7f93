package actortest

import (
	"fmt"
	"slices"
	"time"

	"chronik/wal"
	"chronik/wal/vfs"
)

// Wiper takes the disks of nodes away, one at a time: the next one goes only when the one before is a member everywhere again.
type Wiper struct {
	Wipes int

	w    *Workload
	next time.Duration
}

// NewWiper starts one on a workload whose partitions keep three replicas.
func NewWiper(w *Workload) *Wiper {
	x := &Wiper{w: w}
	x.plan()
	return x
}

func (x *Wiper) plan() {
	c := x.w.c
	c.After(200*time.Millisecond, func() {
		if x.w.stopped {
			return
		}
		if x.Redundant() == "" {
			n := c.Nodes[c.Rand.IntN(len(c.Nodes))]
			n.Crash()
			n.Disk = vfs.NewMem()
			x.Wipes++
			c.After(time.Duration(10+c.Rand.IntN(2000))*time.Millisecond, n.Start)
		}
		x.plan()
	})
}

// Redundant says what keeps another disk from being lost; "" when every partition, the offsets' too, and the metadata have all their
// replicas on disks that know what was acknowledged.
func (x *Wiper) Redundant() string {
	var voters []wal.ReplicaID
	for _, n := range x.w.c.Nodes {
		if n.View() == nil {
			return fmt.Sprintf("node %d is down", n.ID)
		}
		im := n.View().Image()
		for _, t := range im.Topics {
			for _, p := range t.Partitions {
				if p.Target != nil || len(n.View().Leader(p.Group).InSync) < len(p.Replicas) {
					return fmt.Sprintf("node %d: %s-%d has replicas %v, in sync %v, goes to %v", n.ID, t.Name, p.Index, p.Replicas, n.View().Leader(p.Group).InSync, p.Target)
				}
			}
		}
		if voters == nil {
			voters = im.MetaVoters
		}
		if len(im.MetaVoters) < min(3, len(x.w.c.Nodes)) || !slices.Equal(voters, im.MetaVoters) {
			return fmt.Sprintf("node %d: the metadata has voters %v", n.ID, im.MetaVoters)
		}
		for _, v := range im.MetaVoters {
			if im.NodeByReplica(v) == nil {
				return fmt.Sprintf("node %d: voter %d of the metadata is gone", n.ID, v)
			}
		}
	}
	return ""
}
