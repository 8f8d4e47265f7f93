package peerlink

import (
	"encoding/json"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.etcd.io/raft/v3/raftpb"

	"chronik/actors"
	"chronik/actors/cluster"
	"chronik/actors/message"
	"chronik/protocol/kafka"
	"chronik/wal"
)

const (
	dialTimeout = time.Second
	// backoffFrom and backoffTo space the dials to a peer that does not answer.
	backoffFrom = 50 * time.Millisecond
	backoffTo   = time.Second
	greetWithin = 5 * time.Second
	pingEvery   = 150 * time.Millisecond
	deadAfter   = time.Second
	// maxQueued is what may wait to be sent, in bytes: some 100 ms of a fast network.
	maxQueued = 64 << 20
)

// Options of a link.
type Options struct {
	Node   *actors.Node
	Peer   kafka.NodeID
	Addr   func() string // where the peer listens; "" when nobody knows
	Self   func() Hello  // who this node is now
	Secret string
	// Check says why a peer that says it is h must not be talked to; "" when it may.
	Check func(h *Hello) string
}

// Anybody is the Peer of a link that learns from the answer who is at its address.
const Anybody kafka.NodeID = -1

// The states of a link.
type state int

const (
	idle     state = iota // not connected; a dialer waits for its next try
	dialing               // a dial is under way
	greeting              // dialer: hello sent, waits for the answer
	proving               // acceptor: answered, waits for the proof
	up
)

// Link is the actor.
type Link struct {
	o       Options
	state   state
	conn    *Conn
	mine    Hello
	theirs  Hello
	since   time.Duration // of the state; all times are monotonic
	retryAt time.Duration
	backoff time.Duration
	heard   time.Duration
	sent    time.Duration

	out    []*message.RaftMessage
	queued bool
	flight *atomic.Int64 // bytes handed to the socket and not written
	random *rand.Rand
}

// New returns the producer of the link to one peer.
func New(o Options) func() actor.Actor {
	return func() actor.Actor {
		return &Link{o: o, backoff: backoffFrom, flight: &atomic.Int64{}, random: o.Node.Env.NewRand()}
	}
}

// Incoming hands an accepted connection, whose hello was read, to the link of that peer.
type Incoming struct {
	Conn  *Conn
	Hello *Hello
}

type (
	// Restart makes a link introduce itself anew: this node belongs to a cluster now.
	Restart struct{}
	// Close ends the link for good: the node stops.
	Close struct{}
)

type dialed struct {
	conn *Conn
	err  error
}

type flush struct{}

var flushMessage = &flush{}

// Receive is the table of contents.
func (l *Link) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *message.RaftMessage:
		l.queue(ctx, m)
	case *flush:
		l.flush(ctx)
	case *message.Gossip:
		l.send([][]byte{encodeGossip(m)})
	case *message.ForwardMeta:
		l.send([][]byte{encodeJSON(kindForward, m)})
	case *message.ForwardMetaReply:
		l.send([][]byte{encodeJSON(kindForwardReply, m)})
	case *message.Adopt:
		l.send([][]byte{encodeJSON(kindAdopt, m)})
	case *message.MoveLeadership:
		l.send([][]byte{encodeJSON(kindMove, m)})
	case *message.SegmentRequest:
		l.send([][]byte{encodeJSON(kindSegmentRequest, m)})
	case *message.SegmentChunk:
		l.send(encodeChunk(m))
	case *message.Tick:
		l.tick(ctx)
	case *dialed:
		l.dialed(ctx, m)
	case *Incoming:
		l.incoming(ctx, m)
	case *Frame:
		l.frame(ctx, m)
	case *Gone:
		if m.Conn == l.conn {
			l.down(ctx)
		}
	case *message.Refuse:
		l.refuse(ctx, m.Why)
	case *Restart:
		l.down(ctx)
		l.retryAt = l.now()
	case *Close:
		l.close(ctx)
	}
}

func (l *Link) now() time.Duration { return l.o.Node.Env.Clock.Monotonic() }

func (l *Link) enter(s state) { l.state, l.since = s, l.now() }

// dials says whether this side opens the connection: the lower id does, and who wants to join does.
func (l *Link) dials() bool { return l.o.Node.View.NodeID < l.o.Peer || l.o.Self().Joining }

