package actortest

import (
	"errors"
	"fmt"
	"sort"
	"time"

	"chronik/actors/env"
)

// network is one node's view of the simulated network (node nil: a client's). Frames of one connection arrive in order;
// a cut holds them back until it is healed or the connection dies, as TCP would.
type network struct {
	world *World
	node  *Node
	net   *Network
}

// Network is the simulated network of a world: listeners by address, links that can be cut.
type Network struct {
	world     *World
	listeners map[string]*listener
	sockets   []*socket
	// cut says that packets from one node to another are not delivered. Node 0 is the clients' machine.
	cut map[[2]int]bool
	// Delay bounds the time that a frame travels.
	MinDelay, MaxDelay time.Duration
}

func newNetwork(w *World) *Network {
	return &Network{world: w, listeners: map[string]*listener{}, cut: map[[2]int]bool{}, MinDelay: 50 * time.Microsecond, MaxDelay: 2 * time.Millisecond}
}

// Cut stops packets from one node to another; both ways needs two calls.
func (n *Network) Cut(from, to int) { n.cut[[2]int{from, to}] = true }

// Heal removes every cut and delivers what was held back.
func (n *Network) Heal() {
	n.cut = map[[2]int]bool{}
	for _, s := range n.sockets {
		s.pump()
	}
}

type listener struct {
	node   *Node
	addr   string
	accept func(env.Socket)
	net    *Network
}

func (l *listener) Addr() string { return l.addr }
func (l *listener) Close() {
	if l.net.listeners[l.addr] == l {
		delete(l.net.listeners, l.addr)
	}
}

func (n *network) id() int {
	if n.node == nil {
		return 0
	}
	return n.node.ID
}

// Listen implements env.Network. Addresses are compared as text, except that the host part is the node's name.
func (n *network) Listen(addr string, accept func(env.Socket)) (env.Listener, error) {
	if _, taken := n.net.listeners[addr]; taken {
		return nil, fmt.Errorf("listen %s: address already in use", addr)
	}
	l := &listener{node: n.node, addr: addr, accept: accept, net: n.net}
	n.net.listeners[addr] = l
	return l, nil
}

var errRefused = errors.New("connection refused")

// Dial implements env.Network.
func (n *network) Dial(addr string, timeout time.Duration, done func(env.Socket, error)) {
	from := n.id()
	alive := n.aliveFunc()
	n.world.After(n.net.delay(), func() {
		if !alive() {
			return
		}
		l := n.net.listeners[addr]
		if l == nil || l.node != nil && !l.node.alive || n.net.cut[[2]int{from, l.node.ID}] || n.net.cut[[2]int{l.node.ID, from}] {
			wait := time.Duration(0)
			if l != nil && l.node.alive {
				wait = timeout // packets vanish: nobody refuses
			}
			n.world.After(wait, func() {
				if alive() {
					done(nil, errRefused)
				}
			})
			return
		}
		here := &socket{net: n.net, node: n.node, id: from, local: fmt.Sprintf("sim-%d:%d", from, 40000+len(n.net.sockets)%20000), remote: addr, alive: alive}
		there := &socket{net: n.net, node: l.node, id: l.node.ID, local: addr, remote: here.local, alive: (&network{world: n.world, node: l.node, net: n.net}).aliveFunc()}
		here.peer, there.peer = there, here
		n.net.sockets = append(n.net.sockets, here, there)
		l.accept(there)
		done(here, nil)
	})
}

func (n *network) aliveFunc() func() bool {
	if n.node == nil {
		return func() bool { return true }
	}
	node, incarnation := n.node, n.node.incarnation
	return func() bool { return node.alive && node.incarnation == incarnation }
}

func (n *Network) delay() time.Duration {
	return n.MinDelay + time.Duration(n.world.Rand.Int64N(int64(n.MaxDelay-n.MinDelay)+1))
}

