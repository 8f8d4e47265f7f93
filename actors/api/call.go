package api

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors/cluster"
	"chronik/actors/env"
	"chronik/actors/message"
	"chronik/protocol"
	"chronik/protocol/config"
)

// Patience is how long an answer of another actor is waited for when the request itself sets no time: beyond it
// something is broken, and the client is told so instead of waiting for ever.
const Patience = 30 * time.Second

// Host is what the connection actor does for its calls. All methods are called inside that actor.
type Host interface {
	Self() *actor.PID
	Send(to *actor.PID, m any)
	// Ask sends what build returns; then gets the answer, or nil after patience. It returns the token of the question.
	Ask(to *actor.PID, patience time.Duration, build func(message.ReplyTo) any, then func(reply any)) (token uint64)
	// Forget drops a question: its continuation is not called any more.
	Forget(token uint64)
	// After calls f once, d from now, unless cancelled.
	After(d time.Duration, f func()) (cancel func())
	// Answer hands in the response of a call; nil parts: the call gets none. sent is called (from any goroutine, may be
	// nil) when the parts are out or the connection is gone.
	Answer(c *Call, parts [][]byte, sent func())
	// Close ends the connection after what was answered before; why goes to the log.
	Close(why string)
}

// Call is one request on its way to its answer. It belongs to its connection actor; nothing of it may be used elsewhere
// but by Retain's release.
type Call struct {
	Header  protocol.Header
	Request kmsg.Request
	Client  *Client
	Began   time.Time

	host     Host
	buffer   *Buffer
	answered bool
}

// NewCall is a request that has just arrived at a connection. buffer is what byte fields of the request alias.
func NewCall(client *Client, host Host, h protocol.Header, req kmsg.Request, buffer *Buffer, now time.Time) *Call {
	return &Call{Header: h, Request: req, Client: client, Began: now, host: host, buffer: buffer}
}

// Reply answers with resp, in the version of the request.
func (c *Call) Reply(resp kmsg.Response) {
	resp.SetVersion(c.Header.Version)
	c.ReplyParts(protocol.EncodeResponse(c.Header.CorrelationID, resp), nil)
}

// ReplyParts answers with an encoded response, header included; the parts must not change until sent is called (from any
// goroutine; nil: nobody needs to know).
func (c *Call) ReplyParts(parts [][]byte, sent func()) {
	c.once()
	c.host.Answer(c, parts, sent)
}

// NoReply ends a call that gets no response at all (acks=0).
func (c *Call) NoReply() {
	c.once()
	c.host.Answer(c, nil, nil)
}

func (c *Call) once() {
	if c.answered {
		panic("BUG: " + protocol.Name(c.Header.Key) + " was answered twice")
	}
	c.answered = true
}

// Answered says whether the call has its answer.
func (c *Call) Answered() bool { return c.answered }

// Ask sends what build returns to an actor; build puts the ReplyTo into it. then runs inside the connection actor with
// the answer, or with nil when none came within Patience. A nil PID is nobody: then runs at once with nil.
func (c *Call) Ask(to *actor.PID, build func(message.ReplyTo) any, then func(reply any)) {
	c.AskWithin(Patience, to, build, then)
}

// AskWithin is Ask with another patience, for requests that carry their own timeout. It returns the question's token,
// for Forget; 0 when there was nobody to ask.
func (c *Call) AskWithin(d time.Duration, to *actor.PID, build func(message.ReplyTo) any, then func(reply any)) (token uint64) {
	if to == nil {
		then(nil)
		return 0
	}
	return c.host.Ask(to, d, build, then)
}

// Forget drops a question: its continuation is not called any more.
func (c *Call) Forget(token uint64) { c.host.Forget(token) }

// Tell sends a message that has no answer. A nil PID is nobody.
func (c *Call) Tell(to *actor.PID, m any) {
	if to != nil {
		c.host.Send(to, m)
	}
}

// After runs f once inside the connection actor, d from now, unless cancelled.
func (c *Call) After(d time.Duration, f func()) (cancel func()) { return c.host.After(d, f) }

// Close ends the connection, after the answers that were given before; why goes to the log. The call needs no answer.
func (c *Call) Close(why string) {
	c.answered = true
	c.host.Close(why)
}

// Retain keeps the frame that the request's byte fields alias until release is called, once, from any goroutine.
func (c *Call) Retain() (release func()) {
	c.buffer.Retain()
	return c.buffer.Release
}

// View is the node's window on the cluster.
func (c *Call) View() *cluster.View { return c.Client.Node.View }

// Image is the newest metadata image; take it once per decision.
func (c *Call) Image() *cluster.Image { return c.Client.Node.View.Image() }

// Config is the node's current configuration.
func (c *Call) Config() *config.Broker { return c.Client.Node.Config() }

// Env is the outside world.
func (c *Call) Env() *env.Env { return c.Client.Node.Env }

// Now is the wall time.
func (c *Call) Now() time.Time { return c.Client.Node.Env.Clock.Now() }
