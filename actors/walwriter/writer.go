package walwriter

import (
	"errors"
	"syscall"

	"github.com/VictoriaMetrics/metrics"
	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors"
	"chronik/actors/message"
	"chronik/wal"
)

type flush struct{}

var flushMessage = &flush{}

// Writer is the actor.
type Writer struct {
	node   *actors.Node
	log    *wal.Log
	queue  []*message.WriteLog
	writes []wal.Write
	queued bool
	full   bool
	closed bool
	asked  uint64 // generation of the log's newest file when groups were last asked to move on

	rounds, bytes, writesDone *metrics.Counter
	latency                   *metrics.Histogram
}

// New returns the producer of the WAL writer; it owns the log from now on.
func New(node *actors.Node, log *wal.Log) func() actor.Actor {
	return func() actor.Actor {
		return &Writer{node: node, log: log,
			rounds:     node.Metrics.NewCounter("chronik_wal_rounds_total"),
			bytes:      node.Metrics.NewCounter("chronik_wal_bytes_total"),
			writesDone: node.Metrics.NewCounter("chronik_wal_writes_total"),
			latency:    node.Metrics.NewHistogram("chronik_wal_commit_seconds")}
	}
}

// Receive is the table of contents.
func (w *Writer) Receive(ctx actor.Context) {
	if w.closed { // what comes now is never acknowledged, as after a crash
		return
	}
	switch m := ctx.Message().(type) {
	case *message.WriteLog:
		w.queue = append(w.queue, m)
		if !w.queued {
			w.queued = true
			ctx.Send(ctx.Self(), flushMessage)
		}
	case *flush:
		w.commit(ctx)
	case *message.Tick:
		w.askRelease(ctx)
		w.keepRoom(ctx)
	case *message.Shutdown:
		w.commit(ctx)
		if err := w.log.Close(); err != nil {
			w.node.Env.Fatal("FATAL: closing the log: " + err.Error())
		}
		w.closed = true
		m.Send(ctx, &message.ShutdownReply{Answered: message.Answered{Token: m.Token}})
	}
}

func (w *Writer) commit(ctx actor.Context) {
	w.queued = false
	if len(w.queue) == 0 {
		return
	}
	w.writes = w.writes[:0]
	for _, m := range w.queue {
		w.writes = append(w.writes, m.Write)
	}
	before, start := w.log.Bytes, w.node.Env.Clock.Now()
	w.node.Rounds.Add(1)
	if err := w.log.Commit(w.writes); err != nil {
		w.node.Env.Fatal("FATAL: " + explain(err))
		return
	}
	w.node.Rounds.Add(1)
	w.latency.Update(w.node.Env.Clock.Now().Sub(start).Seconds())
	w.rounds.Inc()
	w.writesDone.Add(len(w.queue))
	w.bytes.Add(int(w.log.Bytes - before))
	for i, m := range w.queue {
		if m.Owner != nil {
			ctx.Send(m.Owner, &message.WriteDone{Incarnation: m.Incarnation, Token: m.Token})
		}
		w.queue[i] = nil
	}
	w.queue = w.queue[:0]
	clear(w.writes)
	w.keepRoom(ctx)
}

func explain(err error) string {
	var fatal *wal.FatalError
	if !errors.As(err, &fatal) && errors.Is(err, syscall.ENOSPC) {
		return "the disk is full and the reserve of the log is used up: " + err.Error()
	}
	return err.Error()
}

// keepRoom frees files that hold nothing any more, asks those who hold the oldest to move on, and reserves room ahead.
func (w *Writer) keepRoom(ctx actor.Context) {
	if pinnedBy := w.log.Newest(); pinnedBy != w.asked {
		w.asked = pinnedBy
		w.askRelease(ctx)
	}
	if _, err := w.log.Reclaim(); err != nil {
		w.node.Env.Fatal("FATAL: " + explain(err))
		return
	}
	if err := w.log.EnsureRoom(); err != nil {
		w.node.Env.Fatal("FATAL: " + explain(err))
		return
	}
	if full := w.log.Full(); full != w.full {
		w.full = full
		ctx.Send(w.node.View.Broker(), &message.DiskState{Full: full, Why: "no room to reserve the next file of the log"})
	}
}

// askRelease tells the groups that hold the oldest file to move on: whenever a new file was begun, and on ticks.
func (w *Writer) askRelease(ctx actor.Context) {
	for _, p := range w.log.Pinned() {
		pid := w.node.View.Replica(p.Group)
		if p.Group == wal.MetaGroup {
			pid = w.node.View.Metadata()
		}
		if pid != nil {
			ctx.Send(pid, &message.ReleaseLog{Group: p.Group, UpTo: p.UpTo})
		}
	}
}
