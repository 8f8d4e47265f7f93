package message

import (
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"chronik/protocol/batch"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
	"chronik/wal"
)

// AppendBatch asks the leader's replica to append one validated record batch (see batch.Validate: CRC, structure,
// records, timestamps are checked by the sender). Raw is copied before the replica returns from its next flush; Free is
// then called. Acks is 0, 1 or -1.
type AppendBatch struct {
	ReplyTo
	Raw      []byte
	Header   batch.Header // parsed from Raw
	Acks     int16
	Deadline time.Time // for acks=-1: NOT_ENOUGH_REPLICAS_AFTER_APPEND / REQUEST_TIMED_OUT after it
	// LeaderEpoch: the append is refused unless the replica leads in exactly this epoch; NoLeaderEpoch accepts any.
	// Coordinators use it to fence themselves.
	LeaderEpoch kafka.LeaderEpoch
	Coordinator bool // from a coordinator of this node: allowed on internal topics
	Free        func()
}

// AppendBatchReply answers AppendBatch.
type AppendBatchReply struct {
	Answered
	Reason         kerror.Code
	Message        string // for a human; "" when Reason says it all
	BaseOffset     kafka.Offset
	LogStartOffset kafka.Offset
	LogAppendTime  kafka.Timestamp // NoTimestamp unless the topic uses LogAppendTime
	LeaderEpoch    kafka.LeaderEpoch
}

// Fetch asks a replica for batches from Offset on. With Wait > 0 and nothing to give, it is parked until the high
// watermark passes Offset, the deadline comes or the replica stops leading.
type Fetch struct {
	ReplyTo
	Offset           kafka.Offset
	MaxBytes         int
	MinOne           bool // return the first batch even when larger than MaxBytes (KIP-74)
	Wait             time.Duration
	LeaderEpoch      kafka.LeaderEpoch // current leader epoch of the client, NoLeaderEpoch when unknown
	LastFetchedEpoch kafka.LeaderEpoch
	ReadCommitted    bool
	Follower         bool // the consumer may read from a follower (KIP-392)
}

// ReadBarrier asks the leader's replica to confirm, by a round of heartbeats to a quorum (Raft ReadIndex, never a
// lease), that it still leads in LeaderEpoch: what is applied then is at least as new as every acknowledgement given
// before the barrier was asked for. Coordinators send one per burst before they answer from their memory.
type ReadBarrier struct {
	ReplyTo
	LeaderEpoch kafka.LeaderEpoch
}

// ReadBarrierReply answers ReadBarrier: NONE once everything up to the confirmed commit index is applied, else
// NOT_LEADER_OR_FOLLOWER.
type ReadBarrierReply struct {
	Answered
	Reason kerror.Code
}

// CancelFetch withdraws a parked Fetch of this asker and token; no answer is sent for it any more.
type CancelFetch struct{ ReplyTo }

// FetchReply answers Fetch. Batches are immutable slices of memory, in order, whole batches; when the data is cold,
// Batches is empty and Cold says what to ask the segment reader for.
type FetchReply struct {
	Answered
	Reason         kerror.Code
	HighWatermark  kafka.Offset
	LastStable     kafka.Offset
	LogStart       kafka.Offset
	LeaderEpoch    kafka.LeaderEpoch
	Batches        [][]byte
	Cold           *wal.ColdRange
	DivergingEpoch kafka.LeaderEpoch // KIP-595 style answer for LastFetchedEpoch; NoLeaderEpoch when none
	DivergingEnd   kafka.Offset
	Aborted        []AbortedTransaction
}

// AbortedTransaction is one row of a read_committed answer.
type AbortedTransaction struct {
	ProducerID  kafka.ProducerID
	FirstOffset kafka.Offset
}

// ListOffsets asks for an offset by timestamp or by Kafka's special values (-1 latest, -2 earliest, -3 max timestamp,
// -4 earliest local, -5 latest tiered).
type ListOffsets struct {
	ReplyTo
	Timestamp     int64
	LeaderEpoch   kafka.LeaderEpoch
	ReadCommitted bool
}

// ListOffsetsReply answers ListOffsets; Offset -1 with NONE when no record is that young.
type ListOffsetsReply struct {
	Answered
	Reason      kerror.Code
	Offset      kafka.Offset
	Timestamp   kafka.Timestamp
	LeaderEpoch kafka.LeaderEpoch
}

