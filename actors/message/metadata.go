package message

import (
	"encoding/json"
	"time"

	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
	"chronik/wal"
)

// CommandKind names a metadata command; the body types are in package metadata's commands.go.
type CommandKind string

// The metadata commands. Each is decided by the leader of `__meta`, on whichever node it was asked: the metadata actor
// forwards it there over the peer link.
const (
	CmdCreateTopics     CommandKind = "create-topics"
	CmdDeleteTopics     CommandKind = "delete-topics"
	CmdCreatePartitions CommandKind = "create-partitions"
	CmdAlterConfigs     CommandKind = "alter-configs"
	CmdAllocateProducer CommandKind = "allocate-producers"
	CmdUpdateNode       CommandKind = "update-node"
	CmdRegister         CommandKind = "register"
	CmdUnregister       CommandKind = "unregister"
	CmdSetVoter         CommandKind = "set-voter"
	CmdReassign         CommandKind = "reassign"
	CmdReached          CommandKind = "reached"
	CmdDescribeQuorum   CommandKind = "describe-quorum" // changes nothing: the leader tells of its followers
)

// MetaCommand asks for a change of the cluster's metadata. Body is the JSON form of the command's type, so that it can
// cross nodes. With ValidateOnly nothing is proposed. The answer comes when the change is applied on the asker's node.
type MetaCommand struct {
	ReplyTo
	Kind         CommandKind
	Body         json.RawMessage
	ValidateOnly bool
	Deadline     time.Time
}

// MetaCommandReply answers MetaCommand. Reason is for the command as a whole (NOT_CONTROLLER, REQUEST_TIMED_OUT, …);
// results of its parts are in Body.
type MetaCommandReply struct {
	Answered
	Reason  kerror.Code
	Message string
	Body    json.RawMessage
}

// The bodies.
type (
	// CreateTopics creates topics; each succeeds or fails by itself.
	CreateTopics struct{ Topics []CreateTopic }
	// CreateTopic is one topic. Partitions and ReplicationFactor -1: the defaults. Assignments by partition index.
	CreateTopic struct {
		Name              string
		Partitions        int32
		ReplicationFactor int16
		Assignments       map[int32][]int32
		Configs           map[string]string
		Internal          bool
	}
	// TopicResult is the outcome for one topic.
	TopicResult struct {
		Name              string
		ID                [16]byte
		Code              kerror.Code
		Message           string
		Partitions        int32
		ReplicationFactor int16
	}
	// TopicResults answers CreateTopics, DeleteTopics and CreatePartitions.
	TopicResults struct{ Topics []TopicResult }
	// DeleteTopics deletes by name or, when Name is empty, by id.
	DeleteTopics struct{ Topics []TopicName }
	// TopicName names a topic by name or id.
	TopicName struct {
		Name string
		ID   [16]byte
	}
	// CreatePartitions grows topics.
	CreatePartitions struct{ Topics []GrowTopic }
	// GrowTopic is one topic's new partition count; Assignments are for the new partitions only.
	GrowTopic struct {
		Name        string
		Count       int32
		Assignments [][]int32
	}
	// AlterConfigs changes configs incrementally.
	AlterConfigs struct{ Resources []AlterResource }
	// AlterResource is one resource: Type 2 topic, 4 broker (Kafka's numbers). Replace: everything not set is removed.
	AlterResource struct {
		Type    int8
		Name    string
		Replace bool
		Ops     []AlterConfig
	}
	// AlterConfig is one change: Op 0 set, 1 delete, 2 append, 3 subtract (Kafka's numbers).
	AlterConfig struct {
		Key   string
		Value *string
		Op    int8
	}
	// AlterResult is the outcome for one resource.
	AlterResult struct {
		Type    int8
		Name    string
		Code    kerror.Code
		Message string
	}
	// AlterResults answers AlterConfigs.
	AlterResults struct{ Resources []AlterResult }
	// Unregister takes a node out of the cluster.
	Unregister struct{ Node kafka.NodeID }
	// SetVoter says whether a node votes in the metadata log.
	SetVoter struct {
		Node      kafka.NodeID
		Directory wal.DirectoryID
		Votes     bool
	}
	// Reassign moves partitions to other nodes, or (Replicas nil) takes such a wish back.
	Reassign struct {
		Topics      []ReassignTopic
		KeepFactors bool // a change of the replication factor is refused
	}
	// ReassignTopic is one topic's part.
	ReassignTopic struct {
		Name       string
		Partitions []ReassignPartition
	}
	// ReassignPartition is one partition's new assignment, preferred leader first.
	ReassignPartition struct {
		Index    int32
		Replicas []int32
	}
	// ReassignResults answers Reassign, in its order.
	ReassignResults struct{ Partitions []ReassignResult }
	// ReassignResult is the outcome for one partition.
	ReassignResult struct {
		Code    kerror.Code
		Message string
	}
	// Reached is what a group's leader says once the group's configuration is the target.
	Reached struct {
		Group  wal.GroupID
		Voters []wal.ReplicaID
	}
	// QuorumState answers CmdDescribeQuorum. HighWatermark is the applied index + 1.
	QuorumState struct {
		Leader        kafka.NodeID
		Epoch         kafka.LeaderEpoch
		HighWatermark int64
		Voters        []VoterState
	}
	// AllocateProducers asks for a block of producer ids.
	AllocateProducers struct{ Count int32 }
	// ProducerBlock answers AllocateProducers.
	ProducerBlock struct {
		First int64
		Count int32
	}
)

// TakeSnapshot asks the metadata replica for its newest snapshot; TakeSnapshotReply has it.
type TakeSnapshot struct{ ReplyTo }

// TakeSnapshotReply answers TakeSnapshot.
type TakeSnapshotReply struct {
	Answered
	Snapshot []byte
}

// ImagePublished tells the broker actor that a new metadata image was applied and published.
type ImagePublished struct{ Created, Deleted []string }

// ForwardMeta carries a MetaCommand to the node that leads `__meta`; ForwardMetaReply brings the answer back.
type ForwardMeta struct {
	From         wal.ReplicaID
	ID           uint64
	Kind         CommandKind
	Body         json.RawMessage
	ValidateOnly bool
}

// ForwardMetaReply answers ForwardMeta. The asker's node answers its client once it has applied Index.
type ForwardMetaReply struct {
	ID      uint64
	Reason  kerror.Code
	Message string
	Body    json.RawMessage
	Index   wal.Index
}
