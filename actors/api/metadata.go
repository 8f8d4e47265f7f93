package api

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors/cluster"
	"chronik/actors/group"
	"chronik/actors/message"
	meta "chronik/actors/metadata"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
)

// metadata answers Metadata 0-13 from the image and what is known of leaders. An unknown topic is created when client and
// broker allow it; the client is told to come again.
func metadata(c *Call) {
	req := c.Request.(*kmsg.MetadataRequest)
	im := c.Image()
	resp := kmsg.NewPtrMetadataResponse()
	for _, b := range c.brokers(im) {
		x := kmsg.NewMetadataResponseBroker()
		x.NodeID, x.Host, x.Port, x.Rack = int32(b.id), b.host, b.port, b.rack
		resp.Brokers = append(resp.Brokers, x)
	}
	resp.ClusterID = nullable(im.ClusterID)
	resp.ControllerID = int32(c.controller(im))
	resp.AuthorizedOperations = operations(req.IncludeClusterAuthorizedOperations, clusterOperations)
	if req.Topics == nil || req.Version == 0 && len(req.Topics) == 0 {
		for _, t := range sortedTopics(im) {
			resp.Topics = append(resp.Topics, c.metadataTopic(im, t, req))
		}
		c.Reply(resp)
		return
	}
	seen := map[string]bool{}
	for i := range req.Topics {
		t := &req.Topics[i]
		if t.Topic != nil {
			if seen[*t.Topic] {
				continue
			}
			seen[*t.Topic] = true
		}
		resp.Topics = append(resp.Topics, c.metadataFor(im, t, req))
	}
	c.Reply(resp)
}

func sortedTopics(im *cluster.Image) []*cluster.Topic {
	out := make([]*cluster.Topic, 0, len(im.Topics))
	for _, t := range im.Topics {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b *cluster.Topic) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return out
}

// metadataFor answers for one topic that was named, or given by id.
func (c *Call) metadataFor(im *cluster.Image, t *kmsg.MetadataRequestTopic, req *kmsg.MetadataRequest) kmsg.MetadataResponseTopic {
	x := kmsg.NewMetadataResponseTopic()
	x.TopicID, x.Topic = t.TopicID, t.Topic
	if t.Topic == nil {
		found, code := topicOf(im, "", t.TopicID, true)
		if found != nil {
			return c.metadataTopic(im, found, req)
		}
		x.ErrorCode = int16(code)
		return x
	}
	name := *t.Topic
	if found := im.Topics[name]; found != nil {
		return c.metadataTopic(im, found, req)
	}
	x.IsInternal = name == group.TopicName
	switch allowed := req.Version < 4 || req.AllowAutoTopicCreation; {
	case meta.CheckName(name) != "":
		x.ErrorCode = int16(kerror.InvalidTopicException)
	case allowed && c.mayCreate(name):
		c.ensureTopic(name)
		fallthrough
	default:
		x.ErrorCode = int16(kerror.UnknownTopicOrPartition)
	}
	return x
}

// mayCreate says whether a topic is created by being used; the internal one always is.
func (c *Call) mayCreate(name string) bool {
	return c.Config().AutoCreateTopics || name == group.TopicName
}

func (c *Call) ensureTopic(name string) {
	c.Tell(c.View().Broker(), &message.EnsureTopic{Name: name, Internal: name == group.TopicName})
}

func (c *Call) metadataTopic(im *cluster.Image, t *cluster.Topic, req *kmsg.MetadataRequest) kmsg.MetadataResponseTopic {
	x := kmsg.NewMetadataResponseTopic()
	x.Topic, x.TopicID, x.IsInternal = &t.Name, t.ID, t.Internal
	x.AuthorizedOperations = operations(req.IncludeTopicAuthorizedOperations, topicOperations)
	for _, p := range t.Partitions {
		y := kmsg.NewMetadataResponseTopicPartition()
		s := c.partitionState(im, p)
		y.ErrorCode, y.Partition, y.Leader, y.LeaderEpoch = int16(s.code), int32(p.Index), int32(s.leader), int32(s.epoch)
		y.Replicas, y.ISR, y.OfflineReplicas = s.replicas, s.inSync, s.offline
		x.Partitions = append(x.Partitions, y)
	}
	return x
}

// partitionState is what Metadata and DescribeTopicPartitions tell of a partition.
type partitionState struct {
	code                      kerror.Code
	leader                    kafka.NodeID
	epoch                     kafka.LeaderEpoch
	replicas, inSync, offline []int32
}

func (c *Call) partitionState(im *cluster.Image, p *cluster.Partition) partitionState {
	s := partitionState{replicas: ids(p.All()), inSync: []int32{}, offline: []int32{}}
	s.leader, s.epoch = c.leaderOf(im, p.Group)
	if s.leader == kafka.NoNode {
		s.code = kerror.LeaderNotAvailable
	}
	s.inSync = ids(c.View().Leader(p.Group).InSync)
	for _, r := range p.All() {
		if !c.View().Online(r) {
			s.offline = append(s.offline, int32(r))
		}
	}
	return s
}

func ids(nodes []kafka.NodeID) []int32 {
	out := make([]int32, len(nodes))
	for i, n := range nodes {
		out[i] = int32(n)
	}
	return out
}
