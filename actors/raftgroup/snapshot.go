package raftgroup

import (
	pb "go.etcd.io/raft/v3/raftpb"

	"chronik/actors/message"
	"chronik/wal"
)

// snapshotTicks is how long a follower may be silent on its way to a snapshot; then Raft offers one anew.
const snapshotTicks = 150

// onTheWay is a snapshot that was sent to a follower.
type onTheWay struct {
	index  wal.Index
	silent int // ticks since the follower was heard of
}

// arrived says that a follower has stored its snapshot. Raft sees that by itself only while the log still holds the entry
// that comes next: an idle group has none, and would wait for the watch.
func (g *Group) arrived(m *pb.Message) {
	from := wal.ReplicaID(m.GetFrom())
	if w, ok := g.snapshots[from]; ok && !m.GetReject() && wal.Index(m.GetIndex()) >= w.index {
		delete(g.snapshots, from)
		g.rn.ReportSnapshot(from, true)
	}
}

// watchSnapshots wakes followers from the wait for a snapshot that got lost: Raft itself would wait for ever.
func (g *Group) watchSnapshots(n int) {
	g.sinceWatch += n
	if g.sinceWatch < 10 || !g.Leading() {
		return
	}
	waited := g.sinceWatch
	g.sinceWatch = 0
	for _, p := range g.rn.Peers() {
		if !p.Snapshotting {
			delete(g.snapshots, p.ID)
			continue
		}
		w := g.snapshots[p.ID]
		if w.silent += waited; w.silent > snapshotTicks {
			delete(g.snapshots, p.ID)
			g.rn.ReportSnapshot(p.ID, false)
			continue
		}
		g.snapshots[p.ID] = w
	}
}

// SnapshotMoves says that a follower is on its way to its snapshot.
func (g *Group) SnapshotMoves(node wal.ReplicaID) {
	for id, w := range g.snapshots {
		if id.Registration() == node {
			w.silent = 0
			g.snapshots[id] = w
		}
	}
}

// hold keeps a snapshot back until all that it stands for is on disk. Meanwhile raft is as if it had not arrived.
func (g *Group) hold(m *pb.Message) {
	sn := m.Snapshot
	pos := wal.Position{Index: wal.Index(sn.GetMetadata().GetIndex()), Term: wal.Term(sn.GetMetadata().GetTerm())}
	if g.holding || pos.Index <= g.applied {
		if !g.holding {
			_ = g.rn.Step(m) // stale: raft answers with its own position
			g.kick()
		}
		return
	}
	g.holding = true
	g.m.Prepare(wal.ReplicaID(m.GetFrom()), sn.Data, pos, func(ok bool) {
		g.holding = false
		if ok {
			_ = g.rn.Step(m)
			g.kick()
		}
	})
}

// settle makes the log on disk begin where Start does. A crash may have come after a snapshot or segments were stored and
// before the log was told: entries that are appended next would then leave a gap behind what it has.
func (g *Group) settle() {
	base, r := g.c.Start.Base, g.c.Restored
	if base.Index == 0 || r != nil && r.Base.Index >= base.Index {
		return
	}
	w := wal.Write{Group: g.c.Group}
	if n := len(g.c.Start.Entries); n > 0 || r != nil && r.Last() == base {
		w.Release = &base
	} else {
		w.Reset = &base
	}
	g.ctx.Send(g.c.Node.WAL, &message.WriteLog{Write: w})
}
