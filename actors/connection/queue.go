package connection

import (
	"sync/atomic"

	"chronik/actors/api"
)

// slot is one request's place in the order of answers.
type slot struct {
	call     *api.Call
	answered bool
	parts    [][]byte // nil: no response at all
	size     int
	sent     func() // of the handler
	release  func() // gives the frame's credit back, once; any goroutine
	decoded  int64  // charged against maxDecoding
}

// unsent counts what the socket has not written yet, and who waits for it.
type unsent struct {
	bytes   atomic.Int64
	waiting atomic.Bool
}

// drained is the actor's own message that the socket has written what it had.
type drained struct{}

// Answer implements api.Host.
func (c *Connection) Answer(call *api.Call, parts [][]byte, sent func()) {
	s := c.slots[call]
	if s == nil { // the connection was closed meanwhile
		if sent != nil {
			sent()
		}
		return
	}
	delete(c.slots, call)
	s.answered, s.parts, s.sent = true, parts, sent
	for _, p := range parts {
		s.size += len(p)
	}
	if h := c.shared.seconds[call.Header.Key]; h != nil {
		h.Update(c.now().Sub(call.Began).Seconds())
	}
	c.shared.decoding.Add(-s.decoded)
	c.flush()
}

// flush sends what is answered, in order, up to the first request that is not, and no more than the socket takes.
func (c *Connection) flush() {
	for len(c.queue) > 0 && c.queue[0].answered {
		if c.unsent.bytes.Load() > maxUnsent {
			c.unsent.waiting.Store(true)
			if c.unsent.bytes.Load() > 0 || !c.unsent.waiting.CompareAndSwap(true, false) {
				return // drained comes
			}
		}
		s := c.queue[0]
		c.queue[0] = nil
		c.queue = c.queue[1:]
		c.send(s)
	}
	if len(c.queue) == 0 {
		c.queue = nil
		if c.closing {
			c.socket.Close()
		}
	}
}

func (c *Connection) send(s *slot) {
	if s.parts == nil {
		if s.sent != nil {
			s.sent()
		}
		s.release()
		return
	}
	c.shared.bytesOut.Add(s.size + 4)
	u, size := c.unsent, int64(s.size)
	u.bytes.Add(size)
	system, self := c.node.Runtime.System, c.self
	c.socket.Send(s.parts, func() {
		if s.sent != nil {
			s.sent()
		}
		s.release()
		if u.bytes.Add(-size) == 0 && u.waiting.CompareAndSwap(true, false) {
			system.Root.Send(self, &drained{})
		}
	})
}

// abandon drops all answers: the connection is gone.
func (c *Connection) abandon() {
	for _, s := range c.queue {
		if s == nil {
			continue
		}
		if s.answered && s.sent != nil {
			s.sent()
		}
		if !s.answered {
			c.shared.decoding.Add(-s.decoded)
		}
		s.release()
	}
	clear(c.slots)
	c.queue = nil
}
