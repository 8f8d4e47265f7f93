package connection

import (
	"bytes"
	"errors"
	"fmt"
	"sync/atomic"

	"chronik/actors/api"
	"chronik/actors/env"
	"chronik/protocol"
)

const keyProduce = 0

// frame takes one request: header, structural check, decoding, handler.
func (c *Connection) frame(f env.Frame) {
	if c.gone || c.closing {
		free(f)
		return
	}
	c.active = c.monotonic()
	c.shared.bytesIn.Add(len(f.Payload) + 4)
	if len(c.backlog) > 0 {
		c.backlog = append(c.backlog, f)
		return
	}
	if !c.take(f) {
		c.backlog = append(c.backlog, f)
		c.schedule(decodeRetry, c.retry)
	}
}

// retry takes the frames that waited for memory, in order.
func (c *Connection) retry() {
	for len(c.backlog) > 0 && !c.closing && !c.gone {
		if !c.take(c.backlog[0]) {
			c.schedule(decodeRetry, c.retry)
			return
		}
		c.backlog[0] = env.Frame{}
		c.backlog = c.backlog[1:]
	}
	for _, f := range c.backlog {
		free(f)
	}
	c.backlog = nil
}

func free(f env.Frame) {
	if f.Free != nil {
		f.Free()
	}
}

// take deals with one frame; false: there is no memory to decode it in, try again.
func (c *Connection) take(f env.Frame) bool {
	h, body, err := protocol.ParseHeader(f.Payload)
	row, served := api.Find(h.Key, h.Version)
	switch {
	case err != nil && !errors.Is(err, protocol.ErrUnsupportedVersion):
		c.malformed(f, err)
		return true
	case err != nil || !served:
		c.unsupported(f, h)
		return true
	}
	cost, err := protocol.Measure(h.Key, h.Version, body, protocol.Budget(len(body)))
	if err != nil {
		c.malformed(f, err)
		return true
	}
	if cost <= smallRequest {
		cost = 0
	} else if c.shared.decoding.Add(cost) > maxDecoding && c.shared.decoding.Load() != cost {
		c.shared.decoding.Add(-cost)
		return false
	}
	c.dispatch(f, h, body, row, cost)
	return true
}

// dispatch decodes a checked request and hands it to its handler.
func (c *Connection) dispatch(f env.Frame, h protocol.Header, body []byte, row *api.Row, cost int64) {
	var buffer *api.Buffer
	release := c.socket.Release
	if h.Key == keyProduce {
		// The credit comes back when the answer has left and no replica reads the buffer any more.
		var holders atomic.Int32
		holders.Store(2)
		socket := c.socket
		release = func() {
			if holders.Add(-1) == 0 {
				socket.Release()
			}
		}
		done := release
		buffer = api.NewBuffer(func() { free(f); done() })
	} else {
		body = bytes.Clone(body)
		free(f)
		buffer = api.NewBuffer(nil)
	}
	req, err := protocol.Decode(h.Key, h.Version, body)
	if err != nil {
		c.shared.decoding.Add(-cost)
		buffer.Release()
		release()
		c.reject(fmt.Sprintf("%s: %v", protocol.Name(h.Key), err))
		return
	}
	call := api.NewCall(c.client, c, h, req, buffer, c.now())
	s := &slot{call: call, release: release, decoded: cost}
	c.queue = append(c.queue, s)
	c.slots[call] = s
	row.Handle(call)
	buffer.Release()
}

// malformed closes the connection: nothing after such a frame can be trusted.
func (c *Connection) malformed(f env.Frame, err error) {
	free(f)
	c.shared.malformed.Inc()
	c.reject(err.Error())
}

// reject hangs up behind the answers to what came before.
func (c *Connection) reject(why string) {
	c.complain("malformed request, connection closed", why)
	c.closing = true
	c.flush()
}

// unsupported answers a key or version that is not served where a client can read the answer, else closes.
func (c *Connection) unsupported(f env.Frame, h protocol.Header) {
	free(f)
	resp := api.Unsupported(h)
	if resp == nil {
		c.reject(fmt.Sprintf("%s version %d is not served", protocol.Name(h.Key), h.Version))
		return
	}
	s := &slot{answered: true, parts: protocol.EncodeResponse(h.CorrelationID, resp), release: c.socket.Release}
	for _, p := range s.parts {
		s.size += len(p)
	}
	c.queue = append(c.queue, s)
	c.flush()
}
