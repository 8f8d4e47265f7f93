package group

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/protocol/kerror"
)

// joinGroup handles JoinGroup 0-9.
//
// Version notes: 0 has no rebalance timeout. 4 makes new dynamic members ask twice (KIP-394). 5 adds static members
// (KIP-345). 8 adds a reason (KIP-800), which is for logs only. 9 lets a static member that takes over its own place skip
// the assignment (KIP-814).
func (g *machine) joinGroup(c *call, req *kmsg.JoinGroupRequest) {
	fresh := req.MemberID == ""
	switch {
	case g.state == dead, g.closing:
		g.refuseJoin(c, req.MemberID, kerror.CoordinatorNotAvailable)
	case !fresh && g.vacant():
		g.refuseJoin(c, req.MemberID, kerror.UnknownMemberID)
	case !g.room(req.MemberID):
		delete(g.pending, req.MemberID)
		if m := g.byID[req.MemberID]; m != nil {
			g.remove(m)
		}
		g.refuseJoin(c, "", kerror.GroupMaxSizeReached)
		g.completeJoinIfReady()
	case !g.supports(req.ProtocolType, protocolsOf(req)):
		g.refuseJoin(c, req.MemberID, kerror.InconsistentGroupProtocol)
	case fresh:
		g.joinNew(c, req)
	default:
		g.joinKnown(c, req)
	}
}

// room applies group.max.size. While a rebalance is being prepared only those count that have joined already, so that a
// group that was too large comes back as large as it may be.
func (g *machine) room(id string) bool {
	limit := g.limits().maxSize
	m := g.byID[id]
	switch {
	case limit <= 0, g.state == empty:
		return true
	case g.state == preparing:
		return m != nil && m.join != nil || g.joined() < limit
	default:
		return m != nil || len(g.members) < limit
	}
}

func (g *machine) joinNew(c *call, req *kmsg.JoinGroupRequest) {
	if req.InstanceID != nil {
		id := *req.InstanceID + "-" + g.newID()
		if current, ok := g.static[*req.InstanceID]; ok {
			g.replaceStatic(c, req, g.byID[current], id)
			return
		}
		g.addMember(c, req, id)
		return
	}
	id := c.ClientID + "-" + g.newID()
	if req.Version >= 4 {
		deadline := g.now.Add(millis(req.SessionTimeoutMillis))
		g.pending[id] = deadline
		g.due(deadline)
		g.refuseJoin(c, id, kerror.MemberIDRequired)
		return
	}
	g.addMember(c, req, id)
}

func (g *machine) joinKnown(c *call, req *kmsg.JoinGroupRequest) {
	if _, ok := g.pending[req.MemberID]; ok && req.InstanceID == nil {
		g.addMember(c, req, req.MemberID)
		return
	}
	m, code := g.known(req.MemberID, req.InstanceID)
	if code != kerror.None {
		g.refuseJoin(c, req.MemberID, code)
		return
	}
	same := m.offers(protocolsOf(req))
	switch {
	case g.state == preparing:
		g.rejoin(c, req, m)
	case g.state == completing && same:
		// The answer to its JoinGroup was lost: it gets the same again.
		g.answerJoin(c, m.id, g.leader == m.id, false)
	case g.state == stable && same && g.leader != m.id:
		// It lost track of the generation; a leader that joins again wants a new assignment instead.
		g.answerJoin(c, m.id, false, false)
	case g.state == completing, g.state == stable:
		g.rejoin(c, req, m)
	default:
		g.refuseJoin(c, req.MemberID, kerror.UnknownMemberID)
	}
}

// addMember takes a new member in and has it wait for the next generation.
func (g *machine) addMember(c *call, req *kmsg.JoinGroupRequest, id string) {
	if len(g.members) == 0 {
		g.protocolType = req.ProtocolType
	}
	m := &member{id: id, instance: req.InstanceID, clientID: c.ClientID, clientHost: c.ClientHost, join: c, unknown: true}
	m.update(req)
	if g.state == preparing && g.previous == empty {
		g.newcomers = true
	}
	g.add(m)
	g.expect(m, newMemberJoinTimeout)
	g.rebalance()
}

// rejoin has a known member wait for the next generation.
func (g *machine) rejoin(c *call, req *kmsg.JoinGroupRequest, m *member) {
	g.supersede(m)
	m.update(req)
	m.join = c
	g.alive(m)
	g.rebalance()
}

// supersede answers what a member has parked when it asks anew, on another connection.
func (g *machine) supersede(m *member) {
	if m.join != nil {
		g.refuseJoin(m.join, m.id, kerror.RebalanceInProgress)
		m.join = nil
	}
	if m.sync != nil {
		g.reply(m.sync, refuse(m.sync.Request, kerror.RebalanceInProgress))
		m.sync = nil
	}
}

