package actortest

import (
	"hash/maphash"

	"chronik/actors"
	"chronik/protocol/batch"
	"chronik/wal"
)

// Invariants watches what the replicas of all nodes do. A violation fails the world.
type Invariants struct {
	Elections int // of leaders, all groups
	Applied   int // entries, all replicas

	c       *Cluster
	leaders map[groupTerm]wal.ReplicaID
	entries map[groupIndex]entryHash
	next    map[nodeGroup]wal.Index
	seed    maphash.Seed
}

type (
	groupTerm struct {
		group wal.GroupID
		term  wal.Term
	}
	groupIndex struct {
		group wal.GroupID
		index wal.Index
	}
	nodeGroup struct {
		node        int
		incarnation uint64 // of the node
		replica     uint64 // incarnation of the replica in it
		group       wal.GroupID
	}
	entryHash struct {
		term wal.Term
		hash uint64
	}
)

// Watch begins to check a cluster:
//
//   - election safety: at most one leader per group and term;
//   - state machine safety: the entry that is applied at an index of a group is the same on all replicas, for ever;
//   - what a consumer reads was applied by a replica before (see Consumer): nobody reads above the high watermark;
//   - order: a replica applies each index once, in order, but for a jump over what it copied from its leader.
func Watch(c *Cluster) *Invariants {
	inv := &Invariants{c: c, leaders: map[groupTerm]wal.ReplicaID{}, entries: map[groupIndex]entryHash{}, next: map[nodeGroup]wal.Index{}, seed: maphash.MakeSeed()}
	c.OnEvent = inv.event
	return inv
}

func (inv *Invariants) event(n *Node, event any) {
	switch e := event.(type) {
	case *actors.Elected:
		inv.Elections++
		k := groupTerm{e.Group, e.Term}
		if other, ok := inv.leaders[k]; ok && other != e.Replica {
			inv.c.Fail("group %d has two leaders in term %d: %d and %d", e.Group, e.Term, other, e.Replica)
		}
		inv.leaders[k] = e.Replica
	case *actors.Applied:
		inv.applied(n, e)
	}
}

func (inv *Invariants) applied(n *Node, a *actors.Applied) {
	at := nodeGroup{n.ID, n.incarnation, a.Incarnation, a.Group}
	for _, e := range a.Entries {
		inv.Applied++
		if want := inv.next[at]; want != 0 && e.Index < want {
			inv.c.Fail("node %d applies entry %d of group %d, it should come after %d", n.ID, e.Index, a.Group, want-1)
		}
		inv.next[at] = e.Index + 1
		k, h := groupIndex{a.Group, e.Index}, entryHash{e.Term, maphash.Bytes(inv.seed, e.Data)}
		if known, ok := inv.entries[k]; ok && known != h {
			inv.c.Fail("node %d applies another entry %d of group %d than was applied before (terms %d and %d)", n.ID, e.Index, a.Group, e.Term, known.term)
		}
		inv.entries[k] = h
		if b, ok := batch.ParseHeader(e.Data); ok && a.Group != wal.MetaGroup && e.Data[0] == 0 {
			inv.c.committed[a.Group] = max(inv.c.committed[a.Group], int64(b.NextOffset()))
		}
	}
}
