package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/protocol/kerror"
)

// offsetCommit answers OffsetCommit 2-10. Partitions that do not exist are refused here, the others by the coordinator.
func offsetCommit(c *Call) {
	req := c.Request.(*kmsg.OffsetCommitRequest)
	im := c.Image()
	byID := req.Version >= 10
	known := *req
	known.Topics = nil
	var refused []kmsg.OffsetCommitResponseTopic
	for i := range req.Topics {
		t := req.Topics[i]
		topic, code := topicOf(im, t.Topic, t.TopicID, byID)
		var good []kmsg.OffsetCommitRequestTopicPartition
		var bad []kmsg.OffsetCommitResponseTopicPartition
		for _, p := range t.Partitions {
			if topic != nil && partitionOf(topic, p.Partition) != nil {
				good = append(good, p)
				continue
			}
			x := kmsg.NewOffsetCommitResponseTopicPartition()
			x.Partition, x.ErrorCode = p.Partition, int16(code)
			if topic != nil {
				x.ErrorCode = int16(kerror.UnknownTopicOrPartition)
			}
			bad = append(bad, x)
		}
		if len(bad) > 0 || len(t.Partitions) == 0 {
			x := kmsg.NewOffsetCommitResponseTopic()
			x.Topic, x.TopicID, x.Partitions = t.Topic, t.TopicID, bad
			refused = append(refused, x)
		}
		if len(good) > 0 {
			t.Topic, t.TopicID, t.Partitions = topic.Name, topic.ID, good
			known.Topics = append(known.Topics, t)
		}
	}
	if len(known.Topics) == 0 && len(refused) > 0 {
		resp := kmsg.NewPtrOffsetCommitResponse()
		resp.Topics = refused
		c.Reply(resp)
		return
	}
	c.askGroup(req.Group, &known, Patience, func(r kmsg.Response) {
		resp := r.(*kmsg.OffsetCommitResponse)
		out := refused
		for i := range resp.Topics {
			t := &resp.Topics[i]
			if at := committedTopic(out, t, byID); at >= 0 {
				out[at].Partitions = append(out[at].Partitions, t.Partitions...)
			} else {
				out = append(out, *t)
			}
		}
		resp.Topics = out
		c.Reply(resp)
	})
}

func committedTopic(list []kmsg.OffsetCommitResponseTopic, t *kmsg.OffsetCommitResponseTopic, byID bool) int {
	for i := range list {
		if byID && list[i].TopicID == t.TopicID || !byID && list[i].Topic == t.Topic {
			return i
		}
	}
	return -1
}
