package connection

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors"
	"chronik/actors/api"
	"chronik/actors/env"
	"chronik/actors/message"
	"chronik/protocol/kerror"
)

// Connection is the actor of one client.
type Connection struct {
	node   *actors.Node
	socket env.Socket
	shared *Shared
	client *api.Client
	ctx    actor.Context // valid inside Receive
	self   *actor.PID

	queue   []*slot // requests in order of arrival
	slots   map[*api.Call]*slot
	backlog []env.Frame // frames that wait for memory to be decoded in
	unsent  *unsent

	questions map[uint64]question
	token     uint64
	timers    timers
	sequence  uint64
	armed     time.Duration // monotonic
	disarm    func()

	active  time.Duration // when the last frame came, monotonic
	counted bool          // among Shared.open
	closing bool          // closes when the queue is empty; no new frames are taken
	gone    bool          // the socket is dead
}

// New returns the producer of a connection's actor (actors.KindConnection); it starts to read when it is spawned, and
// stops itself when the socket dies. Beyond max.connections it closes the socket at once.
func New(node *actors.Node, socket env.Socket, shared *Shared) func() actor.Actor {
	return func() actor.Actor {
		return &Connection{node: node, socket: socket, shared: shared, slots: map[*api.Call]*slot{}, questions: map[uint64]question{}, unsent: &unsent{}}
	}
}

// arrived and ended are what the socket's goroutine posts.
type (
	arrived struct{ frame env.Frame }
	ended   struct{ err error }
)

// poster turns what happens on the socket into messages.
type poster struct {
	system *actor.ActorSystem
	to     *actor.PID
}

// Frame implements env.Handler.
func (p poster) Frame(f env.Frame) { p.system.Root.Send(p.to, &arrived{f}) }

// Closed implements env.Handler.
func (p poster) Closed(err error) { p.system.Root.Send(p.to, &ended{err}) }

// Receive is the table of contents.
func (c *Connection) Receive(ctx actor.Context) {
	c.ctx = ctx
	switch m := ctx.Message().(type) {
	case *actor.Started:
		c.started()
	case *arrived:
		c.frame(m.frame)
	case *wake:
		c.woken()
	case *drained:
		c.flush()
	case message.Reply:
		c.replied(m)
	case *ended:
		c.ended(m.err)
	case *actor.Stopped:
		c.stopped()
	}
}

func (c *Connection) now() time.Time { return c.node.Env.Clock.Now() }

func (c *Connection) monotonic() time.Duration { return c.node.Env.Clock.Monotonic() }

func (c *Connection) started() {
	c.self = c.ctx.Self()
	c.client = api.NewClient(c.node, c.shared.Shared, c.socket.LocalAddr(), c.socket.RemoteAddr())
	cfg := c.node.Config()
	if n := c.shared.open.Add(1); cfg.MaxConnections > 0 && n > int64(cfg.MaxConnections) {
		c.shared.open.Add(-1)
		c.shared.refused.Inc()
		c.complain("connection refused", errTooMany.Error())
		c.gone = true
		c.socket.Close()
		c.ctx.Stop(c.self)
		return
	}
	c.counted = true
	c.active = c.monotonic()
	if cfg.ConnectionsMaxIdle > 0 {
		c.schedule(cfg.ConnectionsMaxIdle, c.checkIdle)
	}
	c.socket.Start(socketLimits(cfg), poster{c.node.Runtime.System, c.self})
}

// checkIdle closes a connection on which nothing arrived for connections.max.idle.ms. A request that is being worked on
// keeps it open.
func (c *Connection) checkIdle() {
	limit := c.node.Config().ConnectionsMaxIdle
	if limit <= 0 || c.gone {
		return
	}
	if left := c.active + limit - c.monotonic(); left > 0 {
		c.schedule(left, c.checkIdle)
		return
	}
	if len(c.queue) > 0 {
		c.schedule(limit, c.checkIdle)
		return
	}
	c.socket.Close()
}

// Close implements api.Host: the connection ends after what was answered before.
func (c *Connection) Close(why string) {
	c.complain("connection closed", why)
	c.hangUp()
}

// hangUp takes no more frames, and closes the socket when everything before was answered.
func (c *Connection) hangUp() {
	c.closing = true
	// What is not answered yet and stands behind the failed request would wait for an answer that never comes.
	for i, s := range c.queue {
		if !s.answered {
			c.dropFrom(i)
			break
		}
	}
	c.flush()
}

// dropFrom forgets the requests from a place in the queue on; they stay unanswered because the connection is closed.
func (c *Connection) dropFrom(i int) {
	rest := c.queue[i:]
	c.queue = c.queue[:i]
	for _, s := range rest {
		delete(c.slots, s.call)
		if s.answered && s.sent != nil {
			s.sent()
		}
		if !s.answered {
			c.shared.decoding.Add(-s.decoded)
		}
		s.release()
	}
}

// refusedSilently deals with a refused append of acks=0, which has no answer: as Apache Kafka, the connection is closed,
// so that the producer learns that something is wrong and asks for metadata.
func (c *Connection) refusedSilently(m *message.AppendBatchReply) {
	if m.Token == 0 && m.Reason != kerror.None && !c.closing {
		c.Close("a batch with acks=0 was refused: " + m.Reason.String())
	}
}

// complain writes a rate-limited line that names the client.
func (c *Connection) complain(what, why string) {
	if skipped, ok := c.shared.complain.pass(c.monotonic()); ok {
		c.node.Env.Log.Warn(what, "client", c.socket.RemoteAddr(), "software", c.client.Software, "reason", why, "suppressed", skipped)
	}
}

func (c *Connection) ended(error) {
	c.gone = true
	c.ctx.Stop(c.self)
}

// stopped gives back everything, also after a panic.
func (c *Connection) stopped() {
	if !c.gone {
		c.gone = true
		c.socket.Close()
	}
	c.abandon()
	for _, f := range c.backlog {
		if f.Free != nil {
			f.Free()
		}
	}
	c.backlog, c.questions, c.timers = nil, nil, nil
	if c.disarm != nil {
		c.disarm()
	}
	if c.client != nil {
		c.client.Close()
	}
	if c.counted {
		c.counted = false
		c.shared.open.Add(-1)
	}
}
