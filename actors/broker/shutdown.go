package broker

import (
	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors/message"
)

// handOverTicks is how long leaders get to hand over before the node stops anyway.
const handOverTicks = 15

// shutdown hands leadership over, flushes the log, closes the disk, and answers.
func (b *Broker) shutdown(ctx actor.Context, m *message.Shutdown) {
	b.waiting = append(b.waiting, m.ReplyTo)
	if b.stopping {
		return
	}
	b.stopping = true
	b.kafkaListener.Close()
	for _, g := range b.order {
		if _, leads := b.leading[g]; leads {
			ctx.Send(b.replicas[g].pid, &message.TransferLeadership{})
		}
	}
	if b.node.View.Metadata() != nil {
		ctx.Send(b.node.View.Metadata(), &message.TransferLeadership{})
	}
	if !b.alone() {
		b.shutdownTicks = handOverTicks
	}
	b.tickShutdown(ctx)
}

// alone says that there is nobody to hand over to.
func (b *Broker) alone() bool { return len(b.node.View.Image().Nodes) <= 1 }

// tickShutdown goes on once nothing is led here any more, or time is up.
func (b *Broker) tickShutdown(ctx actor.Context) {
	if !b.stopping || b.shutdownPhase > 0 {
		return
	}
	if b.shutdownTicks > 0 && len(b.leading) > 0 {
		b.shutdownTicks--
		return
	}
	b.shutdownPhase = 1
	b.closePeers(ctx)
	for _, g := range b.order {
		ctx.Send(b.replicas[g].pid, &message.StopReplica{ReplyTo: message.ReplyTo{PID: ctx.Self()}})
	}
	b.replicasToStop = len(b.order)
	b.closeLog(ctx)
}

// closeLog closes the log once every replica has noted what it knows.
func (b *Broker) closeLog(ctx actor.Context) {
	if b.replicasToStop == 0 {
		ctx.Send(b.node.WAL, &message.Shutdown{ReplyTo: message.ReplyTo{PID: ctx.Self()}})
	}
}

// shutdownAnswered closes the disk in order: the log, the segments, the directory's lock.
func (b *Broker) shutdownAnswered(ctx actor.Context) {
	if b.replicasToStop > 0 {
		b.replicasToStop--
		b.closeLog(ctx)
		return
	}
	b.shutdownPhase++
	switch b.shutdownPhase {
	case 2:
		ctx.Send(b.node.SegmentWriter, &message.Shutdown{ReplyTo: message.ReplyTo{PID: ctx.Self()}})
	case 3:
		_ = b.st.dir.Close()
		for _, w := range b.waiting {
			w.Send(ctx, &message.ShutdownReply{Answered: message.Answered{Token: w.Token}})
		}
		b.waiting = nil
	}
}