// replaceStatic gives the place of a static member to its new incarnation, under a new member id; the old one is fenced.
// In a stable group whose protocol does not change, this causes no rebalance.
func (g *machine) replaceStatic(c *call, req *kmsg.JoinGroupRequest, m *member, id string) {
	old := *m
	oldLeader := g.leader
	g.fence(m)
	g.rename(m, id)
	m.clientID, m.clientHost = c.ClientID, c.ClientHost
	m.update(req)
	g.alive(m)
	switch {
	case g.state == stable && g.elect() == g.protocolName():
		g.storeReplacement(c, m, &old, oldLeader)
	case g.state == preparing:
		m.join = c
		g.completeJoinIfReady()
	default:
		// In CompletingRebalance the leader may be assigning to the old id already: everybody starts again.
		m.join = c
		g.rebalance()
	}
}

// fence answers what a static member's old incarnation has parked.
func (g *machine) fence(m *member) {
	if m.join != nil {
		g.refuseJoin(m.join, m.id, kerror.FencedInstanceID)
	}
	if m.sync != nil {
		g.reply(m.sync, refuse(m.sync.Request, kerror.FencedInstanceID))
	}
	m.join, m.sync, m.unknown = nil, nil, false
}

// rename changes a static member's id in every place.
func (g *machine) rename(m *member, id string) {
	delete(g.byID, m.id)
	if g.leader == m.id {
		g.leader = id
	}
	if g.unsynced[m.id] {
		delete(g.unsynced, m.id)
		g.unsynced[id] = true
	}
	m.id = id
	g.byID[id] = m
	g.static[*m.instance] = id
}

// storeReplacement writes the group with the new member id and only then answers; when that fails, the old incarnation
// has its place back.
func (g *machine) storeReplacement(c *call, m *member, old *member, oldLeader string) {
	id, generation := m.id, g.generation
	g.enqueue(&op{call: c, decide: func() []record {
		if g.byID[id] != m || g.state != stable || g.generation != generation {
			// A rebalance began while this waited for its turn: the member joins again.
			g.refuseJoin(c, id, kerror.RebalanceInProgress)
			return nil
		}
		return []record{g.metadataRecord()}
	}, done: func(code kerror.Code) {
		if code != kerror.None {
			if g.byID[id] == m {
				g.rename(m, old.id)
				m.protocols, m.sessionTimeout, m.rebalanceTimeout = old.protocols, old.sessionTimeout, old.rebalanceTimeout
				g.alive(m)
			}
			g.refuseJoin(c, id, groupWriteError(code))
			return
		}
		if g.byID[id] != m {
			g.refuseJoin(c, id, kerror.UnknownMemberID)
			return
		}
		req := c.Request.(*kmsg.JoinGroupRequest)
		if req.Version >= 9 {
			leads := g.leader == id
			g.answerJoin(c, id, leads, leads)
			return
		}
		// Before KIP-814 a returning leader must not find its own id here, or it would assign anew without a rebalance.
		r := g.joinResponse(req.Version, id, false, false)
		r.LeaderID = oldLeader
		g.reply(c, r)
	}})
}

// answerJoin tells a member its generation; the leader learns of all members.
func (g *machine) answerJoin(c *call, id string, withMembers, skip bool) {
	g.reply(c, g.joinResponse(c.Request.GetVersion(), id, withMembers, skip))
}

func (g *machine) joinResponse(version int16, id string, withMembers, skip bool) *kmsg.JoinGroupResponse {
	r := kmsg.NewPtrJoinGroupResponse()
	r.Version = version
	r.Generation, r.MemberID, r.LeaderID, r.SkipAssignment = g.generation, id, g.leader, skip
	protocolType, name := g.protocolType, g.protocolName()
	r.ProtocolType, r.Protocol = &protocolType, &name
	if withMembers {
		for _, m := range g.members {
			x := kmsg.NewJoinGroupResponseMember()
			x.MemberID, x.InstanceID, x.ProtocolMetadata = m.id, m.instance, m.metadata(name)
			r.Members = append(r.Members, x)
		}
	}
	return r
}

func (g *machine) refuseJoin(c *call, id string, code kerror.Code) {
	r := refuse(c.Request, code).(*kmsg.JoinGroupResponse)
	r.MemberID = id
	g.reply(c, r)
}

// joinTimer ends the wait for members. The initial one, of a group that was empty, is put off while newcomers arrive, up
// to the group's rebalance timeout.
type joinTimer struct {
	at        time.Time // zero: not running
	initial   bool
	delay     time.Duration
	remaining time.Duration
}
