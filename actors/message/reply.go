package message

import "github.com/asynkron/protoactor-go/actor"

// ReplyTo names who wants an answer (nil: nobody) and the token under which he waits for it.
type ReplyTo struct {
	PID   *actor.PID
	Token uint64
}

// Reply is what every answer implements, so that an asker finds what it waits for.
type Reply interface{ ReplyToken() uint64 }

// Answered is embedded in every answer.
type Answered struct{ Token uint64 }

// ReplyToken implements Reply.
func (a Answered) ReplyToken() uint64 { return a.Token }

// Send answers, if anybody asked.
func (r ReplyTo) Send(ctx actor.Context, reply any) {
	if r.PID != nil {
		ctx.Send(r.PID, reply)
	}
}
