package group

import (
	"time"

	"chronik/protocol/kerror"
)

// expireOffsets drops what offsets.retention.minutes has made obsolete, and the group itself when nothing is left of it.
//
// An offset expires by its own deadline when its commit asked for one. Else: of a group without members, after the
// retention from when it became empty (from its commit, of a group that never had members); of a consumer group with
// members, after the retention from its commit, if nobody is subscribed to its topic (KIP-211, KIP-496).
func (g *machine) expireOffsets() {
	g.enqueue(&op{decide: func() []record {
		if g.state == dead {
			return nil
		}
		var records []record
		g.offsets.each(func(topic string, partition int32, c committed) {
			if g.expired(topic, c) {
				records = append(records, offsetTombstone(g.id, topic, partition))
			}
		})
		if g.state == empty && len(records) == g.offsets.count() && len(g.pending) == 0 {
			if g.stored != nil {
				records = append(records, groupTombstone(g.id))
			}
			if len(records) > 0 {
				g.closing = true
			}
		}
		return records
	}, done: func(code kerror.Code) {
		if g.closing {
			g.closed(code)
		}
	}})
}

func (g *machine) expired(topic string, c committed) bool {
	if c.ExpireAt != noExpiry {
		return g.now.UnixMilli() >= c.ExpireAt
	}
	base := time.UnixMilli(c.CommittedAt)
	switch {
	case g.protocolType == "":
	case g.state == empty:
		if !g.since.IsZero() {
			base = g.since
		}
	case g.state == stable && g.protocolType == consumerProtocolType && g.subscribed != nil:
		if g.subscribed[topic] {
			return false
		}
	default:
		return false
	}
	return g.now.Sub(base) >= g.limits().retention
}
