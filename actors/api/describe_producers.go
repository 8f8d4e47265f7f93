package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors/message"
	"chronik/protocol/kerror"
)

// describeProducers answers DescribeProducers 0 (KIP-664); leaders know.
func describeProducers(c *Call) {
	req := c.Request.(*kmsg.DescribeProducersRequest)
	im := c.Image()
	resp := kmsg.NewPtrDescribeProducersResponse()
	total := 0
	for i := range req.Topics {
		x := kmsg.NewDescribeProducersResponseTopic()
		x.Topic = req.Topics[i].Topic
		x.Partitions = make([]kmsg.DescribeProducersResponseTopicPartition, len(req.Topics[i].Partitions))
		total += len(x.Partitions)
		resp.Topics = append(resp.Topics, x)
	}
	arrived := gather(total, func() { c.Reply(resp) })
	for i := range req.Topics {
		for j, index := range req.Topics[i].Partitions {
			out := &resp.Topics[i].Partitions[j]
			*out = kmsg.NewDescribeProducersResponseTopicPartition()
			out.Partition = index
			_, part, pid, code := c.lookup(im, req.Topics[i].Topic, [16]byte{}, false, index)
			if part == nil || code != kerror.None {
				out.ErrorCode = int16(code)
				arrived()
				continue
			}
			c.Ask(pid, func(r message.ReplyTo) any { return &message.DescribeReplica{ReplyTo: r, Producers: true} }, func(reply any) {
				r, ok := reply.(*message.DescribeReplicaReply)
				switch {
				case !ok:
					out.ErrorCode = int16(kerror.RequestTimedOut)
				case r.Reason != kerror.None:
					out.ErrorCode = int16(r.Reason)
				case !r.Leader:
					out.ErrorCode = int16(kerror.NotLeaderOrFollower)
				default:
					out.ActiveProducers = activeProducers(r.Producers)
				}
				arrived()
			})
		}
	}
}

func activeProducers(list []message.ProducerInfo) []kmsg.DescribeProducersResponseTopicPartitionActiveProducer {
	out := []kmsg.DescribeProducersResponseTopicPartitionActiveProducer{}
	for _, p := range list {
		x := kmsg.NewDescribeProducersResponseTopicPartitionActiveProducer()
		x.ProducerID, x.ProducerEpoch, x.LastSequence, x.LastTimestamp = int64(p.ID), int32(p.Epoch), int32(p.LastSequence), int64(p.LastTimestamp)
		x.CoordinatorEpoch, x.CurrentTxnStartOffset = p.CoordinatorEpoch, int64(p.CurrentTxnStart)
		out = append(out, x)
	}
	return out
}
