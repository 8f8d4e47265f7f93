package broker

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors"
	"chronik/actors/cluster"
	"chronik/actors/env"
	"chronik/actors/message"
	"chronik/actors/metadata"
	"chronik/actors/peerlink"
	"chronik/protocol/config"
	"chronik/protocol/kafka"
	"chronik/wal"
)

const (
	// sayEvery spaces, in ticks, the lines of a node that waits for others.
	sayEvery = 100
	// maxStrangers bounds the connections that have not said who they are; strangerTicks is how long they may take.
	maxStrangers  = 64
	strangerTicks = 50
)

// peers is what the broker knows of the other nodes.
type peers struct {
	byID      map[kafka.NodeID]*peer
	strangers []stranger
	hello     atomic.Pointer[peerlink.Hello]
	rows      []message.GossipRow // to be told
	telling   bool
	waiting   string // what was said last
}

// stranger is a connection that has not said who it is.
type stranger struct {
	conn  *peerlink.Conn
	since uint64 // tick of arrival
}

// leave takes a connection off the list; false: it is not on it.
func (ps *peers) leave(c *peerlink.Conn) bool {
	for i := range ps.strangers {
		if ps.strangers[i].conn == c {
			ps.strangers = slices.Delete(ps.strangers, i, i+1)
			return true
		}
	}
	return false
}

// peer is one other node.
type peer struct {
	id      kafka.NodeID
	pid     *actor.PID
	addr    atomic.Pointer[string]
	up      *message.PeerUp // nil: no link
	since   uint64          // the tick when the link came up
	refused string          // why we do not talk, by them or by us
	said    wal.DirectoryID // a directory that was wiped or replaced, and said to be
}

func (ps *peers) sorted() []*peer {
	out := make([]*peer, 0, len(ps.byID))
	for _, p := range ps.byID {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b *peer) int { return int(a.id) - int(b.id) })
	return out
}

type (
	peerAccepted struct{ socket env.Socket }
	tellPeers    struct{}
)

// link is Node.Link: the actor of the link to a peer, nil when there is none. Any actor may call it.
func (b *Broker) link(r wal.ReplicaID) *actor.PID {
	if p, ok := b.linkPIDs.Load(r.Registration()); ok {
		return p.(*actor.PID)
	}
	return nil
}

// introduce sets what this node says of itself to others.
func (b *Broker) introduce() {
	s, f := b.o.Settings, b.st.dir.Format
	h := &peerlink.Hello{ClusterID: f.ClusterID, Node: kafka.NodeID(f.NodeID), Replica: f.Replica, Directory: f.Directory, Bootstrap: s.Bootstrap,
		Row: *b.registration(), Joining: f.ClusterID == "" && s.Join != ""}
	if h.Row.PeerAddr == "" {
		h.Row.PeerAddr = s.RaftAddr
	}
	for _, p := range s.Peers {
		h.Peers = append(h.Peers, peerlink.PeerAddr{ID: kafka.NodeID(p.ID), Addr: p.Addr})
	}
	slices.SortFunc(h.Peers, func(x, y peerlink.PeerAddr) int { return int(x.ID) - int(y.ID) })
	b.peers.hello.Store(h)
}

func (b *Broker) listenPeers() error {
	s := b.o.Settings
	if s.Mode != config.RaftCluster {
		return nil
	}
	root := b.node.Runtime.System.Root
	var err error
	b.raftListener, err = b.node.Env.Network.Listen(s.RaftAddr, func(c env.Socket) {
		if pid := b.node.View.Broker(); pid != nil {
			root.Send(pid, &peerAccepted{c})
		} else {
			c.Close()
		}
	})
	if err != nil {
		b.kafkaListener.Close()
		return &ListenError{"--raft-addr", s.RaftAddr, err}
	}
	return nil
}

