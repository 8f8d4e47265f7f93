package replica

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors/message"
)

// maxRest is how long a replica does without a tick at most.
const maxRest = time.Minute

// Calm implements raftgroup.Machine: no reassignment is under way, and who can be reached and who is in sync are the same, so
// that the in-sync set does not change while nothing happens.
func (r *Replica) Calm() bool {
	if r.o.Target != nil || !r.confirmed {
		return false
	}
	for _, p := range r.g.Node().Peers() {
		if p.Learner || p.ID == r.self() {
			continue
		}
		if in := r.isr.has(p.ID); in != (r.o.Node.Link(p.ID) != nil) {
			return false
		}
	}
	return true
}

// Woken implements raftgroup.Machine.
func (r *Replica) Woken() {
	r.now = r.o.Node.Env.Clock.Now()
	if r.g.Leading() {
		r.isr.stayed(r)
	}
}

// resting says whether the replica needs no ticks for now: its group is quiesced, and nobody waits here for time to pass.
func (r *Replica) resting() bool {
	return r.g.Quiesced() && len(r.parked)+len(r.waiters)+len(r.deletes)+len(r.lookups)+len(r.barriers.asked) == 0 && r.copy == nil && !r.flush.busy && !r.closing
}

// keepTime asks the broker for ticks, or for none until the next sweep.
func (r *Replica) keepTime(ctx actor.Context) {
	if r.g.Quiesced() && r.g.Leading() && !r.Calm() { // the message brought work that time has a part in, as a reassignment
		r.g.Wake()
	}
	_, tick := ctx.Message().(*message.Tick)
	switch resting := r.resting(); {
	case r.rests && !resting:
		r.rests, r.now = false, r.o.Node.Env.Clock.Now()
		ctx.Send(r.o.Node.View.Broker(), &message.ReplicaWakes{Group: r.o.Birth.Group})
	case tick && resting:
		rest := maxRest
		if r.g.Leading() {
			rest = min(rest, r.lastSweep.Add(r.o.Node.Config().RetentionCheck).Sub(r.now))
		}
		r.rests = true
		ctx.Send(r.o.Node.View.Broker(), &message.ReplicaRests{Group: r.o.Birth.Group, For: rest})
	}
}
