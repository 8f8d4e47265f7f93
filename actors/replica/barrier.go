package replica

import (
	"maps"
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors/message"
	"chronik/protocol/kerror"
	"chronik/wal"
)

// barriers are the read barriers that wait: for a quorum to confirm the leader, then for the entries up to the confirmed
// commit index to be applied.
type barriers struct {
	asked   map[uint64]message.ReplyTo // by the token of ReadIndex
	waiting []confirmedRead            // confirmed, in order
}

type confirmedRead struct {
	to message.ReplyTo
	at wal.Index
}

// maxBarriers bounds those that wait; coordinators have one each.
const maxBarriers = 100_000

func (r *Replica) readBarrier(ctx actor.Context, m *message.ReadBarrier) {
	if !r.g.Leading() || m.LeaderEpoch != r.epoch() || len(r.barriers.asked) >= maxBarriers {
		answerBarrier(ctx, m.ReplyTo, kerror.NotLeaderOrFollower)
		return
	}
	if r.barriers.asked == nil {
		r.barriers.asked = map[uint64]message.ReplyTo{}
	}
	r.barriers.asked[r.g.ReadIndex(ctx)] = m.ReplyTo
}

func answerBarrier(ctx actor.Context, to message.ReplyTo, code kerror.Code) {
	to.Send(ctx, &message.ReadBarrierReply{Answered: message.Answered{Token: to.Token}, Reason: code})
}

// ReadReady implements raftgroup.Machine.
func (r *Replica) ReadReady(token uint64, index wal.Index) {
	to, ok := r.barriers.asked[token]
	if !ok {
		return
	}
	delete(r.barriers.asked, token)
	r.barriers.waiting = append(r.barriers.waiting, confirmedRead{to, index})
	r.passBarriers(r.context())
}

// passBarriers answers what is confirmed and applied.
func (r *Replica) passBarriers(ctx actor.Context) {
	keep := r.barriers.waiting[:0]
	for _, w := range r.barriers.waiting {
		if w.at > r.g.Applied() {
			keep = append(keep, w)
			continue
		}
		answerBarrier(ctx, w.to, kerror.None)
	}
	clear(r.barriers.waiting[len(keep):])
	r.barriers.waiting = keep
}

// failBarriers answers all of them: this replica leads no more.
func (r *Replica) failBarriers(ctx actor.Context) {
	for _, token := range slices.Sorted(maps.Keys(r.barriers.asked)) {
		answerBarrier(ctx, r.barriers.asked[token], kerror.NotLeaderOrFollower)
	}
	for _, w := range r.barriers.waiting {
		answerBarrier(ctx, w.to, kerror.NotLeaderOrFollower)
	}
	r.barriers = barriers{}
}
