package message

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/protocol/kafka"
	"chronik/wal"
)

// GroupCall hands the group coordinator manager one Kafka request that concerns one group (or, for ListGroups, all of
// this node's). The request was decoded by the connection; Request.GetVersion() is its version.
type GroupCall struct {
	ReplyTo
	Group      string
	ClientID   string
	ClientHost string
	Request    kmsg.Request
}

// GroupReply answers GroupCall with the response of the same key and version.
type GroupReply struct {
	Answered
	Response kmsg.Response
}

// CoordinatorElected tells the group manager that this node leads a partition of __consumer_offsets in Epoch (Leading)
// or no longer does.
type CoordinatorElected struct {
	Partition kafka.PartitionIndex
	Group     wal.GroupID
	Epoch     kafka.LeaderEpoch
	Leading   bool
}

// TopicsDeleted tells the group manager to drop committed offsets of topics that no longer exist.
type TopicsDeleted struct{ Names []string }
