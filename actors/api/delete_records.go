package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors/message"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
)

// deleteRecords answers DeleteRecords 0-2.
func deleteRecords(c *Call) {
	req := c.Request.(*kmsg.DeleteRecordsRequest)
	im := c.Image()
	resp := kmsg.NewPtrDeleteRecordsResponse()
	total := 0
	for i := range req.Topics {
		x := kmsg.NewDeleteRecordsResponseTopic()
		x.Topic = req.Topics[i].Topic
		x.Partitions = make([]kmsg.DeleteRecordsResponseTopicPartition, len(req.Topics[i].Partitions))
		total += len(x.Partitions)
		resp.Topics = append(resp.Topics, x)
	}
	timeout := millis(req.TimeoutMillis)
	deadline := c.Now().Add(timeout)
	arrived := gather(total, func() { c.Reply(resp) })
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			p, out := &req.Topics[i].Partitions[j], &resp.Topics[i].Partitions[j]
			*out = kmsg.NewDeleteRecordsResponseTopicPartition()
			out.Partition, out.LowWatermark = p.Partition, -1
			t, part, pid, code := c.lookup(im, req.Topics[i].Topic, [16]byte{}, false, p.Partition)
			if code == kerror.None && t.Internal {
				code = kerror.InvalidTopicException
			}
			if part == nil || code != kerror.None {
				out.ErrorCode = int16(code)
				arrived()
				continue
			}
			ask := &message.DeleteRecords{Before: kafka.Offset(p.Offset), Deadline: deadline}
			c.AskWithin(timeout+grace, pid, func(r message.ReplyTo) any { ask.ReplyTo = r; return ask }, func(reply any) {
				if r, ok := reply.(*message.DeleteRecordsReply); !ok {
					out.ErrorCode = int16(kerror.RequestTimedOut)
				} else if out.ErrorCode = int16(r.Reason); r.Reason == kerror.None {
					out.LowWatermark = int64(r.LogStart)
				}
				arrived()
			})
		}
	}
}