func (l *Link) tick(ctx actor.Context) {
	now := l.now()
	switch l.state {
	case idle:
		if l.dials() && now >= l.retryAt {
			l.dial(ctx)
		}
	case greeting, proving:
		if now-l.since > greetWithin {
			l.down(ctx)
		}
	case up:
		if now-l.heard > deadAfter {
			l.o.Node.Env.Log.Warn("a peer is silent, its link is closed", "node", int32(l.o.Peer), "silent", (now - l.heard).String())
			l.down(ctx)
			return
		}
		if now-l.sent >= pingEvery {
			l.send([][]byte{{frameVersion, kindPing}})
		}
	}
}

func (l *Link) dial(ctx actor.Context) {
	addr := l.o.Addr()
	if addr == "" {
		return
	}
	l.enter(dialing)
	node, self := l.o.Node, ctx.Self()
	root := node.Runtime.System.Root
	node.Env.Network.Dial(addr, dialTimeout, func(s socket, err error) {
		if err != nil {
			root.Send(self, &dialed{err: err})
			return
		}
		root.Send(self, &dialed{conn: Begin(node, s, self)})
	})
}

func (l *Link) dialed(ctx actor.Context, m *dialed) {
	if l.state != dialing {
		if m.conn != nil {
			m.conn.Socket.Close()
		}
		return
	}
	if m.err != nil {
		l.later()
		return
	}
	l.conn = m.conn
	l.mine = l.hello()
	l.enter(greeting)
	l.send([][]byte{encodeJSON(kindHello, l.mine)})
}

func (l *Link) hello() Hello {
	h := l.o.Self()
	h.Secured = l.o.Secret != ""
	for i := range h.Nonce {
		h.Nonce[i] = byte(l.random.Uint32())
	}
	return h
}

// later plans the next dial.
func (l *Link) later() {
	l.enter(idle)
	l.retryAt = l.now() + l.backoff
	l.backoff = min(2*l.backoff, backoffTo)
}

// incoming takes over a connection that the peer opened. A newer one replaces the older: the peer knows best whether that
// one is dead.
func (l *Link) incoming(ctx actor.Context, m *Incoming) {
	if l.dials() && !m.Hello.Joining {
		m.Conn.Refuse("the node with the lower id opens the connection")
		return
	}
	if l.conn != nil {
		l.down(ctx)
	}
	l.conn = m.Conn
	l.theirs = *m.Hello
	l.mine = l.hello()
	if why := l.o.Check(&l.theirs); why != "" {
		l.refuse(ctx, why)
		return
	}
	l.enter(proving)
	l.send([][]byte{encodeJSON(kindAnswer, answer{l.mine, prove(l.o.Secret, roleAcceptor, &l.theirs, &l.mine)})})
}

func (l *Link) frame(ctx actor.Context, f *Frame) {
	defer f.Done()
	if f.Conn != l.conn {
		return
	}
	l.heard = l.now()
	kind, body, err := open(f.Payload)
	if err == nil {
		err = l.received(ctx, kind, body)
	}
	if err != nil {
		l.o.Node.Env.Log.Warn("a peer sent what it may not, its link is closed", "node", int32(l.o.Peer), "error", err)
		l.down(ctx)
	}
}

func (l *Link) received(ctx actor.Context, kind byte, body []byte) error {
	switch {
	case kind == kindRefuse:
		var r refusal
		if json.Unmarshal(body, &r) != nil {
			return errMalformed
		}
		ctx.Send(l.o.Node.View.Broker(), &message.PeerRefused{Node: l.o.Peer, Why: r.Why})
		l.backoff = backoffTo
		l.down(ctx)
		return nil
	case l.state == greeting && kind == kindAnswer:
		return l.answered(ctx, body)
	case l.state == proving && kind == kindProof:
		return l.proved(ctx, body)
	case l.state == up:
		return l.deliver(ctx, kind, body)
	}
	return errMalformed
}

func (l *Link) answered(ctx actor.Context, body []byte) error {
	var a answer
	if json.Unmarshal(body, &a) != nil {
		return errMalformed
	}
	l.theirs = a.Hello
	if l.o.Peer == Anybody {
		l.o.Peer = l.theirs.Node
	}
	why := checkSecret(l.o.Secret, roleAcceptor, &l.theirs, &l.mine, &l.theirs, a.Proof)
	if why == "" {
		why = l.o.Check(&l.theirs)
	}
	if why != "" {
		l.refuse(ctx, why)
		return nil
	}
	l.send([][]byte{encodeJSON(kindProof, proof{prove(l.o.Secret, roleDialer, &l.mine, &l.theirs)})})
	l.established(ctx)
	return nil
}

