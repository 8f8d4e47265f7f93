package api

import (
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors/cluster"
	meta "chronik/actors/metadata"
	"chronik/protocol/kerror"
)

// maxDescribedPartitions is max.request.partition.size.limit of Apache Kafka.
const maxDescribedPartitions = 2000

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// describeTopicPartitions answers DescribeTopicPartitions 0 (KIP-966): topics by name, a page of partitions at a time.
func describeTopicPartitions(c *Call) {
	req := c.Request.(*kmsg.DescribeTopicPartitionsRequest)
	im := c.Image()
	resp := kmsg.NewPtrDescribeTopicPartitionsResponse()
	names := map[string]bool{}
	for _, t := range req.Topics {
		names[t.Topic] = true
	}
	all := len(req.Topics) == 0
	if all {
		for name := range im.Topics {
			names[name] = true
		}
	}
	var order []string
	for name := range names {
		if req.Cursor == nil || name >= req.Cursor.Topic {
			order = append(order, name)
		}
	}
	slices.Sort(order)
	left := int(min(max(req.ResponsePartitionLimit, 1), maxDescribedPartitions))
	for _, name := range order {
		first := int32(0)
		if req.Cursor != nil && req.Cursor.Topic == name {
			first = max(req.Cursor.Partition, 0)
		}
		t := im.Topics[name]
		if t == nil {
			resp.Topics = append(resp.Topics, unknownTopicPartitions(name))
			continue
		}
		if left == 0 {
			resp.NextCursor = nextCursor(name, first)
			break
		}
		x, next := c.describedTopic(im, t, int(first), left)
		left -= len(x.Partitions)
		resp.Topics = append(resp.Topics, x)
		if next < len(t.Partitions) {
			resp.NextCursor = nextCursor(name, int32(next))
			break
		}
	}
	c.Reply(resp)
}

func nextCursor(topic string, partition int32) *kmsg.DescribeTopicPartitionsResponseNextCursor {
	n := kmsg.NewDescribeTopicPartitionsResponseNextCursor()
	n.Topic, n.Partition = topic, partition
	return &n
}

func unknownTopicPartitions(name string) kmsg.DescribeTopicPartitionsResponseTopic {
	x := kmsg.NewDescribeTopicPartitionsResponseTopic()
	x.Topic, x.ErrorCode, x.AuthorizedOperations = &name, int16(kerror.UnknownTopicOrPartition), topicOperations
	if meta.CheckName(name) != "" {
		x.ErrorCode = int16(kerror.InvalidTopicException)
	}
	return x
}

func (c *Call) describedTopic(im *cluster.Image, t *cluster.Topic, first, limit int) (x kmsg.DescribeTopicPartitionsResponseTopic, next int) {
	x = kmsg.NewDescribeTopicPartitionsResponseTopic()
	x.Topic, x.TopicID, x.IsInternal, x.AuthorizedOperations = &t.Name, t.ID, t.Internal, topicOperations
	next = first
	for ; next < len(t.Partitions) && len(x.Partitions) < limit; next++ {
		p := t.Partitions[next]
		s := c.partitionState(im, p)
		y := kmsg.NewDescribeTopicPartitionsResponseTopicPartition()
		y.ErrorCode, y.Partition, y.LeaderID, y.LeaderEpoch = int16(s.code), int32(p.Index), int32(s.leader), int32(s.epoch)
		y.Replicas, y.ISR, y.OfflineReplicas = s.replicas, s.inSync, s.offline
		y.EligibleLeaderReplicas, y.LastKnownELR = []int32{}, []int32{}
		x.Partitions = append(x.Partitions, y)
	}
	return x, next
}