// closeOf resets every connection of a node, as the kernel does when a process dies. With silent the peers learn nothing
// (a machine that lost its power).
func (n *Network) closeOf(node *Node, silent bool) {
	for _, s := range n.sockets {
		if s.node == node && !s.closed {
			s.closed = true
			if !silent {
				s.peer.remoteClosed()
			}
		}
	}
	for _, addr := range n.sortedAddrs() {
		if n.listeners[addr].node == node {
			delete(n.listeners, addr)
		}
	}
}

type packet struct {
	payload []byte
	ready   time.Duration
	fin     bool
}

// socket is one end of a simulated connection.
type socket struct {
	net           *Network
	node          *Node
	id            int
	peer          *socket
	local, remote string
	alive         func() bool
	handler       env.Handler
	limits        env.SocketLimits
	inflight      int
	incoming      []packet // travelling towards this end, in order
	scheduled     bool
	closed        bool
	told          bool
}

func (s *socket) LocalAddr() string  { return s.local }
func (s *socket) RemoteAddr() string { return s.remote }

func (s *socket) Start(l env.SocketLimits, h env.Handler) {
	s.limits, s.handler = l, h
	s.pump()
}

func (s *socket) Send(parts [][]byte, done func()) {
	if !s.closed && s.alive() && !s.peer.closed {
		var payload []byte
		for _, p := range parts {
			payload = append(payload, p...)
		}
		s.peer.arrive(packet{payload: payload, ready: s.net.world.Now + s.net.delay()})
	}
	if done != nil {
		done()
	}
}

func (s *socket) arrive(p packet) {
	if n := len(s.incoming); n > 0 {
		p.ready = max(p.ready, s.incoming[n-1].ready)
	}
	s.incoming = append(s.incoming, p)
	s.pump()
}

// pump schedules the delivery of the next frame when there is one and the receiver may get it.
func (s *socket) pump() {
	if s.scheduled || s.handler == nil || len(s.incoming) == 0 || s.told || s.net.cut[[2]int{s.peer.id, s.id}] {
		return
	}
	if s.limits.MaxInflight > 0 && s.inflight >= s.limits.MaxInflight && !s.incoming[0].fin {
		return
	}
	s.scheduled = true
	s.net.world.After(s.incoming[0].ready-s.net.world.Now, s.deliver)
}

func (s *socket) deliver() {
	s.scheduled = false
	if s.told || !s.alive() || s.net.cut[[2]int{s.peer.id, s.id}] {
		return
	}
	p := s.incoming[0]
	s.incoming = s.incoming[1:]
	w := s.net.world
	w.mix(uint64(w.Now))
	w.mixBytes(p.payload)
	switch {
	case p.fin, s.closed:
		s.finish(errors.New("connection closed by the other side"))
	case s.limits.MaxFrame > 0 && len(p.payload) > s.limits.MaxFrame:
		s.Close()
		s.finish(fmt.Errorf("a frame of %d bytes is larger than %d", len(p.payload), s.limits.MaxFrame))
	default:
		s.inflight++
		s.handler.Frame(env.Frame{Payload: p.payload})
	}
	s.pump()
}

func (s *socket) finish(err error) {
	s.closed = true
	if !s.told {
		s.told = true
		s.handler.Closed(err)
	}
}

func (s *socket) Release() {
	s.inflight--
	s.pump()
}

func (s *socket) remoteClosed() {
	s.arrive(packet{fin: true, ready: s.net.world.Now + s.net.delay()})
}

func (s *socket) Close() {
	if s.closed {
		return
	}
	s.closed = true
	s.peer.remoteClosed()
	if s.handler != nil {
		s.incoming = []packet{{fin: true, ready: s.net.world.Now}}
		s.pump()
	}
}

// sortedAddrs lists the listening addresses in order.
func (n *Network) sortedAddrs() []string {
	addrs := make([]string, 0, len(n.listeners))
	for a := range n.listeners {
		addrs = append(addrs, a)
	}
	sort.Strings(addrs)
	return addrs
}