// FindEpochEnd asks for the end offset of a leader epoch (OffsetForLeaderEpoch).
type FindEpochEnd struct {
	ReplyTo
	Current   kafka.LeaderEpoch
	Requested kafka.LeaderEpoch
}

// FindEpochEndReply answers FindEpochEnd.
type FindEpochEndReply struct {
	Answered
	Reason    kerror.Code
	Epoch     kafka.LeaderEpoch
	EndOffset kafka.Offset
}

// DeleteRecords advances the log start offset to Before (-1: the high watermark).
type DeleteRecords struct {
	ReplyTo
	Before   kafka.Offset
	Deadline time.Time
}

// DeleteRecordsReply answers DeleteRecords.
type DeleteRecordsReply struct {
	Answered
	Reason   kerror.Code
	LogStart kafka.Offset
}

// DescribeReplica asks any replica (leader or not) for its figures.
type DescribeReplica struct {
	ReplyTo
	Producers bool // list active producers too
}

// DescribeReplicaReply answers DescribeReplica.
type DescribeReplicaReply struct {
	Answered
	Reason        kerror.Code
	Leader        bool
	LeaderEpoch   kafka.LeaderEpoch
	HighWatermark kafka.Offset
	LogEnd        kafka.Offset
	LogStart      kafka.Offset
	SizeBytes     int64
	Voters        []VoterState // leader only
	Producers     []ProducerInfo
}

// VoterState is one replica's progress as its leader sees it.
type VoterState struct {
	Replica      wal.ReplicaID
	LogEnd       int64 // matched Raft index + 1
	LastFetch    kafka.Timestamp
	LastCaughtUp kafka.Timestamp
	Learner      bool
}

// ProducerInfo is one row of DescribeProducers.
type ProducerInfo struct {
	ID               kafka.ProducerID
	Epoch            kafka.ProducerEpoch
	LastSequence     kafka.Sequence
	LastTimestamp    kafka.Timestamp
	CurrentTxnStart  kafka.Offset
	CoordinatorEpoch int32
}

// RaftMessage carries one of raft's messages between replicas of a group.
type RaftMessage struct {
	Group wal.GroupID
	Msg   *raftpb.Message
	// Quiesce and Wake are our own extension: see raftnode.
	Quiesce *Quiesce
	Wake    bool
}

// Quiesce is the leader's offer to stop ticking an idle group.
type Quiesce struct {
	From wal.ReplicaID
	Term wal.Term
	Last wal.Index
}

// Tick tells an actor that time has passed: Now, and how many raft ticks since the last Tick.
type Tick struct {
	Now time.Time
	N   int
}

// TransferLeadership asks a leader to hand over (0: to whom it likes best), e.g. before a shutdown.
type TransferLeadership struct {
	ReplyTo
	To wal.ReplicaID
}

// TransferLeadershipReply says that the group is led elsewhere now, or that it could not be moved.
type TransferLeadershipReply struct {
	Answered
	Reason kerror.Code
}

// PeerChanged says that the link to a node came up or went down.
type PeerChanged struct {
	Replica wal.ReplicaID
	Up      bool
}

// ConfigChanged hands a replica its effective topic configs after a metadata change.
type ConfigChanged struct{ Configs map[string]string }

// TargetChanged hands a replica where a reassignment leads its group; nil: none is under way.
type TargetChanged struct{ Target []wal.ReplicaID }

// ReplicaRests tells the broker that a replica needs no ticks for a while, ReplicaWakes that it needs them again.
type (
	ReplicaRests struct {
		Group wal.GroupID
		For   time.Duration
	}
	ReplicaWakes struct{ Group wal.GroupID }
)

// ReplicaGone tells the broker that a replica stopped with Delete, and that its data is on its way out.
type ReplicaGone struct{ Group wal.GroupID }

// StopReplica closes a replica: it answers everything NOT_LEADER_OR_FOLLOWER until it is stopped by its parent. Delete
// says that its data is to be dropped (the topic's deletion was applied, or that the group lives without it) and tells the
// broker ReplicaGone; without it the replica notes its commit index and answers ShutdownReply.
type StopReplica struct {
	ReplyTo
	Delete bool
}
