package group

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/protocol/kerror"
)

// leaveGroup handles LeaveGroup 0-5: one member up to version 2, several from 3 on (KIP-345), where an administrator may
// name a static member by its instance id alone. Version 5 adds a reason (KIP-800).
func (g *machine) leaveGroup(c *call, req *kmsg.LeaveGroupRequest) {
	if g.state == dead {
		g.reply(c, refuse(req, kerror.CoordinatorNotAvailable))
		return
	}
	r := kmsg.NewPtrLeaveGroupResponse()
	r.Version = req.Version
	left := false
	for _, l := range leaving(req) {
		code := g.leave(l.MemberID, l.InstanceID)
		left = left || code == kerror.None
		if req.Version < 3 {
			r.ErrorCode = int16(code)
			continue
		}
		x := kmsg.NewLeaveGroupResponseMember()
		x.MemberID, x.InstanceID, x.ErrorCode = l.MemberID, l.InstanceID, int16(code)
		r.Members = append(r.Members, x)
	}
	if left {
		g.afterRemoval()
	}
	// They have left whatever becomes of the record; but once told, it should survive us.
	g.afterWrites(c, func() { g.reply(c, r) })
}

func leaving(req *kmsg.LeaveGroupRequest) []kmsg.LeaveGroupRequestMember {
	if req.Version >= 3 {
		return req.Members
	}
	m := kmsg.NewLeaveGroupRequestMember()
	m.MemberID = req.MemberID
	return []kmsg.LeaveGroupRequestMember{m}
}

// leave takes one member out; what follows for the group is afterRemoval's.
func (g *machine) leave(id string, instance *string) kerror.Code {
	if id == "" && instance != nil {
		current, ok := g.static[*instance]
		if !ok {
			return kerror.UnknownMemberID
		}
		id = current
	}
	if _, ok := g.pending[id]; ok {
		delete(g.pending, id)
		return kerror.None
	}
	m, code := g.known(id, instance)
	if code == kerror.None {
		g.expel(m)
	}
	return code
}

// expel removes a member and answers what it has parked.
func (g *machine) expel(m *member) {
	if m.join != nil {
		g.refuseJoin(m.join, "", kerror.UnknownMemberID)
	}
	if m.sync != nil {
		g.reply(m.sync, refuse(m.sync.Request, kerror.UnknownMemberID))
	}
	m.join, m.sync = nil, nil
	g.remove(m)
}

// afterRemoval lets the group go on after members have left or were missed.
func (g *machine) afterRemoval() {
	switch g.state {
	case stable, completing:
		g.rebalance()
	case preparing:
		g.completeJoinIfReady()
	}
}
