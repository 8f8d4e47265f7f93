package group

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/protocol/kerror"
)

// syncGroup handles SyncGroup 0-5. The leader's brings the assignment; it is stored first and then given to all who wait.
//
// Version notes: 3 adds static members (KIP-345), 5 protocol type and name, which must be the generation's when given.
func (g *machine) syncGroup(c *call, req *kmsg.SyncGroupRequest) {
	m, code := g.member(req.MemberID, req.InstanceID, req.Generation)
	switch {
	case code != kerror.None:
	case req.ProtocolType != nil && *req.ProtocolType != g.protocolType, req.Protocol != nil && *req.Protocol != g.protocolName():
		code = kerror.InconsistentGroupProtocol
	case g.state == empty:
		code = kerror.UnknownMemberID
	case g.state == preparing:
		code = kerror.RebalanceInProgress
	}
	if code != kerror.None {
		g.reply(c, refuse(req, code))
		return
	}
	g.synced(m.id)
	g.alive(m)
	if g.state == stable {
		g.reply(c, g.syncResponse(req.Version, m))
		return
	}
	if m.sync != nil {
		g.reply(m.sync, refuse(m.sync.Request, kerror.RebalanceInProgress))
	}
	m.sync = c
	if m.id == g.leader {
		g.storeAssignment(req)
	}
}

// member checks who asks and for which generation.
func (g *machine) member(id string, instance *string, generation int32) (*member, kerror.Code) {
	if g.state == dead {
		return nil, kerror.CoordinatorNotAvailable
	}
	m, code := g.known(id, instance)
	if code == kerror.None && generation != g.generation {
		code = kerror.IllegalGeneration
	}
	return m, code
}

// synced notes that a member has sent SyncGroup; when all have, nobody is waited for.
func (g *machine) synced(id string) {
	delete(g.unsynced, id)
}

// storeAssignment writes the leader's assignment. A member that it leaves out gets an empty one.
func (g *machine) storeAssignment(req *kmsg.SyncGroupRequest) {
	assigned := map[string][]byte{}
	for _, a := range req.GroupAssignment {
		assigned[a.MemberID] = a.MemberAssignment
	}
	generation := g.generation
	current := func() bool { return g.state == completing && g.generation == generation }
	g.enqueue(&op{decide: func() []record {
		if !current() {
			return nil
		}
		for _, m := range g.members {
			m.assignment = assigned[m.id]
		}
		// Stored with the time at which it becomes Stable, which is now but for the append.
		return []record{g.metadataRecord()}
	}, done: func(code kerror.Code) {
		switch {
		case !current():
			// Another rebalance began meanwhile and has answered everybody.
		case code == kerror.None:
			g.enter(stable)
			g.giveAssignments()
		default:
			g.dropAssignments(groupWriteError(code))
			g.rebalance()
		}
	}})
}

func (g *machine) syncResponse(version int16, m *member) *kmsg.SyncGroupResponse {
	r := kmsg.NewPtrSyncGroupResponse()
	r.Version = version
	protocolType, name := g.protocolType, g.protocolName()
	r.ProtocolType, r.Protocol, r.MemberAssignment = &protocolType, &name, m.assignment
	return r
}
