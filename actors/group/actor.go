package group

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors"
	"chronik/actors/message"
	"chronik/protocol/batch"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
	"chronik/wal"
)

// groupActor carries out what its machine asks for.
type groupActor struct {
	node  *actors.Node
	shard *actor.PID
	log   wal.GroupID // the partition's
	epoch kafka.LeaderEpoch
	m     *machine

	token     uint64 // of the newest append
	armed     time.Time
	cancel    func()
	announced groupChanged
	lost      bool // an append's outcome is unknown: nothing is decided here any more
	gone      bool
	lag       lagProbe
}

func newGroupActor(node *actors.Node, shard *actor.PID, log wal.GroupID, epoch kafka.LeaderEpoch, m *machine) *groupActor {
	return &groupActor{node: node, shard: shard, log: log, epoch: epoch, m: m}
}

// Receive implements actor.Actor.
func (a *groupActor) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		a.started(ctx)
	case *message.GroupCall:
		a.call(ctx, m)
	case *message.AppendBatchReply:
		a.appended(ctx, m)
	case *message.ReadBarrierReply:
		a.barrierPassed(ctx, m)
	case *message.TopicsDeleted:
		a.topicsDeleted(ctx, m)
	case *probeLag:
		a.probeLag(ctx)
	case *message.DescribeReplicaReply:
		a.described(m)
	case *rewriteGroup:
		a.rewrite(ctx, m)
	case *resignGroup:
		a.resign(ctx, m)
	case *wake:
		a.woken(ctx, m)
	case *actor.Stopped:
		a.stopped()
	}
}

// started: a loaded group may have something to do at once; one that was made to answer a call waits for it.
func (a *groupActor) started(ctx actor.Context) {
	if !a.m.vacant() {
		a.carryOut(ctx)
	}
}

func (a *groupActor) now() time.Time { return a.node.Env.Clock.Now() }

func (a *groupActor) call(ctx actor.Context, m *message.GroupCall) {
	switch {
	case a.lost:
		m.ReplyTo.Send(ctx, groupReply(m.Token, refuseLoading(m.Request)))
	default:
		a.m.handle(a.now(), &call{GroupCall: *m})
		a.carryOut(ctx)
	}
}

func (a *groupActor) appended(ctx actor.Context, m *message.AppendBatchReply) {
	if a.lost || m.Token != a.token {
		return
	}
	if m.Reason != kerror.None && !certain(m.Reason) {
		a.lost = true
		a.m.resign(groupWriteError(m.Reason))
		ctx.Send(a.shard, &groupLost{Reason: m.Reason})
	} else {
		a.m.appended(a.now(), m.Reason)
	}
	a.carryOut(ctx)
}

func (a *groupActor) barrierPassed(ctx actor.Context, m *message.ReadBarrierReply) {
	if a.lost {
		return
	}
	a.m.barrierPassed(a.now(), m.Token, m.Reason)
	a.carryOut(ctx)
}

func (a *groupActor) topicsDeleted(ctx actor.Context, m *message.TopicsDeleted) {
	if a.lost {
		return
	}
	a.m.forget(a.now(), m.Names)
	a.carryOut(ctx)
}

func (a *groupActor) resign(ctx actor.Context, m *resignGroup) {
	a.lost = true
	a.m.resign(m.Code)
	a.carryOut(ctx)
}

func (a *groupActor) woken(ctx actor.Context, m *wake) {
	if !m.At.Equal(a.armed) {
		return
	}
	a.armed = time.Time{}
	if a.lost {
		return
	}
	a.m.tick(a.now())
	a.carryOut(ctx)
}

// carryOut does what the machine asked for. The shard learns of a change before any client does.
func (a *groupActor) carryOut(ctx actor.Context) {
	out := a.m.drain()
	if len(out.append) > 0 {
		a.append(ctx, out.append)
	}
	if out.barrier != 0 {
		a.askReplica(ctx, &message.ReadBarrier{ReplyTo: message.ReplyTo{PID: ctx.Self(), Token: out.barrier}, LeaderEpoch: a.epoch})
	}
	a.announce(ctx)
	for _, r := range out.replies {
		r.to.Send(ctx, groupReply(r.to.Token, r.response))
	}
	a.arm(ctx)
}

func (a *groupActor) append(ctx actor.Context, records []record) {
	b := batch.NewBuilder(batch.Params{})
	now := kafka.Timestamp(a.now().UnixMilli())
	for _, r := range records {
		b.Add(now, r.key, r.value)
	}
	raw := b.Build()
	header, ok := batch.ParseHeader(raw)
	if !ok {
		panic("BUG: a batch of our own cannot be parsed")
	}
	a.token++
	// No deadline: the outcome is either known or lost with the leadership. Who asked is answered in time anyway.
	a.askReplica(ctx, &message.AppendBatch{
		ReplyTo: message.ReplyTo{PID: ctx.Self(), Token: a.token}, Raw: raw, Header: header, Acks: -1, LeaderEpoch: a.epoch, Coordinator: true,
	})
}

// askReplica sends to the partition's local replica. Without one nothing is answered, until the shard is told to resign.
func (a *groupActor) askReplica(ctx actor.Context, m any) {
	if pid := a.node.View.Replica(a.log); pid != nil {
		ctx.Send(pid, m)
	}
}

func (a *groupActor) announce(ctx actor.Context) {
	if a.gone || a.lost {
		return
	}
	if a.m.state == dead || a.m.vacant() {
		a.gone = true
		a.m.state = dead
		ctx.Send(a.shard, &groupGone{ID: a.m.id, PID: ctx.Self()})
		return
	}
	c := groupChanged{ID: a.m.id, PID: ctx.Self(), State: a.m.state, ProtocolType: a.m.protocolType, Bytes: a.m.size}
	if c.State != a.announced.State || c.ProtocolType != a.announced.ProtocolType || 2*c.Bytes < a.announced.Bytes || c.Bytes > 2*a.announced.Bytes {
		a.announced = c
		ctx.Send(a.shard, &c)
	}
}

// arm sets the timer to the earliest deadline. It is only ever moved forward: when deadlines were put off, the timer
// fires in vain and is set anew, which is cheaper than moving it at every heartbeat.
func (a *groupActor) arm(ctx actor.Context) {
	at := a.m.soonest
	if a.lost || at.IsZero() || !a.armed.IsZero() && !at.Before(a.armed) {
		return
	}
	if a.cancel != nil {
		a.cancel()
	}
	a.armed = at
	root, self := ctx.ActorSystem().Root, ctx.Self()
	a.cancel = a.node.Env.Clock.After(max(at.Sub(a.now()), 0), func() { root.Send(self, &wake{At: at}) })
}

func (a *groupActor) stopped() {
	if a.cancel != nil {
		a.cancel()
	}
	a.lag.close(a.node, a.m.id)
}

func groupReply(token uint64, r kmsg.Response) *message.GroupReply {
	return &message.GroupReply{Answered: message.Answered{Token: token}, Response: r}
}

// uuidFrom makes random (version 4) UUIDs from a handed-in source.
func uuidFrom(r *rand.Rand) func() string {
	return func() string {
		var b [16]byte
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		b[6] = b[6]&0x0f | 0x40
		b[8] = b[8]&0x3f | 0x80
		return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
	}
}
