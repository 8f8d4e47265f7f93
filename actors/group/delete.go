package group

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/protocol/kerror"
)

// deleteGroup handles one group of DeleteGroups 0-2: only an empty group can be deleted, with all its offsets.
func (g *machine) deleteGroup(c *call) {
	g.enqueue(&op{call: c, decide: func() []record {
		switch {
		case g.state == dead, g.absent():
			g.reply(c, refuse(c.Request, kerror.GroupIDNotFound))
			return nil
		case g.state != empty:
			g.reply(c, refuse(c.Request, kerror.NonEmptyGroup))
			return nil
		}
		g.closing = true
		return g.tombstones()
	}, done: func(code kerror.Code) {
		g.closed(code)
		g.reply(c, refuse(c.Request, groupWriteError(code)))
	}})
}

// closed ends the writing of a group's tombstones.
func (g *machine) closed(code kerror.Code) {
	g.closing = false
	if code == kerror.None {
		g.pending = map[string]time.Time{}
		g.enter(dead)
	}
}

// tombstones removes all that is stored of the group.
func (g *machine) tombstones() []record {
	var records []record
	g.offsets.each(func(topic string, partition int32, _ committed) {
		records = append(records, offsetTombstone(g.id, topic, partition))
	})
	return append(records, groupTombstone(g.id))
}

// deleteOffsets handles OffsetDelete 0: of a group with members only the offsets of topics to which it is not subscribed.
func (g *machine) deleteOffsets(c *call, req *kmsg.OffsetDeleteRequest) {
	var r *kmsg.OffsetDeleteResponse
	g.enqueue(&op{call: c, decide: func() []record {
		switch {
		case g.state == dead, g.absent():
			g.reply(c, refuse(req, kerror.GroupIDNotFound))
			return nil
		case g.state != empty && g.protocolType != consumerProtocolType:
			g.reply(c, refuse(req, kerror.NonEmptyGroup))
			return nil
		}
		var records []record
		r, records = g.deletable(req)
		if len(records) == 0 {
			g.reply(c, r)
		}
		return records
	}, done: func(code kerror.Code) {
		if code != kerror.None {
			g.reply(c, refuse(req, groupWriteError(code)))
			return
		}
		g.reply(c, r)
	}})
}

func (g *machine) deletable(req *kmsg.OffsetDeleteRequest) (*kmsg.OffsetDeleteResponse, []record) {
	r := kmsg.NewPtrOffsetDeleteResponse()
	r.Version = req.Version
	var records []record
	for _, t := range req.Topics {
		x := kmsg.NewOffsetDeleteResponseTopic()
		x.Topic = t.Topic
		for _, p := range t.Partitions {
			y := kmsg.NewOffsetDeleteResponseTopicPartition()
			y.Partition = p.Partition
			if g.subscribedTo(t.Topic) {
				y.ErrorCode = int16(kerror.GroupSubscribedToTopic)
			} else if _, ok := g.offsets.get(t.Topic, p.Partition); ok {
				records = append(records, offsetTombstone(g.id, t.Topic, p.Partition))
			}
			x.Partitions = append(x.Partitions, y)
		}
		r.Topics = append(r.Topics, x)
	}
	return r, records
}

// subscribedTo says whether members read the topic; of consumers whose subscriptions cannot be read, it is assumed.
func (g *machine) subscribedTo(topic string) bool {
	if g.subscribed == nil {
		return g.protocolType == consumerProtocolType && g.state != empty
	}
	return g.subscribed[topic]
}

// forget drops the offsets of deleted topics.
func (g *machine) forget(now time.Time, names []string) {
	g.now = now
	g.enqueue(&op{decide: func() []record {
		var records []record
		for _, topic := range names {
			for _, partition := range g.offsets.partitions(topic) {
				records = append(records, offsetTombstone(g.id, topic, partition))
			}
		}
		return records
	}, done: func(kerror.Code) {}})
	g.settle()
}
