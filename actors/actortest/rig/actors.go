package rig

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"chronik/actors/message"
	"chronik/wal"
)

// stand is what stands for the broker actor.
type stand struct{ m *Machine }

// Receive notes what the broker would act upon.
func (s *stand) Receive(ctx actor.Context) {
	switch x := ctx.Message().(type) {
	case *message.LeadershipChanged:
		s.m.Leaders[x.Group] = x
		l := x.Leadership
		s.m.Actors.View.SetLeader(x.Group, &l)
	case *message.DiskState:
		s.m.Full = x.Full
		for _, pid := range s.m.pids {
			ctx.Send(pid, x)
		}
	case *message.ImagePublished:
		s.m.Published++
	case *message.ReplicaRests:
		s.m.rests[x.Group] = s.m.Actors.Env.Clock.Monotonic() + x.For
	case *message.ReplicaWakes:
		delete(s.m.rests, x.Group)
	}
}

// link carries messages to one other node.
type link struct {
	from, to *Machine
	last     time.Duration // when the newest message arrives: order is kept
}

// Receive copies and sends.
func (l *link) Receive(ctx actor.Context) {
	switch x := ctx.Message().(type) {
	case *message.RaftMessage:
		to := func(m *Machine) *actor.PID { return m.group(x.Group) }
		l.carry(x, &message.RaftMessage{Group: x.Group, Msg: proto.Clone(x.Msg).(*pb.Message)}, to)
	case *message.SegmentRequest:
		y := *x
		y.From = l.from.Replica
		l.carry(x, &y, func(m *Machine) *actor.PID { return m.group(x.Group) })
	case *message.SegmentChunk:
		y := *x
		l.carry(x, &y, func(m *Machine) *actor.PID { return m.group(x.Group) })
	case *message.ForwardMeta:
		y := *x
		l.carry(x, &y, func(m *Machine) *actor.PID { return m.Actors.View.Metadata() })
	case *message.ForwardMetaReply:
		y := *x
		l.carry(x, &y, func(m *Machine) *actor.PID { return m.Actors.View.Metadata() })
	}
}

func (m *Machine) group(g wal.GroupID) *actor.PID {
	if g == wal.MetaGroup {
		return m.Actors.View.Metadata()
	}
	return m.Actors.View.Replica(g)
}

func (l *link) carry(original, sent any, to func(*Machine) *actor.PID) {
	r := l.from.rig
	if !l.to.Alive() || r.Drop != nil && r.Drop(l.from.ID, l.to.ID, original) {
		return
	}
	life := l.to.Life()
	at := r.Now + r.MinDelay
	if spread := r.MaxDelay - r.MinDelay; spread > 0 {
		at += time.Duration(r.Rand.Int64N(int64(spread)))
	}
	l.last = max(l.last, at)
	r.After(l.last-r.Now, func() {
		if l.to.Alive() && l.to.Life() == life && !r.cut[[2]int{l.from.ID, l.to.ID}] {
			l.to.Send(to(l.to), sent)
		}
	})
}

// asker asks the node's actors questions and keeps the answers by token.
type asker struct {
	pid     *actor.PID
	answers map[uint64]any
	next    uint64
	seen    func(any)
}

// Receive notes an answer.
func (a *asker) Receive(ctx actor.Context) {
	if x, ok := ctx.Message().(message.Reply); ok {
		a.answers[x.ReplyToken()] = x
		if a.seen != nil {
			a.seen(x)
		}
	}
}

// Asked is a question that is under way.
type Asked[T any] struct {
	m     *Machine
	life  uint64
	token uint64
	asker *asker
}

// Ask asks an actor of a node; question is handed where the answer is to go.
func Ask[T any](m *Machine, pid *actor.PID, question func(message.ReplyTo) any) *Asked[T] {
	m.asker.next++
	a := &Asked[T]{m, m.Life(), m.asker.next, m.asker}
	m.Send(pid, question(message.ReplyTo{PID: m.asker.pid, Token: a.token}))
	return a
}

// Answer is the answer; nil while there is none.
func (a *Asked[T]) Answer() *T {
	x, _ := a.asker.answers[a.token].(*T)
	return x
}

// Lost says that no answer will come: the asker's life ended.
func (a *Asked[T]) Lost() bool { return a.Answer() == nil && (a.m.Life() != a.life || !a.m.Alive()) }

// Wait runs until the answer is there; nil when none comes within half a minute.
func (a *Asked[T]) Wait() *T { return a.Within(30 * time.Second) }

// Within is Wait with a limit.
func (a *Asked[T]) Within(limit time.Duration) *T {
	a.m.rig.RunUntil(limit, func() bool { return a.Answer() != nil || a.Lost() })
	return a.Answer()
}

// OnAnswer is called with every answer that arrives at this node in its present life.
func (m *Machine) OnAnswer(f func(any)) { m.asker.seen = f }

// Token is how the answer names the question.
func (a *Asked[T]) Token() uint64 { return a.token }

// ReplyTo is where the answer was asked to go.
func (a *Asked[T]) ReplyTo() message.ReplyTo {
	return message.ReplyTo{PID: a.asker.pid, Token: a.token}
}
