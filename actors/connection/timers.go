package connection

import (
	"container/heap"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors/message"
)

// timer is a moment at which something is to be done inside the actor.
type timer struct {
	at   time.Duration // monotonic
	seq  uint64        // of equal moments the older first
	pos  int           // in the heap; -1: not in it any more
	fire func()
}

// timers is a heap by time.
type timers []*timer

func (h timers) Len() int { return len(h) }
func (h timers) Less(i, j int) bool {
	if h[i].at != h[j].at {
		return h[i].at < h[j].at
	}
	return h[i].seq < h[j].seq
}
func (h timers) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].pos, h[j].pos = i, j
}
func (h *timers) Push(x any) {
	t := x.(*timer)
	t.pos = len(*h)
	*h = append(*h, t)
}
func (h *timers) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	t.pos = -1
	return t
}

// wake is the actor's own message that time has passed.
type wake struct{}

// question is an answer that is waited for.
type question struct {
	timer *timer
	then  func(any)
}

// After implements api.Host.
func (c *Connection) After(d time.Duration, f func()) (cancel func()) {
	t := c.schedule(d, f)
	return func() { c.unschedule(t) }
}

func (c *Connection) schedule(d time.Duration, f func()) *timer {
	c.sequence++
	t := &timer{at: c.monotonic() + max(d, 0), seq: c.sequence, fire: f}
	heap.Push(&c.timers, t)
	c.arm()
	return t
}

func (c *Connection) unschedule(t *timer) {
	if t.pos >= 0 {
		heap.Remove(&c.timers, t.pos)
	}
}

// arm sees to it that the clock wakes the actor at the soonest moment. A clock's timer that is set for earlier stays: it
// finds nothing to do and is set anew, which is cheaper than to move it with every request.
func (c *Connection) arm() {
	if len(c.timers) == 0 || c.disarm != nil && c.timers[0].at >= c.armed {
		return
	}
	if c.disarm != nil {
		c.disarm()
	}
	c.armed = c.timers[0].at
	system, self := c.node.Runtime.System, c.self
	c.disarm = c.node.Env.Clock.After(c.armed-c.monotonic(), func() { system.Root.Send(self, &wake{}) })
}

// woken does what is due.
func (c *Connection) woken() {
	c.disarm = nil
	for now := c.monotonic(); len(c.timers) > 0 && c.timers[0].at <= now; {
		heap.Pop(&c.timers).(*timer).fire()
	}
	c.arm()
}

// Self implements api.Host.
func (c *Connection) Self() *actor.PID { return c.self }

// Send implements api.Host.
func (c *Connection) Send(to *actor.PID, m any) { c.ctx.Send(to, m) }

// Ask implements api.Host.
func (c *Connection) Ask(to *actor.PID, patience time.Duration, build func(message.ReplyTo) any, then func(any)) uint64 {
	c.token++
	token := c.token
	c.questions[token] = question{timer: c.schedule(patience, func() {
		delete(c.questions, token)
		then(nil)
	}), then: then}
	c.ctx.Send(to, build(message.ReplyTo{PID: c.self, Token: token}))
	return token
}

// Forget implements api.Host.
func (c *Connection) Forget(token uint64) {
	if q, ok := c.questions[token]; ok {
		delete(c.questions, token)
		c.unschedule(q.timer)
	}
}

// replied hands an answer to whom it belongs; one that nobody waits for any more is dropped.
func (c *Connection) replied(m message.Reply) {
	if q, ok := c.questions[m.ReplyToken()]; ok {
		c.Forget(m.ReplyToken())
		q.then(m)
		return
	}
	switch m := m.(type) {
	case *message.AppendBatchReply:
		c.refusedSilently(m)
	case *message.ColdRead:
		if m.Free != nil {
			m.Free()
		}
	}
}