// startPeers makes the links to all nodes that the flags or the stored cluster name. Stored membership wins.
func (b *Broker) startPeers(ctx actor.Context) {
	b.peers.byID = map[kafka.NodeID]*peer{}
	if b.raftListener == nil {
		return
	}
	if b.st.snapshot == nil {
		for _, p := range b.o.Settings.Peers {
			b.ensureLink(ctx, kafka.NodeID(p.ID), p.Addr)
		}
		if b.o.Settings.Join != "" {
			b.ensureLink(ctx, peerlink.Anybody, b.o.Settings.Join)
		}
		return
	}
	known, err := metadata.Peek(b.st.snapshot)
	if err != nil {
		return // startMetadata says so
	}
	stored := map[kafka.NodeID]bool{}
	for _, n := range known.Nodes {
		stored[n.ID] = true
		b.ensureLink(ctx, n.ID, n.PeerAddr)
	}
	for _, p := range b.o.Settings.Peers {
		if !stored[kafka.NodeID(p.ID)] {
			b.log.Warn("--peers names a node that is no member of the stored cluster; the stored membership holds", "node", p.ID, "cluster", known.ClusterID)
		}
	}
	if len(b.o.Settings.Peers) > 0 && len(b.o.Settings.Peers) != len(known.Nodes)-1 {
		b.log.Warn("--peers and the stored membership differ; the stored membership holds", "peers", len(b.o.Settings.Peers), "stored", len(known.Nodes)-1)
	}
}

// ensureLink makes the link to a node unless there is one. An address in --peers wins over the registered one: it is how
// this node reaches the other.
func (b *Broker) ensureLink(ctx actor.Context, id kafka.NodeID, addr string) {
	if id == b.node.View.NodeID || b.raftListener == nil {
		return
	}
	for _, p := range b.o.Settings.Peers {
		if kafka.NodeID(p.ID) == id {
			addr = p.Addr
		}
	}
	if p := b.peers.byID[id]; p != nil {
		p.addr.Store(&addr)
		return
	}
	p := &peer{id: id}
	p.addr.Store(&addr)
	if id != peerlink.Anybody {
		b.node.View.SetOnline(id, false)
	}
	p.pid = ctx.Spawn(b.node.Runtime.Props(actors.KindPeerLink, peerlink.New(peerlink.Options{Node: b.node, Peer: id, Secret: b.o.Settings.ClusterSecret,
		Addr: func() string { return *p.addr.Load() }, Self: func() peerlink.Hello { return *b.peers.hello.Load() },
		Check: func(h *peerlink.Hello) string { return checkPeer(b.peers.hello.Load(), h, id, b.node.View.Image()) }})))
	b.peers.byID[id] = p
	ctx.Send(p.pid, &message.Tick{Now: b.node.Env.Clock.Now()})
}

// checkPeer says why a node must not be talked to; "" when it may. It runs in the link's actor and reads nothing that
// changes.
func checkPeer(me, h *peerlink.Hello, expected kafka.NodeID, im *cluster.Image) string {
	switch {
	case h.Node != expected && expected != peerlink.Anybody:
		return fmt.Sprintf("the address of node %d is that of node %d", expected, h.Node)
	case me.ClusterID != "" && h.ClusterID != "" && me.ClusterID != h.ClusterID:
		return fmt.Sprintf("node %d belongs to cluster %s, node %d to cluster %s", h.Node, h.ClusterID, me.Node, me.ClusterID)
	case me.ClusterID != "":
		n := im.Nodes[h.Node]
		if h.ClusterID == "" {
			return "" // it may be admitted
		}
		if n == nil {
			return fmt.Sprintf("node %d is no member of cluster %s", h.Node, me.ClusterID)
		}
		if n.Directory != h.Directory {
			return fmt.Sprintf("node %d is known to cluster %s by directory %s and comes with %s: its data directory was replaced meanwhile; an old one stays out, since it may have forgotten votes and records that it promised to keep", h.Node, me.ClusterID, n.Directory, h.Directory)
		}
		return ""
	case h.ClusterID != "":
		return ""
	case me.Bootstrap && h.Bootstrap:
		return fmt.Sprintf("nodes %d and %d both have --bootstrap: exactly one node may", min(me.Node, h.Node), max(me.Node, h.Node))
	}
	mine, theirs := members(me), members(h)
	if !slices.Equal(mine, theirs) {
		return fmt.Sprintf("the peer lists disagree: with node %d the cluster is %v, with node %d it is %v", me.Node, mine, h.Node, theirs)
	}
	return ""
}

// members are the nodes of the cluster that a blank node's flags describe.
func members(h *peerlink.Hello) []kafka.NodeID {
	out := []kafka.NodeID{h.Node}
	for _, p := range h.Peers {
		out = append(out, p.ID)
	}
	slices.Sort(out)
	return out
}

