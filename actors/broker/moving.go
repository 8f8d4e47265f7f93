package broker

import (
	"maps"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors/cluster"
	"chronik/actors/message"
	"chronik/protocol/kafka"
	"chronik/wal"
)

const (
	// stalledTicks is how long a commit of the log may take before this node is unfit to lead; wellTicks is how long its disk
	// must have answered since, and a peer's link must have been up, before leaderships go there.
	stalledTicks = 10
	wellTicks    = 300
	// movesPerTick paces handing over: each is an election, in which its partition is not written to for some milliseconds.
	movesPerTick = 5
)

// moving is how leaderships leave this node: one by one to their preferred replicas (Kafka's auto.leader.rebalance.enable),
// and all that others can take while this node is unfit to lead. Each leader's node decides for itself, from what it knows.
type moving struct {
	unfit bool // this node's disk is full, or did not answer lately
	round uint64
	stall int    // ticks for which the same commit of the log was seen under way
	well  uint64 // the tick from which the disk counts as answering
	check uint64 // the tick of the next look
	queue []wal.GroupID
}

func (m *moving) stalled() bool { return m.stall >= stalledTicks }

// watchLog sees whether the log's commits come to an end.
func (b *Broker) watchLog() {
	m, round := &b.moving, b.node.Rounds.Load()
	if round%2 == 0 || round != m.round {
		if m.stalled() {
			b.log.Info("the disk answers again")
		}
		m.round, m.stall = round, 0
		return
	}
	if m.stall++; m.stall == stalledTicks {
		b.log.Error("the disk does not answer: other nodes take over what this one leads", "for", stalledTicks*tickEvery)
	}
	if m.stalled() {
		m.well = b.ticks + wellTicks
	}
}

// tickLeaders hands leaderships over that others should have.
func (b *Broker) tickLeaders(ctx actor.Context) {
	b.watchLog()
	if len(b.peers.byID) == 0 || !b.formed || b.stopping {
		return
	}
	m, cfg := &b.moving, b.config.Load()
	if unfit := b.disk.Full || b.ticks < m.well; unfit != m.unfit {
		m.unfit, m.check = unfit, b.ticks
		b.node.View.SetFit(b.node.View.NodeID, !unfit)
		b.planToTell(ctx)
	}
	if b.ticks >= m.check && len(m.queue) == 0 {
		every := uint64(cfg.LeaderImbalanceCheck / tickEvery)
		if m.unfit {
			every = uint64(time.Second / tickEvery)
		}
		m.check = b.ticks + every
		if m.unfit || cfg.AutoLeaderRebalance {
			m.queue = slices.Sorted(maps.Keys(b.leading))
		}
	}
	for moved := 0; moved < movesPerTick && len(m.queue) > 0; m.queue = m.queue[1:] {
		if g := m.queue[0]; b.handOver(ctx, g) {
			moved++
		}
	}
}

// handOver asks the leader of a group to let another lead, if there is one that should; true: it was asked.
func (b *Broker) handOver(ctx actor.Context, g wal.GroupID) bool {
	l, leads := b.leading[g]
	if !leads {
		return false
	}
	if g == wal.MetaGroup {
		if b.moving.unfit {
			ctx.Send(b.node.View.Metadata(), &message.TransferLeadership{})
		}
		return b.moving.unfit
	}
	ref, ok := b.node.View.Image().ByGroup[g]
	if !ok || len(ref.Partition.TargetVoters) > 0 || b.replicas[g] == nil {
		return false
	}
	to := b.betterLeader(ref.Partition, &l)
	if to != 0 {
		ctx.Send(b.replicas[g].pid, &message.TransferLeadership{To: to})
	}
	return to != 0
}

// betterLeader is the voter that should lead instead of this node; 0: none. Replicas and Voters are in the same order, the
// preferred one first.
func (b *Broker) betterLeader(p *cluster.Partition, l *cluster.Leadership) wal.ReplicaID {
	for i, n := range p.Replicas {
		switch {
		case n == b.node.View.NodeID && !b.moving.unfit:
			return 0
		case n != b.node.View.NodeID && slices.Contains(l.InSync, n) && b.settled(n):
			return p.Voters[i]
		case !b.moving.unfit:
			return 0 // only the preferred one is better than one that is fit
		}
	}
	return 0
}

// settled says that a peer is there for a while and fit to lead; an unfit node waits for nothing.
func (b *Broker) settled(n kafka.NodeID) bool {
	p := b.peers.byID[n]
	if p == nil || p.up == nil || !b.node.View.Fit(n) {
		return false
	}
	quiet := min(wellTicks, uint64(b.config.Load().LeaderImbalanceCheck/tickEvery))
	return b.moving.unfit || b.ticks-p.since >= quiet
}
