package raftgroup

import (
	"slices"

	"github.com/asynkron/protoactor-go/actor"
	pb "go.etcd.io/raft/v3/raftpb"

	"chronik/raftnode"
	"chronik/wal"
)

// Members is where a group's configuration is to be led: these replicas vote, those listen.
type Members struct{ Voters, Learners []wal.ReplicaID }

// membership is the leader's way there. Each step follows from the group's own configuration alone, so that any leader goes on
// with it.
type membership struct {
	proposed int // ticks since a change was proposed, 0: none is under way
	asked    int // ticks until a successor is asked again
}

const (
	// confPatience is how many ticks a proposed change gets before it is proposed again: Raft drops one without a word when
	// another is not applied yet.
	confPatience = 10
	// closeEnough is how many entries a learner may be behind to become a voter.
	closeEnough = 64
	// askAgain is how many ticks a successor gets to take over.
	askAgain = 10
)

// Lead takes one step towards a configuration, on a tick, in a group that this replica leads, and says whether it is reached
// (Raft thesis, 4.2 and 4.3): who is missing comes as a learner, which has no say; once those that are to vote are caught up, one
// joint change makes them voters and dismisses the others.
func (g *Group) Lead(ctx actor.Context, to Members) (reached bool) {
	g.ctx = ctx
	conf := g.rn.Conf()
	if !g.Leading() || len(conf.GetVotersOutgoing()) > 0 { // Raft leaves a joint configuration by itself
		return false
	}
	if g.members.proposed > 0 {
		if g.members.proposed++; g.members.proposed <= confPatience {
			return false
		}
		g.members.proposed = 0
	}
	voters, learners := idsOf(conf.GetVoters()), idsOf(conf.GetLearners())
	changes := invite(to, voters, learners)
	if changes == nil {
		if !g.caughtUp(to, learners) || g.handOver(to, voters) {
			return false
		}
		changes = promote(to, voters)
	}
	if changes == nil {
		return true
	}
	g.members.proposed = 1
	g.Wake()
	_ = g.rn.ProposeConfChange(&pb.ConfChangeV2{Changes: changes}) // what is refused is proposed again
	g.kick()
	return false
}

func idsOf(raw []uint64) []wal.ReplicaID {
	out := make([]wal.ReplicaID, len(raw))
	for i, v := range raw {
		out[i] = wal.ReplicaID(v)
	}
	return out
}

// invite makes learners of those that are no members yet, and sends learners away that are to be none.
func invite(to Members, voters, learners []wal.ReplicaID) (out []*pb.ConfChangeSingle) {
	for _, v := range slices.Concat(to.Voters, to.Learners) {
		if !slices.Contains(voters, v) && !slices.Contains(learners, v) {
			out = append(out, change(pb.ConfChangeAddLearnerNode, v))
		}
	}
	for _, v := range learners {
		if !slices.Contains(to.Voters, v) && !slices.Contains(to.Learners, v) {
			out = append(out, change(pb.ConfChangeRemoveNode, v))
		}
	}
	return out
}

// promote makes voters of the learners that are to vote, and dismisses voters that are not to.
func promote(to Members, voters []wal.ReplicaID) (out []*pb.ConfChangeSingle) {
	for _, v := range to.Voters {
		if !slices.Contains(voters, v) {
			out = append(out, change(pb.ConfChangeAddNode, v))
		}
	}
	for _, v := range voters {
		if !slices.Contains(to.Voters, v) {
			out = append(out, change(pb.ConfChangeRemoveNode, v))
		}
	}
	return out
}

func change(t pb.ConfChangeType, id wal.ReplicaID) *pb.ConfChangeSingle {
	n := uint64(id)
	return &pb.ConfChangeSingle{Type: &t, NodeId: &n}
}

// caughtUp says whether all learners that are to vote are about where the log ends.
func (g *Group) caughtUp(to Members, learners []wal.ReplicaID) bool {
	for _, p := range g.rn.Peers() {
		if slices.Contains(learners, p.ID) && slices.Contains(to.Voters, p.ID) && (!p.Active || p.Snapshotting || p.Match+closeEnough < g.rn.Last()) {
			return false
		}
	}
	return true
}

// handOver moves the leadership away from a replica that is to be dismissed, while there is a voter that stays; without one the
// joint change goes ahead, and the group elects anew after it. True: wait.
func (g *Group) handOver(to Members, voters []wal.ReplicaID) bool {
	if slices.Contains(to.Voters, g.c.Self) {
		return false
	}
	var best *raftnode.Peer
	for _, p := range g.rn.Peers() {
		if p.Active && slices.Contains(voters, p.ID) && slices.Contains(to.Voters, p.ID) && (best == nil || p.Match > best.Match) {
			best = &p
		}
	}
	if best == nil {
		return false
	}
	if g.members.asked--; g.members.asked < 0 {
		g.members.asked = askAgain
		g.Transfer(g.ctx, best.ID)
	}
	return true
}