// peerMessage handles what the links and strangers bring.
func (b *Broker) peerMessage(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *peerAccepted:
		b.peerAccepted(ctx, m.socket)
	case *peerlink.Frame:
		b.stranger(ctx, m)
	case *peerlink.Gone:
		b.peers.leave(m.Conn)
	case *message.PeerUp:
		b.peerUp(ctx, m)
	case *message.PeerDown:
		b.peerDown(ctx, m)
	case *message.PeerRefused:
		b.peerRefused(m)
	case *message.Adopt:
		b.adopted(ctx, m)
	case *message.Gossip:
		b.node.View.SetFit(m.From, !m.Unfit)
		for i := range m.Rows {
			b.node.View.SetLeader(m.Rows[i].Group, &m.Rows[i].Leadership)
		}
	case *tellPeers:
		b.tellPeers(ctx)
	}
}

func (b *Broker) peerAccepted(ctx actor.Context, s env.Socket) {
	if b.stopping || len(b.peers.strangers) >= maxStrangers {
		s.Close()
		return
	}
	b.peers.strangers = append(b.peers.strangers, stranger{peerlink.Begin(b.node, s, ctx.Self()), b.ticks})
}

// stranger reads who a connection is from, and hands it to that peer's link.
func (b *Broker) stranger(ctx actor.Context, f *peerlink.Frame) {
	if !b.peers.leave(f.Conn) {
		f.Done()
		return
	}
	h, err := peerlink.ReadHello(f.Payload)
	f.Done()
	if err != nil {
		b.log.Warn("a connection to --raft-addr is not from a node of ours", "from", f.Conn.Socket.RemoteAddr(), "error", err)
		f.Conn.Socket.Close()
		return
	}
	p := b.peers.byID[h.Node]
	if p == nil && b.formed && h.Joining {
		b.ensureLink(ctx, h.Node, "")
		p = b.peers.byID[h.Node]
	}
	if p == nil {
		why := fmt.Sprintf("node %d is not named by --peers of node %d, nor is it a member of its cluster", h.Node, b.node.View.NodeID)
		b.log.Warn("a node was refused", "why", why, "from", f.Conn.Socket.RemoteAddr())
		f.Conn.Refuse(why)
		return
	}
	f.Conn.Hand(p.pid)
	ctx.Send(p.pid, &peerlink.Incoming{Conn: f.Conn, Hello: h})
}

func (b *Broker) peerUp(ctx actor.Context, m *message.PeerUp) {
	p := b.known(m)
	if p == nil {
		return
	}
	p.up, p.since, p.refused = m, b.ticks, ""
	b.log.Info("link to a peer is up", "node", int32(m.Node), "cluster", m.ClusterID)
	switch {
	case !b.formed:
		b.tryForm(ctx)
	case m.ClusterID == "":
		b.admit(ctx, p)
	default:
		b.linkPIDs.Store(m.Replica, m.Link)
		b.node.View.SetOnline(m.Node, true)
		b.tellReplicas(ctx, &message.PeerChanged{Replica: m.Replica, Up: true})
		rows := make([]message.GossipRow, 0, len(b.leading))
		for g, l := range b.leading {
			rows = append(rows, message.GossipRow{Group: g, Leadership: l})
		}
		slices.SortFunc(rows, func(x, y message.GossipRow) int { return int(x.Group) - int(y.Group) })
		ctx.Send(p.pid, &message.Gossip{Unfit: b.moving.unfit, Rows: rows})
	}
}

func (b *Broker) peerDown(ctx actor.Context, m *message.PeerDown) {
	p := b.peers.byID[m.Node]
	if p == nil || p.up == nil {
		return
	}
	p.up = nil
	b.node.View.SetOnline(m.Node, false)
	if b.stopping {
		return
	}
	b.log.Warn("link to a peer is down", "node", int32(m.Node))
	if m.Replica != 0 {
		b.linkPIDs.Delete(m.Replica)
		b.tellReplicas(ctx, &message.PeerChanged{Replica: m.Replica})
	}
}

func (b *Broker) tellReplicas(ctx actor.Context, m any) {
	if b.node.View.Metadata() != nil {
		ctx.Send(b.node.View.Metadata(), m)
	}
	for _, g := range b.order {
		ctx.Send(b.replicas[g].pid, m)
	}
}

