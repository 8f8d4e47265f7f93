package replica

import (
	"encoding/json"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	pb "go.etcd.io/raft/v3/raftpb"

	"chronik/actors/message"
	"chronik/actors/raftgroup"
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

// tellAgain spaces what is told to the metadata log.
const tellAgain = time.Second

// driveMembers leads the group to the target of a reassignment, on a tick; the metadata log hears of it last.
func (r *Replica) driveMembers(ctx actor.Context) {
	if r.o.Target == nil || !r.confirmed || !r.g.Lead(ctx, raftgroup.Members{Voters: r.o.Target}) || r.now.Sub(r.told) < tellAgain {
		return
	}
	r.told = r.now
	body, err := json.Marshal(message.Reached{Group: r.o.Birth.Group, Voters: r.o.Target})
	if err != nil {
		panic("BUG: a group's members do not encode: " + err.Error())
	}
	ctx.Send(r.o.Node.View.Metadata(), &message.MetaCommand{Kind: message.CmdReached, Body: body, Deadline: r.now.Add(tellAgain)})
}
