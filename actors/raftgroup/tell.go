package raftgroup

import (
	"fmt"

	"go.etcd.io/raft/v3"

	"chronik/raftnode"
	"chronik/wal"
)

// tell logs what operators look for; the texts are stable.
func (g *Group) tell(was, now raftnode.Role) {
	if g.c.Group == wal.MetaGroup && (was.State != now.State || was.Term != now.Term) {
		g.log.Info(fmt.Sprintf("ready() HAS_READY for %s: raft_state=%s, term=%d", g.c.Name, stateName(now.State), now.Term))
	}
	if now.Leader != 0 && now.Leader != g.leaderSeen {
		g.leaderSeen = now.Leader
		id := int32(now.Leader)
		if n := g.c.Node.View.Image().NodeByReplica(now.Leader); n != nil {
			id = int32(n.ID)
		}
		g.log.Info(fmt.Sprintf("leader=%d for %s", id, g.c.Name), "term", now.Term)
	}
}

func stateName(s raft.StateType) string {
	switch s {
	case raft.StateLeader:
		return "Leader"
	case raft.StateCandidate:
		return "Candidate"
	case raft.StatePreCandidate:
		return "PreCandidate"
	default:
		return "Follower"
	}
}
