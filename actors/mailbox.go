package actors

import (
	"sync"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"
)

// queue is a first-in-first-out list that gives its memory back when it ran empty.
type queue struct {
	items []any
	head  int
}

func (q *queue) push(x any) { q.items = append(q.items, x) }
func (q *queue) len() int   { return len(q.items) - q.head }

func (q *queue) pop() any {
	x := q.items[q.head]
	q.items[q.head] = nil
	q.head++
	if q.head == len(q.items) {
		if cap(q.items) > 1024 {
			q.items = nil
		} else {
			q.items = q.items[:0]
		}
		q.head = 0
	}
	return x
}

// mailbox is one actor's queue. Senders and the worker that runs the actor meet at its lock and nowhere else.
type mailbox struct {
	mu        sync.Mutex
	user      queue
	system    queue
	scheduled bool
	suspended bool

	invoker    actor.MessageInvoker
	dispatcher actor.Dispatcher
	failed     func(reason, message any)
	depth      *atomic.Int64
	maxDepth   *atomic.Int64
}

func (m *mailbox) PostUserMessage(x any)   { m.post(&m.user, x) }
func (m *mailbox) PostSystemMessage(x any) { m.post(&m.system, x) }

func (m *mailbox) post(q *queue, x any) {
	m.mu.Lock()
	q.push(x)
	if q == &m.user {
		if d := m.depth.Add(1); d > m.maxDepth.Load() {
			m.maxDepth.Store(d)
		}
	}
	start := !m.scheduled && m.invoker != nil
	m.scheduled = m.scheduled || start
	m.mu.Unlock()
	if start {
		m.dispatcher.Schedule(m.run)
	}
}

func (m *mailbox) RegisterHandlers(i actor.MessageInvoker, d actor.Dispatcher) {
	m.mu.Lock()
	m.invoker, m.dispatcher = i, d
	m.mu.Unlock()
}

func (m *mailbox) Start() {}

// UserMessageCount is the number of waiting messages.
func (m *mailbox) UserMessageCount() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.user.len()
}

// next takes the next message; ok false: the actor goes to rest.
func (m *mailbox) next() (x any, system, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.system.len() > 0:
		return m.system.pop(), true, true
	case m.user.len() > 0 && !m.suspended:
		m.depth.Add(-1)
		return m.user.pop(), false, true
	}
	m.scheduled = false
	return nil, false, false
}

// run handles messages until there are none, or for a while: then it queues up again, so that no actor starves others.
func (m *mailbox) run() {
	for range m.dispatcher.Throughput() {
		x, system, ok := m.next()
		if !ok {
			return
		}
		m.invoke(x, system)
	}
	m.dispatcher.Schedule(m.run)
}

func (m *mailbox) invoke(x any, system bool) {
	defer func() {
		if r := recover(); r != nil {
			m.failed(r, x)
			m.invoker.EscalateFailure(r, x)
		}
	}()
	if !system {
		m.invoker.InvokeUserMessage(x)
		return
	}
	switch x.(type) {
	case *actor.SuspendMailbox:
		m.suspend(true)
	case *actor.ResumeMailbox:
		m.suspend(false)
	default:
		m.invoker.InvokeSystemMessage(x)
	}
}

func (m *mailbox) suspend(on bool) {
	m.mu.Lock()
	m.suspended = on
	m.mu.Unlock()
}
