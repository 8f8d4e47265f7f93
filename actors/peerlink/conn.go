package peerlink

import (
	"encoding/json"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors"
	"chronik/actors/env"
)

// Conn is a socket whose frames go to one actor; to another after Hand. Its methods may be called from any goroutine.
type Conn struct {
	Socket env.Socket
	system *actor.ActorSystem
	to     atomic.Pointer[actor.PID]
}

// Frame and Gone are what a Conn sends to its actor. The receiver of a Frame calls Done when it is through with it.
type (
	Frame struct {
		Conn *Conn
		env.Frame
	}
	// Gone says that the connection ended.
	Gone struct {
		Conn *Conn
		Err  error
	}
)

// Done gives the frame's buffer and its credit back.
func (f *Frame) Done() {
	if f.Free != nil {
		f.Free()
	}
	f.Conn.Socket.Release()
}

type handler struct{ c *Conn }

func (h handler) Frame(f env.Frame) { h.c.system.Root.Send(h.c.to.Load(), &Frame{h.c, f}) }
func (h handler) Closed(err error)  { h.c.system.Root.Send(h.c.to.Load(), &Gone{h.c, err}) }

// Begin reads a peer's socket on behalf of an actor.
func Begin(n *actors.Node, s env.Socket, to *actor.PID) *Conn {
	c := &Conn{Socket: s, system: n.Runtime.System}
	c.to.Store(to)
	s.Start(env.SocketLimits{MaxFrame: maxFrame, MaxInflight: 64, ReadTimeout: 30 * time.Second, WriteTimeout: 10 * time.Second}, handler{c})
	return c
}

// Hand makes another actor the receiver; call it before anything is sent that the peer answers.
func (c *Conn) Hand(to *actor.PID) { c.to.Store(to) }

// ReadHello parses the first frame of a connection.
func ReadHello(frame []byte) (*Hello, error) {
	kind, body, err := open(frame)
	if err != nil {
		return nil, err
	}
	h := &Hello{}
	if kind != kindHello || json.Unmarshal(body, h) != nil {
		return nil, errMalformed
	}
	return h, nil
}

// Refuse tells the peer why it is not wanted and closes behind it.
func (c *Conn) Refuse(why string) {
	s := c.Socket
	s.Send([][]byte{encodeJSON(kindRefuse, refusal{why})}, s.Close)
}
