package raftgroup

import (
	"bytes"
	"slices"

	pb "go.etcd.io/raft/v3/raftpb"

	"chronik/wal"
)

// A group in which nothing happens costs nothing: after quietTicks its leader tells the followers with one last heartbeat, and
// nobody ticks Raft any more until something comes (CockroachDB calls that quiesced). Meanwhile the links stand for the
// heartbeats: a link that dies wakes every group of that peer. A follower that does not agree goes on ticking, and wakes the
// leader with its pre-vote.
const quietTicks = 20

// quiesceContext marks the last heartbeat. Raft does not see it: it takes a heartbeat's context for the number of a read.
var quiesceContext = []byte("quiesce")

// quiescence is what a replica knows of its group's rest.
type quiescence struct {
	quiesced bool
	quiet    int         // ticks without anything to do, of a leader
	asked    *pb.Message // the leader's last heartbeat, to be agreed to when what came before it is done
}

// Quiesced says that Raft's clock stands still, until something comes.
func (g *Group) Quiesced() bool { return g.rest.quiesced }

// Wake ends the rest, or begins to count anew how long it is quiet.
func (g *Group) Wake() {
	g.rest.quiet, g.rest.asked = 0, nil
	if g.rest.quiesced {
		g.rest.quiesced = false
		g.m.Woken()
	}
}

func lastHeartbeat(m *pb.Message) bool {
	return m.GetType() == pb.MsgHeartbeat && bytes.Equal(m.Context, quiesceContext)
}

func withoutContext(m *pb.Message) *pb.Message {
	return &pb.Message{Type: m.Type, From: m.From, To: m.To, Term: m.Term, Commit: m.Commit}
}

// quiesce ends the ticking of a group that this replica leads, once it was quiet for long enough.
// It looks before the clock is advanced: the next heartbeats are no sign of life.
func (g *Group) quiesce(n int) bool {
	if !g.Leading() || !g.settled() || !g.m.Calm() || !g.followersHaveAll() {
		g.rest.quiet = 0
		return false
	}
	if g.rest.quiet += n; g.rest.quiet < quietTicks {
		return false
	}
	last, term := uint64(g.rn.Last()), uint64(g.role.Term)
	for _, p := range g.rn.Peers() {
		if p.ID == g.c.Self || g.c.Node.Link(p.ID) == nil {
			continue
		}
		from, to := uint64(g.c.Self), uint64(p.ID)
		g.send(&pb.Message{Type: pb.MsgHeartbeat.Enum(), From: &from, To: &to, Term: &term, Index: &last, Commit: &last, Context: quiesceContext})
	}
	g.rest.quiet, g.rest.quiesced = 0, true
	return true
}

// settled says that nothing is under way in this replica.
func (g *Group) settled() bool {
	return len(g.proposed) == 0 && len(g.writing) == 0 && !g.holding && g.campaignIn < 0 && g.members.proposed == 0 && !g.rn.HasReady() && g.applied == g.rn.Last()
}

// followersHaveAll says that everybody who can be reached has the whole log, and that these are a majority. Whoever cannot be
// reached wakes the group when its link comes up.
func (g *Group) followersHaveAll() bool {
	conf := g.rn.Conf()
	if len(conf.GetVotersOutgoing()) > 0 {
		return false
	}
	voters := 0
	for _, p := range g.rn.Peers() {
		reached := p.ID == g.c.Self || g.c.Node.Link(p.ID) != nil
		if reached && (p.Snapshotting || p.Match != g.rn.Last()) {
			return false
		}
		if reached && !p.Learner {
			voters++
		}
	}
	return voters > len(conf.GetVoters())/2
}

// agree is the follower's part, when what came with the last heartbeat is done.
func (g *Group) agree() {
	m := g.rest.asked
	g.rest.asked = nil
	if g.role.Leader == wal.ReplicaID(m.GetFrom()) && uint64(g.role.Term) == m.GetTerm() && uint64(g.rn.Last()) == m.GetIndex() && g.settled() {
		g.rest.quiesced = true
	}
}

// concerns says whether a peer is a member of the group.
func (g *Group) concerns(peer wal.ReplicaID) bool {
	conf := g.rn.Conf()
	for _, ids := range [][]uint64{conf.GetVoters(), conf.GetLearners(), conf.GetVotersOutgoing(), conf.GetLearnersNext()} {
		if slices.ContainsFunc(ids, func(id uint64) bool { return wal.ReplicaID(id).Registration() == peer }) {
			return true
		}
	}
	return false
}
