package broker

import (
	"slices"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors/message"
	"chronik/wal"
)

// awake are the replicas that are ticked, sorted. Those that rest cost nothing but a look at their time now and then.
type awake struct {
	groups []wal.GroupID
	count  atomic.Int64 // for the gauge
}

func (a *awake) add(g wal.GroupID) {
	if at, ok := slices.BinarySearch(a.groups, g); !ok {
		a.groups = slices.Insert(a.groups, at, g)
		a.count.Store(int64(len(a.groups)))
	}
}

func (a *awake) remove(g wal.GroupID) {
	if at, ok := slices.BinarySearch(a.groups, g); ok {
		a.groups = slices.Delete(a.groups, at, at+1)
		a.count.Store(int64(len(a.groups)))
	}
}

// restRounds is how many ticks it takes to look at everybody who rests: how late one may be woken, in ticks.
const restRounds = 10

// tickReplicas passes time on to those who want it, and to those whose rest is over: a part of all is looked at in each tick.
func (b *Broker) tickReplicas(ctx actor.Context, t *message.Tick) {
	n, part := len(b.order), int(b.ticks%restRounds)
	for _, g := range b.order[n*part/restRounds : n*(part+1)/restRounds] {
		if c := b.replicas[g]; c.until > 0 && b.ticks >= c.until {
			b.replicaWakes(g)
		}
	}
	for _, g := range b.awake.groups {
		ctx.Send(b.replicas[g].pid, t)
	}
}

func (b *Broker) replicaRests(m *message.ReplicaRests) {
	if c := b.replicas[m.Group]; c != nil {
		c.until = b.ticks + uint64(max(m.For, 0)/tickEvery)
		b.awake.remove(m.Group)
	}
}

func (b *Broker) replicaWakes(g wal.GroupID) {
	if c := b.replicas[g]; c != nil && c.until > 0 {
		c.until = 0
		b.awake.add(g)
	}
}
