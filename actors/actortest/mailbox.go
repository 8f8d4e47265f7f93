package actortest

import (
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"

	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors"
)

// mailbox hands its actor one message per step, so that every interleaving of actors can happen.
type mailbox struct {
	node      *Node
	user      []any
	system    []any
	queued    bool
	suspended bool
	invoker   actor.MessageInvoker
	kind      actors.Kind
	life      uint64 // of the node, that the actor belongs to
}

func (m *mailbox) PostUserMessage(x any)   { m.user = append(m.user, x); m.wake() }
func (m *mailbox) PostSystemMessage(x any) { m.system = append(m.system, x); m.wake() }
func (m *mailbox) Start()                  {}
func (m *mailbox) UserMessageCount() int   { return len(m.user) }
func (m *mailbox) RegisterHandlers(i actor.MessageInvoker, _ actor.Dispatcher) {
	m.invoker = i
	m.wake()
}

func (m *mailbox) ready() bool { return len(m.system) > 0 || len(m.user) > 0 && !m.suspended }

func (m *mailbox) wake() {
	if !m.queued && m.invoker != nil && m.ready() {
		m.queued = true
		m.node.world.runnable = append(m.node.world.runnable, m)
	}
}

func (m *mailbox) step() {
	m.queued = false
	if !m.node.alive || m.life != m.node.incarnation { // a node may start again in the step in which it crashed
		return
	}
	w := m.node.world
	var message any
	defer func() {
		if r := recover(); r != nil {
			m.panicked(r, message)
		}
		m.wake()
	}()
	if len(m.system) > 0 {
		message, m.system = m.system[0], m.system[1:]
		switch message.(type) {
		case *actor.SuspendMailbox:
			m.suspended = true
		case *actor.ResumeMailbox:
			m.suspended = false
		default:
			m.invoker.InvokeSystemMessage(message)
		}
		return
	}
	message, m.user = m.user[0], m.user[1:]
	w.Messages++
	payload := actor.UnwrapEnvelopeMessage(message)
	w.record(m.node.ID, uint64(m.kind), payload)
	if w.story != nil {
		w.telling("node %d  %T", m.node.ID, payload)
	}
	m.invoker.InvokeUserMessage(message)
}

// panicked sorts what came out of an actor: a simulated crash in the middle of a disk operation, or a bug.
func (m *mailbox) panicked(r, message any) {
	if crash, ok := r.(crashPoint); ok {
		m.node.crashNow(string(crash))
		return
	}
	m.node.world.Fail("node %d: BUG: %T panicked the actor: %v\n%s", m.node.ID, message, r, debug.Stack())
	_ = m.invoker
}

// crashPoint is what a faulty disk panics with to kill its node in the middle of an operation.
type crashPoint string

// dispatcher never runs anything: World.Step does.
type dispatcher struct{}

func (dispatcher) Schedule(func()) { panic("BUG: a simulated actor has a mailbox of its own") }
func (dispatcher) Throughput() int { return 1 }

func (n *Node) runtime() *actors.Runtime {
	silent := actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError + 10}))
	})
	system := actor.NewActorSystem(silent)
	system.ProcessRegistry.Address = fmt.Sprintf("sim-%d-%d", n.ID, n.incarnation)
	node, life := n, n.incarnation
	return &actors.Runtime{System: system, Props: func(k actors.Kind, produce func() actor.Actor) *actor.Props {
		return actor.PropsFromProducer(produce, actor.WithDispatcher(dispatcher{}), actor.WithMailbox(func() actor.Mailbox {
			return &mailbox{node: node, kind: k, life: life}
		}))
	}}
}
