package group

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/protocol/kerror"
)

// rebalance begins one when the state allows, else it ends the one under way if everybody has joined.
func (g *machine) rebalance() {
	if preparing.mayFollow(g.state) {
		g.prepare()
	} else {
		g.completeJoinIfReady()
	}
}

func (g *machine) prepare() {
	if g.state == completing {
		g.dropAssignments(kerror.RebalanceInProgress)
	}
	g.syncDeadline = time.Time{}
	if g.state == empty {
		delay := g.limits().initialDelay
		g.enter(preparing)
		g.newcomers = false
		g.startJoinTimer(joinTimer{initial: true, delay: delay, remaining: max(g.rebalanceTimeout()-delay, 0)})
		return
	}
	g.enter(preparing)
	if g.allJoined() {
		g.completeJoin()
		return
	}
	g.startJoinTimer(joinTimer{delay: g.rebalanceTimeout()})
}

func (g *machine) startJoinTimer(t joinTimer) {
	t.at = g.now.Add(t.delay)
	g.joinTimer = t
	g.due(t.at)
}

// joinTimeUp is called when the join timer runs out.
func (g *machine) joinTimeUp() {
	t := g.joinTimer
	g.joinTimer = joinTimer{}
	if g.state != preparing {
		return
	}
	if t.initial && g.newcomers && t.remaining > 0 {
		g.newcomers = false
		delay := min(g.limits().initialDelay, t.remaining)
		g.startJoinTimer(joinTimer{initial: true, delay: delay, remaining: max(t.remaining-delay, 0)})
		return
	}
	g.completeJoin()
}

// completeJoinIfReady ends a rebalance that waits for nobody any more; the initial one always lasts its delay.
func (g *machine) completeJoinIfReady() {
	if g.state == preparing && g.previous != empty && g.allJoined() {
		g.completeJoin()
	}
}

// completeJoin begins the next generation with those that have joined. Dynamic members that have not are removed; static
// ones stay until their session ends.
func (g *machine) completeJoin() {
	g.joinTimer = joinTimer{}
	for _, m := range append([]*member(nil), g.members...) {
		if m.join == nil && !m.static() {
			g.remove(m)
		}
	}
	if len(g.members) > 0 && !g.electLeader() {
		// Only static members, and none has joined: their sessions decide.
		g.startJoinTimer(joinTimer{delay: g.rebalanceTimeout()})
		return
	}
	g.generation++
	g.unsynced = map[string]bool{}
	if len(g.members) == 0 {
		g.protocol, g.subscribed = nil, map[string]bool{}
		g.enter(empty)
		g.storeEmpty()
		return
	}
	name := g.elect()
	g.protocol = &name
	g.subscribed = g.subscriptions()
	g.enter(completing)
	for _, m := range g.members {
		if m.join != nil {
			g.answerJoin(m.join, m.id, m.id == g.leader, false)
		}
		m.join, m.unknown = nil, false
		g.alive(m)
		g.unsynced[m.id] = true
	}
	g.syncDeadline = g.now.Add(g.rebalanceTimeout())
	g.due(g.syncDeadline)
}

// electLeader keeps the leader if it has joined, else takes the first that has; false when nobody has.
func (g *machine) electLeader() bool {
	if l := g.byID[g.leader]; l != nil && l.join != nil {
		return true
	}
	for _, m := range g.members {
		if m.join != nil {
			g.leader = m.id
			return true
		}
	}
	return false
}

// dropAssignments forgets the generation's assignment and answers everybody who waits for it.
func (g *machine) dropAssignments(code kerror.Code) {
	for _, m := range g.members {
		m.assignment = nil
		g.answerSync(m, code)
	}
}

// giveAssignments answers everybody who waits for the assignment, once it is stored.
func (g *machine) giveAssignments() {
	for _, m := range g.members {
		g.answerSync(m, kerror.None)
	}
}

func (g *machine) answerSync(m *member, code kerror.Code) {
	if m.sync == nil {
		return
	}
	if code == kerror.None {
		g.reply(m.sync, g.syncResponse(m.sync.Request.GetVersion(), m))
	} else {
		g.reply(m.sync, refuse(m.sync.Request, code))
	}
	m.sync = nil
	g.alive(m)
}

// subscriptions is the union of the topics that a consumer group's members subscribe to; nil when it cannot be told.
func (g *machine) subscriptions() map[string]bool {
	if g.protocolType != consumerProtocolType || g.protocol == nil {
		return nil
	}
	topics := map[string]bool{}
	for _, m := range g.members {
		var s kmsg.ConsumerMemberMetadata
		if err := s.ReadFrom(m.metadata(*g.protocol)); err != nil {
			return nil
		}
		for _, t := range s.Topics {
			topics[t] = true
		}
	}
	return topics
}

// storeEmpty records that the group has no members. The group is Empty whether or not that succeeds: a coordinator that
// loads the older record expects the members again and misses them within a session timeout.
func (g *machine) storeEmpty() {
	generation := g.generation
	g.enqueue(&op{decide: func() []record {
		if g.state != empty || g.generation != generation {
			return nil
		}
		return []record{g.metadataRecord()}
	}, done: func(kerror.Code) {}})
}

// metadataRecord is the group as it is stored: without anything that is parked or timed.
func (g *machine) metadataRecord() record {
	v := kmsg.NewGroupMetadataValue()
	v.Version = groupValueVersion
	v.ProtocolType, v.Generation, v.Protocol, v.CurrentStateTimestamp = g.protocolType, g.generation, g.protocol, -1
	if g.leader != "" {
		leader := g.leader
		v.Leader = &leader
	}
	if !g.since.IsZero() {
		v.CurrentStateTimestamp = g.since.UnixMilli()
	}
	for _, m := range g.members {
		x := kmsg.NewGroupMetadataValueMember()
		x.MemberID, x.InstanceID, x.ClientID, x.ClientHost = m.id, m.instance, m.clientID, m.clientHost
		x.RebalanceTimeoutMillis, x.SessionTimeoutMillis = int32(m.rebalanceTimeout.Milliseconds()), int32(m.sessionTimeout.Milliseconds())
		x.Subscription, x.Assignment = m.metadata(g.protocolName()), m.assignment
		v.Members = append(v.Members, x)
	}
	return groupRecord(g.id, &v)
}
