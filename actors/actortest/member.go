package actortest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/protocol/kerror"
)

const (
	// beat spaces a member's heartbeats. Members are patient enough to be held until a rebalance is complete, and less than a
	// client waits for an answer.
	beat             = 300 * time.Millisecond
	sessionMillis    = 6000
	rebalanceMillis  = 2000
	groupMembers     = 3
	leavesOneOutOf   = 40 // heartbeats
	rebalancingGroup = "rebalancing"
)

// Group is a classic consumer group whose members join, are assigned partitions by their leader, beat, and leave and come again at
// random, through all faults. In each generation a partition belongs to at most one member, and the generations that a member is
// assigned partitions in only rise.
type Group struct {
	Rebalances int // generations that somebody was assigned partitions in

	w       *Workload
	members []*groupMember
	owners  map[int32]map[int32]string // generation → partition → member id
}

type groupMember struct {
	g          *Group
	name       string
	client     *Client
	addr       string
	instance   *string // of a static member (KIP-345)
	id         string
	generation int32
	synced     int32 // the last generation that it was assigned partitions in; what was only joined may be forgotten
	owned      []int32
	stable     bool
}

// NewGroup starts one, the first member a static one.
func NewGroup(w *Workload) *Group {
	g := &Group{w: w, owners: map[int32]map[int32]string{}}
	for i := range groupMembers {
		m := &groupMember{g: g, name: fmt.Sprintf("member-%d", i), client: w.c.NewClient(fmt.Sprintf("member-%d", i)), generation: -1}
		if i == 0 {
			m.instance = &m.name
		}
		g.members = append(g.members, m)
		m.join()
	}
	return g
}

// stuck says what keeps the group from being stable, with every partition assigned; "" when it is.
func (g *Group) stuck() string {
	owned := map[int32]bool{}
	for _, m := range g.members {
		if !m.stable || m.generation != g.members[0].generation {
			return fmt.Sprintf("%s: generation %d, stable %v, at %q", m.name, m.generation, m.stable, m.addr)
		}
		for _, p := range m.owned {
			owned[p] = true
		}
	}
	if len(owned) < g.w.partitions {
		return fmt.Sprintf("generation %d of the group owns %d partitions", g.members[0].generation, len(owned))
	}
	return ""
}

func (m *groupMember) again(f func()) {
	m.addr, m.stable = "", false
	m.g.w.c.After(pause, f)
}

// at runs f once the coordinator is known.
func (m *groupMember) at(f func()) {
	if m.addr != "" {
		f()
		return
	}
	m.client.coordinator(rebalancingGroup, func(addr string) {
		if m.addr = addr; addr == "" {
			m.again(func() { m.at(f) })
			return
		}
		f()
	})
}

// failed deals with what a coordinator refuses; true: code is no error.
func (m *groupMember) failed(code kerror.Code, err error, f func()) bool {
	if err == nil && code == kerror.None {
		return false
	}
	switch code {
	case kerror.RebalanceInProgress, kerror.IllegalGeneration:
		f = m.join
	case kerror.UnknownMemberID, kerror.FencedInstanceID:
		m.id, m.generation, f = "", -1, m.join
	default:
		if err == nil && !code.Retriable() && code != kerror.RequestTimedOut {
			m.g.w.c.Fail("%s: %v", m.name, code)
			return true
		}
	}
	m.again(func() { m.at(f) })
	return true
}

func (m *groupMember) join() {
	m.stable = false
	if m.addr == "" {
		m.at(m.join)
		return
	}
	req := kmsg.NewPtrJoinGroupRequest()
	req.Version, req.Group, req.MemberID, req.InstanceID, req.ProtocolType = 7, rebalancingGroup, m.id, m.instance, "consumer"
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = sessionMillis, rebalanceMillis
	p := kmsg.NewJoinGroupRequestProtocol()
	p.Name = "in turn"
	req.Protocols = append(req.Protocols, p)
	m.client.Ask(m.addr, req, func(r kmsg.Response, err error) {
		var code kerror.Code
		x, _ := r.(*kmsg.JoinGroupResponse)
		if x != nil {
			code = kerror.Code(x.ErrorCode)
		}
		if code == kerror.MemberIDRequired {
			m.id = x.MemberID
			m.join()
			return
		}
		if m.failed(code, err, m.join) {
			return
		}
		m.id, m.generation = x.MemberID, x.Generation
		m.sync(x)
	})
}

