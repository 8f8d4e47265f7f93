package broker

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors/message"
	"chronik/actors/metadata"
	"chronik/actors/peerlink"
)

// admitEvery spaces, in ticks, the tries to admit a node that waits.
const admitEvery = 10

// known finds the peer that a link belongs to. A link to whoever is at --join learns only now who that is.
func (b *Broker) known(m *message.PeerUp) *peer {
	if p := b.peers.byID[m.Node]; p != nil {
		return p
	}
	p := b.peers.byID[peerlink.Anybody]
	if p == nil || !p.pid.Equal(m.Link) {
		return nil
	}
	delete(b.peers.byID, peerlink.Anybody)
	p.id = m.Node
	b.peers.byID[m.Node] = p
	return p
}

// admit helps a blank node into the cluster: one of its first voters that has not heard of it yet gets the first snapshot; a
// stranger, or a node whose directory was wiped or replaced, is registered, and gets the newest one. It begins as a learner
// everywhere; who it was before never votes again.
func (b *Broker) admit(ctx actor.Context, p *peer) {
	m := p.up
	if known, err := metadata.Peek(b.st.snapshot); err == nil {
		for _, n := range known.Nodes {
			if n.ID == m.Node && n.Directory == m.Directory {
				ctx.Send(p.pid, &message.Adopt{Snapshot: b.st.snapshot})
				return
			}
		}
	}
	b.token++
	b.admissions[b.token] = p
	n := b.node.View.Image().Nodes[m.Node]
	if n != nil && n.Directory == m.Directory {
		ctx.Send(b.node.View.Metadata(), &message.TakeSnapshot{ReplyTo: message.ReplyTo{PID: ctx.Self(), Token: b.token}})
		return
	}
	if n != nil && p.said != m.Directory {
		p.said = m.Directory
		b.log.Warn(fmt.Sprintf("node %d is known by directory %s and comes with %s: its data directory was wiped or replaced; it is admitted anew, since it may have forgotten votes and records that it promised to keep", m.Node, n.Directory, m.Directory))
	}
	row := m.Row
	row.ID, row.Directory = m.Node, m.Directory
	if a := *p.addr.Load(); a != "" {
		row.PeerAddr = a
	}
	body, err := json.Marshal(&row)
	if err != nil {
		panic("BUG: a node's row does not encode: " + err.Error())
	}
	ctx.Send(b.node.View.Metadata(), &message.MetaCommand{ReplyTo: message.ReplyTo{PID: ctx.Self(), Token: b.token}, Kind: message.CmdRegister, Body: body,
		Deadline: b.node.Env.Clock.Now().Add(5 * time.Second)})
}

// admissionAnswered goes on when a node is registered; false: the answer is to another question.
func (b *Broker) admissionAnswered(ctx actor.Context, m *message.MetaCommandReply) bool {
	p, ok := b.admissions[m.Token]
	if !ok {
		return false
	}
	delete(b.admissions, m.Token)
	if p.up == nil || p.up.ClusterID != "" {
		return true
	}
	if m.Reason != 0 {
		b.log.Warn("a node cannot be admitted now", "node", int32(p.id), "why", m.Message, "code", m.Reason.String())
		return true
	}
	if n := b.node.View.Image().Nodes[p.id]; n != nil && n.Directory == p.up.Directory {
		b.admit(ctx, p) // else somebody else was registered meanwhile
	}
	return true
}

// snapshotTaken gives a registered node the cluster.
func (b *Broker) snapshotTaken(ctx actor.Context, m *message.TakeSnapshotReply) {
	p, ok := b.admissions[m.Token]
	if !ok {
		return
	}
	delete(b.admissions, m.Token)
	if p.up != nil && p.up.ClusterID == "" {
		ctx.Send(p.pid, &message.Adopt{Snapshot: m.Snapshot})
	}
}

// meetNodes makes links to nodes that were registered since, and sends those away that are members no more.
func (b *Broker) meetNodes(ctx actor.Context) {
	if b.raftListener == nil {
		return
	}
	nodes := b.node.View.Image().Nodes
	for _, p := range b.peers.sorted() {
		if p.up != nil && p.up.ClusterID != "" && nodes[p.id] == nil && b.upToDate() {
			ctx.Send(p.pid, &message.Refuse{Why: fmt.Sprintf("node %d is no member of the cluster any more; to bring it back, start it on an empty directory", p.id)})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(nodes)) {
		n := nodes[id]
		if p := b.peers.byID[n.ID]; p == nil || *p.addr.Load() == "" && n.PeerAddr != "" {
			b.ensureLink(ctx, n.ID, n.PeerAddr)
		}
	}
}