// peerRefused remembers and says, once per reason, why a link does not come about.
func (b *Broker) peerRefused(m *message.PeerRefused) {
	p := b.peers.byID[m.Node]
	if p == nil || p.refused == m.Why {
		return
	}
	p.refused = m.Why
	if m.ByUs {
		b.log.Error("a node was refused", "node", int32(m.Node), "why", m.Why)
	} else {
		b.log.Error("this node was refused", "by", int32(m.Node), "why", m.Why)
	}
}

func (b *Broker) tickPeers(ctx actor.Context, t *message.Tick) {
	for _, p := range b.peers.sorted() {
		ctx.Send(p.pid, t)
		if p.up != nil && p.up.ClusterID == "" && b.formed && b.ticks%admitEvery == 0 {
			b.admit(ctx, p)
		}
	}
	for len(b.peers.strangers) > 0 && b.ticks-b.peers.strangers[0].since > strangerTicks {
		b.peers.strangers[0].conn.Socket.Close()
		b.peers.strangers = b.peers.strangers[1:]
	}
	if len(b.peers.byID) > 0 && b.ticks%sayEvery == 10 && !b.stopping {
		if why := b.waitsFor(); why != "" {
			b.log.Info(why)
		}
	}
}

// waitsFor says what keeps the node from serving; "" when nothing does.
func (b *Broker) waitsFor() string {
	if b.formed && b.node.View.Leader(wal.MetaGroup).Leader != kafka.NoNode {
		return ""
	}
	var missing, refusals []string
	for _, p := range b.peers.sorted() {
		switch {
		case p.refused != "":
			refusals = append(refusals, p.refused)
		case p.up == nil:
			missing = append(missing, fmt.Sprintf("node %d at %s", p.id, *p.addr.Load()))
		}
	}
	what := "to form a cluster"
	if b.formed {
		what = "for a majority to elect a leader"
	}
	switch {
	case len(refusals) > 0:
		slices.Sort(refusals)
		return "no cluster: " + strings.Join(slices.Compact(refusals), "; ")
	case len(missing) > 0:
		return "waiting for " + strings.Join(missing, ", ") + " " + what
	case !b.formed && !b.o.Settings.Bootstrap:
		return "waiting for the node with --bootstrap " + what
	}
	return "waiting " + what
}

func (b *Broker) whyNotFormed() string { return b.waitsFor() }

// gossip plans to tell the peers of a leadership.
func (b *Broker) gossip(ctx actor.Context, g wal.GroupID, l cluster.Leadership) {
	if len(b.peers.byID) == 0 {
		return
	}
	b.peers.rows = append(b.peers.rows, message.GossipRow{Group: g, Leadership: l})
	b.planToTell(ctx)
}

func (b *Broker) planToTell(ctx actor.Context) {
	if !b.peers.telling {
		b.peers.telling = true
		ctx.Send(ctx.Self(), &tellPeers{})
	}
}

func (b *Broker) tellPeers(ctx actor.Context) {
	m := &message.Gossip{Unfit: b.moving.unfit, Rows: b.peers.rows}
	b.peers.rows, b.peers.telling = nil, false
	for _, p := range b.peers.sorted() {
		if p.up != nil && p.up.ClusterID != "" {
			ctx.Send(p.pid, m)
		}
	}
}

func (b *Broker) closePeers(ctx actor.Context) {
	if b.raftListener != nil {
		b.raftListener.Close()
	}
	for _, p := range b.peers.sorted() {
		ctx.Send(p.pid, &peerlink.Close{})
	}
}

// peerAddr is where other nodes reach this one: what is registered already, else --raft-addr when it is concrete.
func (b *Broker) peerAddr() string {
	if n := b.node.View.Image().Nodes[b.node.View.NodeID]; n != nil && n.PeerAddr != "" {
		return n.PeerAddr
	}
	if b.st.snapshot != nil {
		if known, err := metadata.Peek(b.st.snapshot); err == nil {
			for _, n := range known.Nodes {
				if n.ID == b.node.View.NodeID {
					return n.PeerAddr
				}
			}
		}
	}
	host, _, err := net.SplitHostPort(b.o.Settings.RaftAddr)
	if err != nil || host == "" {
		return ""
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		return ""
	}
	return b.o.Settings.RaftAddr
}
