package group

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// restore builds the soft state from the persistent state after the log was replayed: a group that was stored with members
// is Stable, and each has a session timeout to show up.
func (g *machine) restore(now time.Time) {
	g.now = now
	g.expiryAt = now.Add(g.limits().retentionCheck)
	g.due(g.expiryAt)
	if g.stored == nil {
		return
	}
	v := g.stored
	g.protocolType, g.generation, g.protocol = v.ProtocolType, v.Generation, v.Protocol
	if v.CurrentStateTimestamp >= 0 {
		g.since = time.UnixMilli(v.CurrentStateTimestamp)
	}
	for i := range v.Members {
		g.restoreMember(&v.Members[i])
	}
	g.leader = ""
	if len(g.members) == 0 {
		g.subscribed = map[string]bool{}
		return
	}
	g.leader = g.members[0].id
	if v.Leader != nil && g.byID[*v.Leader] != nil {
		g.leader = *v.Leader
	}
	g.state = stable
	g.subscribed = g.subscriptions()
	if limit := g.limits().maxSize; limit > 0 && len(g.members) > limit {
		g.rebalance()
	}
}

func (g *machine) restoreMember(x *kmsg.GroupMetadataValueMember) {
	m := &member{
		id: x.MemberID, instance: x.InstanceID, clientID: x.ClientID, clientHost: x.ClientHost,
		rebalanceTimeout: millis(x.RebalanceTimeoutMillis), sessionTimeout: millis(x.SessionTimeoutMillis),
		protocols:  []protocol{{name: g.protocolName(), metadata: x.Subscription}},
		assignment: x.Assignment,
	}
	if x.RebalanceTimeoutMillis < 0 { // value version 0 has none
		m.rebalanceTimeout = m.sessionTimeout
	}
	g.add(m)
	g.alive(m)
}

// begin starts a group that did not exist before.
func (g *machine) begin(now time.Time) {
	g.now = now
	g.expiryAt = now.Add(g.limits().retentionCheck)
	g.due(g.expiryAt)
}
