package producerid

import (
	"encoding/json"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors"
	"chronik/actors/message"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
)

const (
	// blockSize is how many ids are fetched at a time, as by Apache Kafka.
	blockSize = 1000
	// maxWaiting bounds the askers that wait for a block; the others are told to come again.
	maxWaiting = 10_000
	patience   = 5 * time.Second
)

type allocator struct {
	node      *actors.Node
	next, end kafka.ProducerID
	waiting   []message.ReplyTo
	asking    bool
	token     uint64
}

// New returns the producer of the node's actor.
func New(node *actors.Node) func() actor.Actor {
	return func() actor.Actor { return &allocator{node: node} }
}

// Receive is the table of contents.
func (a *allocator) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *message.AllocateProducerID:
		a.allocate(ctx, m.ReplyTo)
	case *message.MetaCommandReply:
		a.block(ctx, m)
	}
}

func (a *allocator) allocate(ctx actor.Context, to message.ReplyTo) {
	switch {
	case a.next < a.end:
		a.give(ctx, to)
	case len(a.waiting) >= maxWaiting, a.node.View.Metadata() == nil:
		refuse(ctx, to, kerror.CoordinatorLoadInProgress)
	default:
		a.waiting = append(a.waiting, to)
		a.ask(ctx)
	}
}

func (a *allocator) give(ctx actor.Context, to message.ReplyTo) {
	to.Send(ctx, &message.AllocateProducerIDReply{Answered: message.Answered{Token: to.Token}, ID: a.next})
	a.next++
}

func refuse(ctx actor.Context, to message.ReplyTo, code kerror.Code) {
	to.Send(ctx, &message.AllocateProducerIDReply{Answered: message.Answered{Token: to.Token}, Reason: code})
}

func (a *allocator) ask(ctx actor.Context) {
	if a.asking {
		return
	}
	a.asking = true
	a.token++
	body, err := json.Marshal(message.AllocateProducers{Count: blockSize})
	if err != nil {
		panic("BUG: a block of producer ids does not encode: " + err.Error())
	}
	ctx.Send(a.node.View.Metadata(), &message.MetaCommand{ReplyTo: message.ReplyTo{PID: ctx.Self(), Token: a.token}, Kind: message.CmdAllocateProducer, Body: body,
		Deadline: a.node.Env.Clock.Now().Add(patience)})
}

// block serves those who wait from a new block, or tells them that there is none: clients come again.
func (a *allocator) block(ctx actor.Context, m *message.MetaCommandReply) {
	if m.Token != a.token {
		return
	}
	a.asking = false
	waiting := a.waiting
	a.waiting = nil
	var b message.ProducerBlock
	if m.Reason != kerror.None || json.Unmarshal(m.Body, &b) != nil || b.Count <= 0 {
		for _, to := range waiting {
			refuse(ctx, to, kerror.CoordinatorLoadInProgress)
		}
		return
	}
	a.next, a.end = kafka.ProducerID(b.First), kafka.ProducerID(b.First)+kafka.ProducerID(b.Count)
	for _, to := range waiting {
		a.allocate(ctx, to)
	}
}
