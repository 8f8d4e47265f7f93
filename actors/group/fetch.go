package group

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/protocol/kerror"
)

// read parks a call until a read barrier has confirmed that what we know is the newest that was acknowledged.
func (g *machine) read(c *call) {
	g.reads = append(g.reads, c)
	g.park(c)
}

// barrierPassed answers the reads that waited for this barrier. One that was given up long ago confirms nothing.
func (g *machine) barrierPassed(now time.Time, number uint64, code kerror.Code) {
	g.now = now
	if number != g.barrier {
		return
	}
	calls := g.confirmed
	g.confirmed = nil
	for _, c := range calls {
		if code != kerror.None {
			g.reply(c, refuse(c.Request, kerror.NotCoordinator))
			continue
		}
		switch req := c.Request.(type) {
		case *kmsg.OffsetFetchRequest:
			g.reply(c, g.offsetsOf(req))
		case *kmsg.DescribeGroupsRequest:
			g.reply(c, g.description(req))
		default:
			panic("BUG: a call that is no read waited for a barrier")
		}
	}
	g.settle()
}

// fetchOffsets handles OffsetFetch in the form of version 8 or later with exactly one group; the caller has put topic
// names, and ids when known, into it. With RequireStable what is being written when it arrives is waited for (KIP-447).
func (g *machine) fetchOffsets(c *call, req *kmsg.OffsetFetchRequest) {
	if !req.RequireStable {
		g.read(c)
		return
	}
	g.afterWrites(c, func() { g.read(c) })
}

// offsetsOf answers with the committed offsets asked for, or with all of them when no topics are named. An offset of an
// earlier topic of the same name is none.
func (g *machine) offsetsOf(req *kmsg.OffsetFetchRequest) *kmsg.OffsetFetchResponse {
	r := kmsg.NewPtrOffsetFetchResponse()
	r.Version = req.Version
	out := kmsg.NewOffsetFetchResponseGroup()
	out.Group = g.id
	if topics := req.Groups[0].Topics; topics != nil {
		for _, t := range topics {
			x := kmsg.NewOffsetFetchResponseGroupTopic()
			x.Topic, x.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				v, ok := g.offsets.get(t.Topic, p)
				if ok && otherTopic(v.TopicID, t.TopicID) {
					ok = false
				}
				x.Partitions = append(x.Partitions, fetched(p, v, ok))
			}
			out.Topics = append(out.Topics, x)
		}
	} else {
		for _, topic := range g.offsets.topics() {
			x := kmsg.NewOffsetFetchResponseGroupTopic()
			x.Topic = topic
			for _, p := range g.offsets.partitions(topic) {
				v, _ := g.offsets.get(topic, p)
				x.TopicID = v.TopicID
				x.Partitions = append(x.Partitions, fetched(p, v, true))
			}
			out.Topics = append(out.Topics, x)
		}
	}
	r.Groups = append(r.Groups, out)
	return r
}

func otherTopic(a, b [16]byte) bool {
	none := [16]byte{}
	return a != b && a != none && b != none
}

func fetched(partition int32, v committed, ok bool) kmsg.OffsetFetchResponseGroupTopicPartition {
	x := kmsg.NewOffsetFetchResponseGroupTopicPartition()
	metadata := v.Metadata
	x.Partition, x.Offset, x.LeaderEpoch, x.Metadata = partition, v.Offset, v.LeaderEpoch, &metadata
	if !ok {
		none := ""
		x.Offset, x.LeaderEpoch, x.Metadata = -1, -1, &none
	}
	return x
}
