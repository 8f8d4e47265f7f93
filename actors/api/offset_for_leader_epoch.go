package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors/message"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
)

// offsetForLeaderEpoch answers OffsetForLeaderEpoch 2-4 (KIP-101, KIP-320).
func offsetForLeaderEpoch(c *Call) {
	req := c.Request.(*kmsg.OffsetForLeaderEpochRequest)
	im := c.Image()
	resp := kmsg.NewPtrOffsetForLeaderEpochResponse()
	total := 0
	for i := range req.Topics {
		x := kmsg.NewOffsetForLeaderEpochResponseTopic()
		x.Topic = req.Topics[i].Topic
		x.Partitions = make([]kmsg.OffsetForLeaderEpochResponseTopicPartition, len(req.Topics[i].Partitions))
		total += len(x.Partitions)
		resp.Topics = append(resp.Topics, x)
	}
	arrived := gather(total, func() { c.Reply(resp) })
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			p, out := &req.Topics[i].Partitions[j], &resp.Topics[i].Partitions[j]
			*out = kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			out.Partition, out.LeaderEpoch, out.EndOffset = p.Partition, -1, -1
			_, part, pid, code := c.lookup(im, req.Topics[i].Topic, [16]byte{}, false, p.Partition)
			if part == nil || code != kerror.None {
				out.ErrorCode = int16(code)
				arrived()
				continue
			}
			ask := &message.FindEpochEnd{Current: kafka.LeaderEpoch(p.CurrentLeaderEpoch), Requested: kafka.LeaderEpoch(p.LeaderEpoch)}
			c.Ask(pid, func(r message.ReplyTo) any { ask.ReplyTo = r; return ask }, func(reply any) {
				if r, ok := reply.(*message.FindEpochEndReply); !ok {
					out.ErrorCode = int16(kerror.RequestTimedOut)
				} else if out.ErrorCode = int16(r.Reason); r.Reason == kerror.None {
					out.LeaderEpoch, out.EndOffset = int32(r.Epoch), int64(r.EndOffset)
				}
				arrived()
			})
		}
	}
}
