package metadata

import (
	"fmt"
	"sort"

	"github.com/asynkron/protoactor-go/actor"
	pb "go.etcd.io/raft/v3/raftpb"

	"chronik/actors/cluster"
	"chronik/actors/message"
	"chronik/protocol/kerror"
	"chronik/raftnode"
	"chronik/wal"
)

// Appended implements raftgroup.Machine: proposals learn their index.
func (m *Metadata) Appended(entries []wal.Entry, _ wal.Index, leading bool) {
	if !leading {
		return
	}
	for i := range entries {
		e := &entries[i]
		if e.Type != wal.EntryNormal || len(e.Data) == 0 || e.Term != m.g.Role().Term {
			continue
		}
		for _, p := range m.proposed {
			if p.index == 0 {
				p.index = e.Index
				break
			}
		}
	}
}

// Durable implements raftgroup.Machine.
func (m *Metadata) Durable(wal.Index, wal.Term) {}

// Apply implements raftgroup.Machine: the only place where the image changes.
func (m *Metadata) Apply(entries []wal.Entry) {
	ctx := m.g.Context()
	before := m.image
	next := draft(before)
	for i := range entries {
		e := &entries[i]
		if e.Type == wal.EntryNormal && len(e.Data) > 0 {
			x, err := decodeEntry(e.Data)
			if err != nil {
				panic(fmt.Sprintf("BUG: entry %d of __meta-0: %v", e.Index, err))
			}
			next.Index = e.Index
			for k := range x.Records {
				apply(next, &x.Records[k])
			}
		}
		m.pos = wal.Position{Index: e.Index, Term: e.Term}
		if m.g.Leading() && e.Term == m.g.Role().Term {
			m.confirmed = true
		}
	}
	next.Index = m.pos.Index
	next.MetaVoters = votersOf(m.conf)
	m.image = next
	m.publish(ctx, before)
	m.settle(ctx)
	if int(m.pos.Index-m.snapped.Index) >= m.o.SnapshotEvery {
		m.snapshot()
	}
	if m.o.FileMetadata {
		m.show()
	}
}

// publish makes the new image visible and tells the broker what is new and what is gone.
func (m *Metadata) publish(ctx actor.Context, before *cluster.Image) {
	m.o.Node.View.Publish(m.image)
	var created, deleted []string
	for name, t := range m.image.Topics {
		if old := before.Topics[name]; old == nil || old.ID != t.ID {
			created = append(created, name)
		}
	}
	for name, t := range before.Topics {
		if now := m.image.Topics[name]; now == nil || now.ID != t.ID {
			deleted = append(deleted, name)
		}
	}
	sort.Strings(created)
	sort.Strings(deleted)
	ctx.Send(m.o.Node.View.Broker(), &message.ImagePublished{Created: created, Deleted: deleted})
}

// settle answers what is applied now, and decides what waited for this replica to be ready.
func (m *Metadata) settle(ctx actor.Context) {
	n := 0
	for n < len(m.proposed) && m.proposed[n].index > 0 && m.proposed[n].index <= m.pos.Index {
		m.answer(ctx, m.proposed[n], kerror.None, "", m.proposed[n].body)
		n++
	}
	m.proposed = m.proposed[n:]
	if len(m.proposed) == 0 {
		m.tip = nil
	}
	keep := m.parked[:0]
	for _, p := range m.parked {
		if p.index <= m.pos.Index {
			m.answer(ctx, p, kerror.None, "", p.body)
		} else {
			keep = append(keep, p)
		}
	}
	m.parked = keep
	m.forward(ctx)
}

// Conf implements raftgroup.Machine.
func (m *Metadata) Conf(_ wal.Index, conf *pb.ConfState) { m.conf = conf }

// RoleChanged implements raftgroup.Machine: what was decided and is not applied may come or not; the askers ask again.
func (m *Metadata) RoleChanged(role raftnode.Role) {
	ctx := m.g.Context()
	m.confirmed = false
	for _, p := range m.proposed {
		m.answer(ctx, p, kerror.RequestTimedOut, "the leader of the metadata log changed; the outcome is not known", nil)
	}
	m.proposed, m.tip = nil, nil
	m.takeBack(role.Leader)
	leader := cluster.Leadership{Term: role.Term, Leader: -1}
	if n := m.image.NodeByReplica(role.Leader); n != nil {
		leader.Leader = n.ID
	}
	ctx.Send(m.o.Node.View.Broker(), &message.LeadershipChanged{Group: wal.MetaGroup, Name: "__meta-0", Leadership: leader})
	m.forward(ctx)
}

// Progress implements raftgroup.Machine.
func (m *Metadata) Progress() {}

// Calm implements raftgroup.Machine: `__meta` never rests, there is one of it.
func (m *Metadata) Calm() bool { return false }

// Woken implements raftgroup.Machine.
func (m *Metadata) Woken() {}

// ReadReady implements raftgroup.Machine.
func (m *Metadata) ReadReady(uint64, wal.Index) {}

// Dropped implements raftgroup.Machine.
func (m *Metadata) Dropped(n int) {
	ctx := m.g.Context()
	for _, p := range m.proposed[len(m.proposed)-n:] {
		m.answer(ctx, p, kerror.NotController, "No leader elected yet", nil)
	}
	m.proposed = m.proposed[:len(m.proposed)-n]
	m.tip = nil
	if len(m.proposed) > 0 { // earlier bursts are in the log, waiting to be applied
		m.tip = draft(m.image)
		for _, p := range m.proposed {
			for i := range p.records {
				apply(m.tip, &p.records[i])
			}
		}
	}
}

// Snapshot implements raftgroup.Machine.
func (m *Metadata) Snapshot() ([]byte, wal.Position, *pb.ConfState, bool) {
	return makeSnapshot(m.image, m.pos, m.conf).encode(), m.pos, m.conf, true
}

// Prepare implements raftgroup.Machine: the image is stored before Raft relies on it.
func (m *Metadata) Prepare(_ wal.ReplicaID, data []byte, _ wal.Position, done func(bool)) {
	if _, err := decodeSnapshot(data); err != nil {
		m.o.Node.Env.Log.Error("a metadata snapshot from a peer does not decode", "error", err)
		done(false)
		return
	}
	done(m.write(SnapshotName, func() error { return Store(m.o.Node.Env.FS, m.o.Node.DataDir, data) }))
}

// Restore implements raftgroup.Machine.
func (m *Metadata) Restore(data []byte, pos wal.Position, conf *pb.ConfState) {
	s, err := decodeSnapshot(data)
	if err != nil {
		panic("BUG: a prepared snapshot does not decode: " + err.Error())
	}
	before := m.image
	m.image, m.pos, m.snapped, m.conf = s.image(), pos, pos, conf
	m.image.MetaVoters = votersOf(conf)
	m.publish(m.g.Context(), before)
	if m.o.FileMetadata {
		m.show()
	}
	m.settle(m.g.Context())
}
