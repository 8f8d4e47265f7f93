package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/protocol/kerror"
)

// offsetDelete answers OffsetDelete 0 (KIP-496). Partitions that do not exist are refused here, the others by the
// coordinator.
func offsetDelete(c *Call) {
	req := c.Request.(*kmsg.OffsetDeleteRequest)
	im := c.Image()
	known := *req
	known.Topics = nil
	var refused []kmsg.OffsetDeleteResponseTopic
	for i := range req.Topics {
		t := req.Topics[i]
		topic, _ := topicOf(im, t.Topic, [16]byte{}, false)
		var good []kmsg.OffsetDeleteRequestTopicPartition
		x := kmsg.NewOffsetDeleteResponseTopic()
		x.Topic = t.Topic
		for _, p := range t.Partitions {
			if topic != nil && partitionOf(topic, p.Partition) != nil {
				good = append(good, p)
				continue
			}
			y := kmsg.NewOffsetDeleteResponseTopicPartition()
			y.Partition, y.ErrorCode = p.Partition, int16(kerror.UnknownTopicOrPartition)
			x.Partitions = append(x.Partitions, y)
		}
		if len(x.Partitions) > 0 {
			refused = append(refused, x)
		}
		if len(good) > 0 {
			t.Partitions = good
			known.Topics = append(known.Topics, t)
		}
	}
	c.askGroup(req.Group, &known, Patience, func(r kmsg.Response) {
		resp := r.(*kmsg.OffsetDeleteResponse)
		if resp.ErrorCode == 0 {
			out := refused
			for _, t := range resp.Topics {
				if at := deletedTopic(out, t.Topic); at >= 0 {
					out[at].Partitions = append(out[at].Partitions, t.Partitions...)
				} else {
					out = append(out, t)
				}
			}
			resp.Topics = out
		}
		c.Reply(resp)
	})
}

func deletedTopic(list []kmsg.OffsetDeleteResponseTopic, name string) int {
	for i := range list {
		if list[i].Topic == name {
			return i
		}
	}
	return -1
}
