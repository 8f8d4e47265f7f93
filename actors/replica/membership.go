package replica

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	pb "go.etcd.io/raft/v3/raftpb"

	"chronik/actors/message"
	"chronik/raftnode"
	"chronik/wal"
)

// confAt is the group's configuration from an index on.
type confAt struct {
	index wal.Index
	conf  *pb.ConfState
}

// Conf implements raftgroup.Machine.
func (r *Replica) Conf(i wal.Index, conf *pb.ConfState) {
	r.conf = conf
	r.confs = append(r.confs, confAt{i, conf})
	r.members.proposed = 0
}

// confAt is the configuration as of an applied index that is not below what segments hold.
func (r *Replica) confAt(i wal.Index) *pb.ConfState {
	for k := len(r.confs) - 1; k > 0; k-- {
		if r.confs[k].index <= i {
			return r.confs[k].conf
		}
	}
	return r.confs[0].conf
}

// forgetConfs drops those that a newer one in segments replaced.
func (r *Replica) forgetConfs() {
	for len(r.confs) > 1 && r.confs[1].index <= r.log.flushedTo.Index {
		r.confs = r.confs[1:]
	}
}

func (r *Replica) self() wal.ReplicaID { return r.o.Birth.Self }

// membership is the leader's way to the target of a reassignment (Raft thesis, 4.2 and 4.3): who is missing comes as a learner,
// which has no say; once all of them are caught up, one joint change makes them voters and dismisses the others; the metadata
// log hears of it last. Each step follows from the group's own configuration alone, so that any leader goes on with it.
type membership struct {
	proposed   int // ticks since a change was proposed, 0: none is under way
	handedOver time.Time
	told       time.Time
}

const (
	// confPatience is how many ticks a proposed change gets before it is proposed again: Raft drops one without a word when
	// another is not applied yet.
	confPatience = 10
	// closeEnough is how many entries a learner may be behind to become a voter.
	closeEnough = 64
	// sayAgain spaces what is told to the metadata log and what is asked of a successor.
	sayAgain = time.Second
)

// driveMembers takes one step towards the target, on a tick.
func (r *Replica) driveMembers(ctx actor.Context) {
	if r.o.Target == nil || !r.g.Leading() || !r.confirmed {
		return
	}
	if r.members.proposed > 0 {
		if r.members.proposed++; r.members.proposed <= confPatience {
			return
		}
		r.members.proposed = 0
	}
	if len(r.conf.GetVotersOutgoing()) > 0 {
		return // Raft leaves the joint configuration by itself
	}
	voters, learners := idsOf(r.conf.GetVoters()), idsOf(r.conf.GetLearners())
	if c := r.firstStep(voters, learners); c != nil {
		r.members.proposed = 1
		r.g.ProposeConf(ctx, c)
		return
	}
	if !r.caughtUp(learners) || r.handOver(ctx, voters) {
		return
	}
	if c := secondStep(r.o.Target, voters); c != nil {
		r.members.proposed = 1
		r.g.ProposeConf(ctx, c)
		return
	}
	if r.now.Sub(r.members.told) >= sayAgain {
		r.members.told = r.now
		body, err := json.Marshal(message.Reached{Group: r.o.Birth.Group, Voters: voters})
		if err != nil {
			panic("BUG: a group's members do not encode: " + err.Error())
		}
		ctx.Send(r.o.Node.View.Metadata(), &message.MetaCommand{Kind: message.CmdReached, Body: body, Deadline: r.now.Add(sayAgain)})
	}
}

func idsOf(raw []uint64) []wal.ReplicaID {
	out := make([]wal.ReplicaID, len(raw))
	for i, v := range raw {
		out[i] = wal.ReplicaID(v)
	}
	return out
}

// firstStep is the change that makes exactly those learners that the target lacks as voters; nil: they are.
func (r *Replica) firstStep(voters, learners []wal.ReplicaID) *pb.ConfChangeV2 {
	c := &pb.ConfChangeV2{}
	for _, v := range r.o.Target {
		if !slices.Contains(voters, v) && !slices.Contains(learners, v) {
			c.Changes = append(c.Changes, change(pb.ConfChangeAddLearnerNode, v))
		}
	}
	for _, v := range learners {
		if !slices.Contains(r.o.Target, v) {
			c.Changes = append(c.Changes, change(pb.ConfChangeRemoveNode, v))
		}
	}
	if len(c.Changes) == 0 {
		return nil
	}
	return c
}

// secondStep makes the target's learners voters, and dismisses who is not in the target; nil: nothing is left to do.
func secondStep(target, voters []wal.ReplicaID) *pb.ConfChangeV2 {
	c := &pb.ConfChangeV2{}
	for _, v := range target {
		if !slices.Contains(voters, v) {
			c.Changes = append(c.Changes, change(pb.ConfChangeAddNode, v))
		}
	}
	for _, v := range voters {
		if !slices.Contains(target, v) {
			c.Changes = append(c.Changes, change(pb.ConfChangeRemoveNode, v))
		}
	}
	if len(c.Changes) == 0 {
		return nil
	}
	return c
}

func change(t pb.ConfChangeType, id wal.ReplicaID) *pb.ConfChangeSingle {
	n := uint64(id)
	return &pb.ConfChangeSingle{Type: &t, NodeId: &n}
}

// caughtUp says whether all learners are about where the log ends.
func (r *Replica) caughtUp(learners []wal.ReplicaID) bool {
	for _, p := range r.g.Node().Peers() {
		if slices.Contains(learners, p.ID) && (!p.Active || p.Snapshotting || p.Match+closeEnough < r.log.last()) {
			return false
		}
	}
	return true
}

// handOver moves the leadership away from a replica that the target does not name, while there is a voter that it does name;
// without one the joint change goes ahead, and the group elects anew after it. True: wait.
func (r *Replica) handOver(ctx actor.Context, voters []wal.ReplicaID) bool {
	if slices.Contains(r.o.Target, r.self()) {
		return false
	}
	var best *raftnode.Peer
	for _, p := range r.g.Node().Peers() {
		if p.Active && slices.Contains(voters, p.ID) && slices.Contains(r.o.Target, p.ID) && (best == nil || p.Match > best.Match) {
			best = &p
		}
	}
	if best == nil {
		return false
	}
	if r.now.Sub(r.members.handedOver) >= sayAgain {
		r.members.handedOver = r.now
		r.g.Transfer(ctx, best.ID)
	}
	return true
}
