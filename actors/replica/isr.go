package replica

import (
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors/cluster"
	"chronik/actors/message"
	"chronik/protocol/kafka"
	"chronik/wal"
)

// inSync is the leader's view of who is in sync: voters whose durable position was at the leader's end within
// replica.lag.time.max.ms. Learners never count.
type inSync struct {
	members   []wal.ReplicaID
	caughtUp  map[wal.ReplicaID]time.Time
	heard     map[wal.ReplicaID]time.Time // when it was last known to be active; Raft forgets that at every election timeout
	marks     map[wal.ReplicaID]mark
	since     time.Time // of the role
	version   uint64
	announced cluster.Leadership
	leading   bool // announced with Leading
}

// mark is where the log ended at some time: who gets there was caught up then. The next one is set when it is reached, so
// that a replica stays in sync however long its way to the end takes, while it gets there in time.
type mark struct {
	end wal.Index
	at  time.Time
}

// reset begins anew with a role: a new leader knows of nobody but itself; who is there answers its first entry at once.
func (s *inSync) reset(r *Replica) {
	s.members, s.caughtUp, s.heard, s.marks = nil, map[wal.ReplicaID]time.Time{}, map[wal.ReplicaID]time.Time{}, map[wal.ReplicaID]mark{}
	s.since = r.now
	if !r.g.Leading() {
		return
	}
	s.members = []wal.ReplicaID{r.self()}
	for _, p := range r.g.Node().Peers() {
		s.marks[p.ID] = mark{r.log.last(), r.now}
	}
}

func (s *inSync) has(id wal.ReplicaID) bool { return slices.Contains(s.members, id) }

// stayed is called when a rest ends: nothing happened, so who was in sync still is, up to now.
func (s *inSync) stayed(r *Replica) {
	for _, id := range s.members {
		s.caughtUp[id], s.heard[id], s.marks[id] = r.now, r.now, mark{r.log.last(), r.now}
	}
}

// silent is how long a follower may be unheard of before an old position of it counts no more: two election timeouts.
const silent = 2 * time.Second

// sweepInSync recomputes the in-sync set on a tick.
func (r *Replica) sweepInSync(ctx actor.Context) {
	if !r.g.Leading() || r.g.Quiesced() {
		return
	}
	s := &r.isr
	limit := r.o.Node.Config().ReplicaLagMax
	var members []wal.ReplicaID
	for _, p := range r.g.Node().Peers() {
		if p.Learner {
			continue
		}
		if p.ID == r.self() {
			members = append(members, p.ID)
			continue
		}
		if p.Active {
			s.heard[p.ID] = r.now
		}
		switch {
		case r.now.Sub(s.heard[p.ID]) > silent: // where it is now is not known
		case p.Match >= r.log.last():
			s.caughtUp[p.ID], s.marks[p.ID] = r.now, mark{r.log.last(), r.now}
		case p.Match >= s.marks[p.ID].end:
			s.caughtUp[p.ID], s.marks[p.ID] = s.marks[p.ID].at, mark{r.log.last(), r.now}
		}
		if r.now.Sub(s.caughtUp[p.ID]) <= limit {
			members = append(members, p.ID)
		}
	}
	if !slices.Equal(members, s.members) {
		s.members = members
		r.announce(ctx)
	}
}

// replicated is the highest index that at least n voters have on disk, this one included.
func (r *Replica) replicated(n int) wal.Index {
	var match []wal.Index
	for _, p := range r.g.Node().Peers() {
		if !p.Learner {
			match = append(match, p.Match)
		}
	}
	slices.Sort(match)
	if len(match) < n {
		return 0
	}
	return match[len(match)-n]
}

// announce tells the broker who leads and who is in sync, when that changed.
func (r *Replica) announce(ctx actor.Context) {
	role := r.g.Role()
	l := cluster.Leadership{Term: role.Term, Leader: kafka.NoNode}
	im := r.o.Node.View.Image()
	if r.g.Leading() {
		l.Leader = r.o.Node.View.NodeID
		for _, m := range r.isr.members {
			if n := im.NodeByReplica(m); n != nil {
				l.InSync = append(l.InSync, n.ID)
			} else if m == r.self() {
				l.InSync = append(l.InSync, r.o.Node.View.NodeID)
			}
		}
	} else if n := im.NodeByReplica(role.Leader); n != nil && role.Leader != 0 {
		l.Leader = n.ID
	}
	leading := r.g.Leading() && r.confirmed
	a := &r.isr.announced
	if a.Term == l.Term && a.Leader == l.Leader && slices.Equal(a.InSync, l.InSync) && r.isr.leading == leading {
		return
	}
	r.isr.version++
	l.Version = r.isr.version
	r.isr.announced, r.isr.leading = l, leading
	ctx.Send(r.o.Node.View.Broker(), &message.LeadershipChanged{Group: r.o.Birth.Group, Name: r.o.Birth.Name, Leadership: l, Leading: leading})
}
