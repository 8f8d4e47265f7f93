package api

import (
	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors/cluster"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
	"chronik/wal"
)

// NoLeaderText tells a client why its request has to wait, where the version has room for words.
const NoLeaderText = "No leader elected yet"

// topicOf finds a topic by name, or by id when byID. The code is the one of its API generation.
func topicOf(im *cluster.Image, name string, id [16]byte, byID bool) (*cluster.Topic, kerror.Code) {
	if byID {
		if t := im.ByID[kafka.TopicID(id)]; t != nil {
			return t, kerror.None
		}
		return nil, kerror.UnknownTopicID
	}
	if t := im.Topics[name]; t != nil {
		return t, kerror.None
	}
	return nil, kerror.UnknownTopicOrPartition
}

// partitionOf finds a partition of a topic, nil when it has none of that index.
func partitionOf(t *cluster.Topic, index int32) *cluster.Partition {
	if index < 0 || int(index) >= len(t.Partitions) {
		return nil
	}
	return t.Partitions[index]
}

// replicaOf is the local replica of a partition; a code says why there is none to ask.
func (c *Call) replicaOf(p *cluster.Partition) (*actor.PID, kerror.Code) {
	if pid := c.View().Replica(p.Group); pid != nil {
		return pid, kerror.None
	}
	return nil, kerror.NotLeaderOrFollower
}

// leaderOf is the leader to name to a client: NoNode while none is elected, or when the client cannot reach it.
func (c *Call) leaderOf(im *cluster.Image, g wal.GroupID) (kafka.NodeID, kafka.LeaderEpoch) {
	l := c.View().Leader(g)
	if _, _, ok := c.Advertised(im.Nodes[l.Leader]); !ok {
		return kafka.NoNode, l.Epoch()
	}
	return l.Leader, l.Epoch()
}

// lookup finds a partition, its topic and the local replica that answers for it.
func (c *Call) lookup(im *cluster.Image, name string, id [16]byte, byID bool, index int32) (*cluster.Topic, *cluster.Partition, *actor.PID, kerror.Code) {
	t, code := topicOf(im, name, id, byID)
	if code != kerror.None {
		return nil, nil, nil, code
	}
	p := partitionOf(t, index)
	if p == nil {
		return t, nil, nil, kerror.UnknownTopicOrPartition
	}
	pid, code := c.replicaOf(p)
	return t, p, pid, code
}

// gather runs done once n answers are in; each answer calls the function that it returns once. With n 0 done runs at
// once.
func gather(n int, done func()) (arrived func()) {
	if n == 0 {
		done()
	}
	return func() {
		if n--; n == 0 {
			done()
		}
	}
}

// Every operation is allowed while there is no authorizer; these are the bits of KIP-430 for each kind of resource.
const (
	topicOperations   = 1<<3 | 1<<4 | 1<<5 | 1<<6 | 1<<7 | 1<<8 | 1<<10 | 1<<11
	clusterOperations = 1<<5 | 1<<7 | 1<<8 | 1<<9 | 1<<10 | 1<<11 | 1<<12
	groupOperations   = 1<<3 | 1<<6 | 1<<8 | 1<<10 | 1<<11
	noOperations      = -1 << 31 // not asked for
)

func operations(asked bool, all int32) int32 {
	if asked {
		return all
	}
	return noOperations
}
