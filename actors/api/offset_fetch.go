package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors/cluster"
	"chronik/protocol/kerror"
)

// multiGroup is the first version of OffsetFetch that asks for several groups; coordinators are asked in its form.
const multiGroup = 8

// offsetFetch answers OffsetFetch 1-10, one question per group.
func offsetFetch(c *Call) {
	req := c.Request.(*kmsg.OffsetFetchRequest)
	im := c.Image()
	groups := req.Groups
	if req.Version < multiGroup {
		g := kmsg.NewOffsetFetchRequestGroup()
		g.Group = req.Group
		if req.Topics != nil {
			g.Topics = []kmsg.OffsetFetchRequestGroupTopic{}
		}
		for _, t := range req.Topics {
			x := kmsg.NewOffsetFetchRequestGroupTopic()
			x.Topic, x.Partitions = t.Topic, t.Partitions
			g.Topics = append(g.Topics, x)
		}
		groups = []kmsg.OffsetFetchRequestGroup{g}
	}
	out := make([]kmsg.OffsetFetchResponseGroup, len(groups))
	arrived := gather(len(groups), func() { c.Reply(offsetFetchResponse(req.Version, out)) })
	for i := range groups {
		c.fetchGroup(im, req, groups[i], func(g kmsg.OffsetFetchResponseGroup) {
			out[i] = g
			arrived()
		})
	}
}

// fetchGroup asks for one group's offsets, by topic names; what the client named by an unknown id is answered here.
func (c *Call) fetchGroup(im *cluster.Image, req *kmsg.OffsetFetchRequest, g kmsg.OffsetFetchRequestGroup, then func(kmsg.OffsetFetchResponseGroup)) {
	byID := req.Version >= 10
	var unknown []kmsg.OffsetFetchResponseGroupTopic
	if g.Topics != nil {
		topics := []kmsg.OffsetFetchRequestGroupTopic{}
		for _, t := range g.Topics {
			topic, code := topicOf(im, t.Topic, t.TopicID, byID)
			switch {
			case topic != nil:
				t.Topic, t.TopicID = topic.Name, topic.ID
			case byID:
				unknown = append(unknown, unknownOffsets(t, code))
				continue
			}
			topics = append(topics, t)
		}
		g.Topics = topics
	}
	one := *req
	one.Version, one.Group, one.Topics = max(req.Version, multiGroup), "", nil
	one.Groups = []kmsg.OffsetFetchRequestGroup{g}
	c.askGroupAs(g.Group, &one, Patience, func(r kmsg.Response) {
		x := r.(*kmsg.OffsetFetchResponse).Groups[0]
		if x.ErrorCode == 0 {
			x.Topics = append(unknown, x.Topics...)
		}
		if byID {
			x.Topics = withIDs(im, x.Topics)
		}
		then(x)
	})
}

// withIDs drops, of an answer that names topics by id, those that have none any more.
func withIDs(im *cluster.Image, topics []kmsg.OffsetFetchResponseGroupTopic) (out []kmsg.OffsetFetchResponseGroupTopic) {
	for _, t := range topics {
		if t.TopicID == [16]byte{} {
			known := im.Topics[t.Topic]
			if known == nil {
				continue
			}
			t.TopicID = known.ID
		}
		out = append(out, t)
	}
	return out
}

func unknownOffsets(t kmsg.OffsetFetchRequestGroupTopic, code kerror.Code) kmsg.OffsetFetchResponseGroupTopic {
	x := kmsg.NewOffsetFetchResponseGroupTopic()
	x.Topic, x.TopicID = t.Topic, t.TopicID
	for _, p := range t.Partitions {
		y := kmsg.NewOffsetFetchResponseGroupTopicPartition()
		none := ""
		y.Partition, y.Offset, y.LeaderEpoch, y.Metadata, y.ErrorCode = p, -1, -1, &none, int16(code)
		x.Partitions = append(x.Partitions, y)
	}
	return x
}

// offsetFetchResponse puts the groups' answers into the layout of a version.
func offsetFetchResponse(version int16, groups []kmsg.OffsetFetchResponseGroup) *kmsg.OffsetFetchResponse {
	resp := kmsg.NewPtrOffsetFetchResponse()
	if version >= multiGroup {
		resp.Groups = groups
		return resp
	}
	g := groups[0]
	if version >= 2 {
		resp.ErrorCode = g.ErrorCode
	}
	for _, t := range g.Topics {
		x := kmsg.NewOffsetFetchResponseTopic()
		x.Topic = t.Topic
		for _, p := range t.Partitions {
			y := kmsg.NewOffsetFetchResponseTopicPartition()
			y.Partition, y.Offset, y.LeaderEpoch, y.Metadata, y.ErrorCode = p.Partition, p.Offset, p.LeaderEpoch, p.Metadata, p.ErrorCode
			x.Partitions = append(x.Partitions, y)
		}
		resp.Topics = append(resp.Topics, x)
	}
	return resp
}
