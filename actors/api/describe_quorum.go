package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors/message"
	"chronik/protocol/kerror"
)

// metadataTopic is how Kafka's tools name the metadata log.
const metadataTopicName = "__cluster_metadata"

// describeQuorum answers DescribeQuorum 0-2 (KIP-595) for the metadata log; its leader knows, and is asked for it.
func describeQuorum(c *Call) {
	req := c.Request.(*kmsg.DescribeQuorumRequest)
	resp := kmsg.NewPtrDescribeQuorumResponse()
	fine := ""
	resp.ErrorMessage = &fine
	var asked *kmsg.DescribeQuorumResponseTopicPartition
	for _, t := range req.Topics {
		x := kmsg.NewDescribeQuorumResponseTopic()
		x.Topic = t.Topic
		x.Partitions = make([]kmsg.DescribeQuorumResponseTopicPartition, len(t.Partitions))
		for i, p := range t.Partitions {
			y := &x.Partitions[i]
			*y = kmsg.NewDescribeQuorumResponseTopicPartition()
			y.Partition = p.Partition
			if t.Topic == metadataTopicName && p.Partition == 0 && asked == nil {
				asked = y
			} else {
				y.ErrorCode, y.ErrorMessage = int16(kerror.UnknownTopicOrPartition), nullable(kerror.UnknownTopicOrPartition.Text())
			}
		}
		resp.Topics = append(resp.Topics, x)
	}
	if asked == nil {
		c.Reply(resp)
		return
	}
	var got message.QuorumState
	c.command(message.CmdDescribeQuorum, struct{}{}, false, Patience, &got, func(code kerror.Code, text string) {
		if code != kerror.None {
			asked.ErrorCode, asked.ErrorMessage = int16(kerror.NotLeaderOrFollower), nullable(NoLeaderText)
		} else {
			c.quorum(asked, resp, &got)
		}
		c.Reply(resp)
	})
}

func (c *Call) quorum(out *kmsg.DescribeQuorumResponseTopicPartition, resp *kmsg.DescribeQuorumResponse, r *message.QuorumState) {
	im := c.Image()
	out.LeaderID, out.LeaderEpoch, out.HighWatermark = int32(r.Leader), int32(r.Epoch), r.HighWatermark
	for _, v := range r.Voters {
		n := im.NodeByReplica(v.Replica)
		if n == nil {
			continue
		}
		x := kmsg.NewDescribeQuorumResponseTopicPartitionReplicaState()
		x.ReplicaID, x.ReplicaDirectoryID = int32(n.ID), n.Directory
		x.LogEndOffset, x.LastFetchTimestamp, x.LastCaughtUpTimestamp = v.LogEnd, int64(v.LastFetch), int64(v.LastCaughtUp)
		if v.Learner {
			out.Observers = append(out.Observers, x)
		} else {
			out.CurrentVoters = append(out.CurrentVoters, x)
		}
		node := kmsg.NewDescribeQuorumResponseNode()
		node.NodeID = int32(n.ID)
		if host, port, ok := c.Advertised(n); ok {
			l := kmsg.NewDescribeQuorumResponseNodeListener()
			l.Name, l.Host, l.Port = "PLAINTEXT", host, uint16(port)
			node.Listeners = append(node.Listeners, l)
		}
		resp.Nodes = append(resp.Nodes, node)
	}
}