func (l *Link) proved(ctx actor.Context, body []byte) error {
	var p proof
	if json.Unmarshal(body, &p) != nil {
		return errMalformed
	}
	if why := checkSecret(l.o.Secret, roleDialer, &l.theirs, &l.theirs, &l.mine, p.Proof); why != "" {
		l.refuse(ctx, why)
		return nil
	}
	l.established(ctx)
	return nil
}

func (l *Link) established(ctx actor.Context) {
	l.enter(up)
	l.heard = l.now()
	l.backoff = backoffFrom
	ctx.Send(l.o.Node.View.Broker(), &message.PeerUp{Node: l.o.Peer, Link: ctx.Self(), Replica: l.theirs.Replica, ClusterID: l.theirs.ClusterID,
		Directory: l.theirs.Directory, AddrOfUs: l.theirs.AddrOf(l.o.Node.View.NodeID), Row: l.row()})
}

// row is how the peer wants to be registered. When it does not know its own address, it has that of its connection.
func (l *Link) row() cluster.Node {
	n := l.theirs.Row
	host, port, err := net.SplitHostPort(n.PeerAddr)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		if from, _, err := net.SplitHostPort(l.conn.Socket.RemoteAddr()); err == nil {
			n.PeerAddr = net.JoinHostPort(from, port)
		}
	}
	return n
}

// refuse tells the peer why, and the broker that we did.
func (l *Link) refuse(ctx actor.Context, why string) {
	if l.conn == nil {
		return
	}
	ctx.Send(l.o.Node.View.Broker(), &message.PeerRefused{Node: l.o.Peer, Why: why, ByUs: true})
	l.conn.Refuse(why)
	l.backoff = backoffTo
	l.down(ctx)
}

// down forgets the connection; what waited to be sent is lost, as Raft expects of a network.
func (l *Link) down(ctx actor.Context) {
	was := l.state
	if l.conn != nil && was != idle {
		l.conn.Socket.Close()
	}
	l.conn, l.out, l.flight = nil, nil, &atomic.Int64{}
	l.later()
	if was == up {
		ctx.Send(l.o.Node.View.Broker(), &message.PeerDown{Node: l.o.Peer, Replica: l.theirs.Replica})
	}
}

func (l *Link) close(ctx actor.Context) {
	if l.conn != nil {
		l.conn.Socket.Close()
		l.conn = nil
	}
	ctx.Stop(ctx.Self())
}

func (l *Link) send(parts [][]byte) {
	if l.conn == nil {
		return
	}
	n := int64(0)
	for _, p := range parts {
		n += int64(len(p))
	}
	flight := l.flight
	flight.Add(n)
	l.sent = l.now()
	l.conn.Socket.Send(parts, func() { flight.Add(-n) })
}

// queue collects raft messages until the mailbox has been emptied once, so that many groups share a frame.
func (l *Link) queue(ctx actor.Context, m *message.RaftMessage) {
	if l.state != up || l.theirs.Replica == 0 {
		l.dropped(ctx, m)
		return
	}
	l.out = append(l.out, m)
	if !l.queued {
		l.queued = true
		ctx.Send(ctx.Self(), flushMessage)
	}
}

func (l *Link) flush(ctx actor.Context) {
	l.queued = false
	if l.state != up {
		l.out = nil
		return
	}
	e := newRaftEncoder()
	for _, m := range l.out {
		if len(m.Msg.Entries) > 0 && l.flight.Load()+int64(e.len()) > maxQueued {
			l.dropped(ctx, m)
			continue
		}
		e.message(m.Group, m.Msg)
		if e.len() > maxBatch {
			l.send(e.finish())
			e = newRaftEncoder()
		}
	}
	clear(l.out)
	l.out = l.out[:0]
	if e.len() > 2 {
		l.send(e.finish())
	}
}

// dropped tells a group that a message to this peer is lost.
func (l *Link) dropped(ctx actor.Context, m *message.RaftMessage) {
	if t := m.Msg.GetType(); t != raftpb.MsgApp && t != raftpb.MsgSnap {
		return
	}
	if to := l.local(m.Group); to != nil {
		ctx.Send(to, &message.LinkDropped{Group: m.Group, Peer: wal.ReplicaID(m.Msg.GetTo()).Registration()})
	}
}

// local is this node's replica of a group, nil when it has none.
func (l *Link) local(g wal.GroupID) *actor.PID {
	if g == wal.MetaGroup {
		return l.o.Node.View.Metadata()
	}
	return l.o.Node.View.Replica(g)
}