// sync hands in the assignment, when this member leads, and takes its own.
func (m *groupMember) sync(x *kmsg.JoinGroupResponse) {
	req := kmsg.NewPtrSyncGroupRequest()
	req.Version, req.Group, req.Generation, req.MemberID, req.InstanceID = 5, rebalancingGroup, m.generation, m.id, m.instance
	kind, protocol := "consumer", "in turn"
	req.ProtocolType, req.Protocol = &kind, &protocol
	if x.LeaderID == m.id {
		for i := range x.Members {
			a := kmsg.NewSyncGroupRequestGroupAssignment()
			a.MemberID = x.Members[i].MemberID
			var own []string
			for p := i; p < m.g.w.partitions; p += len(x.Members) {
				own = append(own, strconv.Itoa(p))
			}
			a.MemberAssignment = []byte(strings.Join(own, ","))
			req.GroupAssignment = append(req.GroupAssignment, a)
		}
	}
	m.client.Ask(m.addr, req, func(r kmsg.Response, err error) {
		var code kerror.Code
		y, _ := r.(*kmsg.SyncGroupResponse)
		if y != nil {
			code = kerror.Code(y.ErrorCode)
		}
		if m.failed(code, err, m.join) {
			return
		}
		m.assigned(string(y.MemberAssignment))
	})
}

func (m *groupMember) assigned(text string) {
	if m.generation < m.synced {
		m.g.w.c.Fail("%s was assigned partitions in generation %d and is in %d now", m.name, m.synced, m.generation)
		return
	}
	m.owned, m.synced = nil, m.generation
	owners := m.g.owners[m.generation]
	if owners == nil {
		owners = map[int32]string{}
		m.g.owners[m.generation] = owners
		m.g.Rebalances++
	}
	for _, s := range strings.FieldsFunc(text, func(c rune) bool { return c == ',' }) {
		p, err := strconv.Atoi(s)
		if err != nil {
			m.g.w.c.Fail("%s was assigned %q", m.name, text)
			return
		}
		if other, ok := owners[int32(p)]; ok && other != m.id && m.instance == nil { // a static member keeps its place under a new id
			m.g.w.c.Fail("generation %d: partition %d belongs to %s and to %s", m.generation, p, other, m.id)
			return
		}
		owners[int32(p)] = m.id
		m.owned = append(m.owned, int32(p))
	}
	slices.Sort(m.owned)
	m.stable = true
	m.g.w.c.After(beat, m.beat)
}

func (m *groupMember) beat() {
	if !m.g.w.stopped && m.instance == nil && m.g.w.c.Rand.IntN(leavesOneOutOf) == 0 {
		m.leave()
		return
	}
	req := kmsg.NewPtrHeartbeatRequest()
	req.Version, req.Group, req.Generation, req.MemberID, req.InstanceID = 4, rebalancingGroup, m.generation, m.id, m.instance
	m.at(func() {
		m.client.Ask(m.addr, req, func(r kmsg.Response, err error) {
			var code kerror.Code
			if x, ok := r.(*kmsg.HeartbeatResponse); ok {
				code = kerror.Code(x.ErrorCode)
			}
			if !m.failed(code, err, m.beat) {
				m.stable = true
				m.g.w.c.After(beat, m.beat)
			}
		})
	})
}

// leave leaves the group, and comes again as somebody new. An answer that is lost does not matter: the session ends.
func (m *groupMember) leave() {
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Version, req.Group = 3, rebalancingGroup
	x := kmsg.NewLeaveGroupRequestMember()
	x.MemberID = m.id
	req.Members = append(req.Members, x)
	m.client.Ask(m.addr, req, func(kmsg.Response, error) {
		m.id, m.generation = "", -1
		m.again(m.join)
	})
}
