package group

import (
	"slices"
	"time"

	"chronik/protocol/kerror"
)

// consumerProtocolType is what consumers call themselves; only of them do we know how to read subscriptions.
const consumerProtocolType = "consumer"

func (g *machine) add(m *member) {
	if len(g.members) == 0 {
		g.leader = m.id
	}
	g.members = append(g.members, m)
	g.byID[m.id] = m
	if m.static() {
		g.static[*m.instance] = m.id
	}
	delete(g.pending, m.id)
}

// remove takes a member out; its parked calls must have been answered, or are answered by the caller. A leader is
// followed by the member that has been there longest, of those that take part in a rebalance under way if there is one.
func (g *machine) remove(m *member) {
	g.members = slices.DeleteFunc(g.members, func(x *member) bool { return x == m })
	delete(g.byID, m.id)
	delete(g.unsynced, m.id)
	if m.static() && g.static[*m.instance] == m.id {
		delete(g.static, *m.instance)
	}
	if g.leader == m.id {
		g.leader = ""
		if len(g.members) > 0 {
			g.leader = g.members[0].id
		}
	}
}

// known checks a member's identity as Kafka does: first its instance id, then its member id.
func (g *machine) known(id string, instance *string) (*member, kerror.Code) {
	if instance != nil {
		switch current, ok := g.static[*instance]; {
		case !ok:
			return nil, kerror.UnknownMemberID
		case current != id:
			return nil, kerror.FencedInstanceID
		}
	}
	m := g.byID[id]
	if m == nil {
		return nil, kerror.UnknownMemberID
	}
	return m, kerror.None
}

// alive puts off a member's removal by its session timeout.
func (g *machine) alive(m *member) { g.expect(m, m.sessionTimeout) }

func (g *machine) expect(m *member, within time.Duration) {
	m.deadline = g.now.Add(within)
	g.due(m.deadline)
}

// rebalanceTimeout is the longest of all members'.
func (g *machine) rebalanceTimeout() time.Duration {
	var longest time.Duration
	for _, m := range g.members {
		longest = max(longest, m.rebalanceTimeout)
	}
	return longest
}

// supports says whether a member with these protocols can be in the group together with all others.
func (g *machine) supports(protocolType string, ps []protocol) bool {
	if g.state == empty {
		return protocolType != "" && len(ps) > 0
	}
	if protocolType != g.protocolType {
		return false
	}
	return slices.ContainsFunc(ps, func(p protocol) bool { return g.candidate(p.name) })
}

// candidate says whether every member supports the protocol.
func (g *machine) candidate(name string) bool {
	for _, m := range g.members {
		if !m.supports(name) {
			return false
		}
	}
	return true
}

// elect selects the protocol: each member votes for the first of its own that all support. Of equal ones the one that
// was voted for first wins, so that the choice does not depend on map order.
func (g *machine) elect() string {
	votes := map[string]int{}
	best := ""
	var order []string
	for _, m := range g.members {
		for _, p := range m.protocols {
			if g.candidate(p.name) {
				if votes[p.name] == 0 {
					order = append(order, p.name)
				}
				votes[p.name]++
				break
			}
		}
	}
	for _, name := range order {
		if best == "" || votes[name] > votes[best] {
			best = name
		}
	}
	return best
}

// joined counts the members whose JoinGroup is parked.
func (g *machine) joined() int {
	n := 0
	for _, m := range g.members {
		if m.join != nil {
			n++
		}
	}
	return n
}

func (g *machine) allJoined() bool { return g.joined() == len(g.members) && len(g.pending) == 0 }

// protocolName is the protocol of the generation, "" when there is none.
func (g *machine) protocolName() string {
	if g.protocol == nil {
		return ""
	}
	return *g.protocol
}
