package kafka

import (
	"encoding/base64"
	"fmt"
)

// Offset is the position of a record in a partition's log, counted from 0. Dense: every record, control records
// included, takes exactly one.
type Offset int64

// NoOffset is the wire's "no such offset".
const NoOffset Offset = -1

// LeaderEpoch is the term of the partition's Raft group in which a batch was proposed. It never decreases along the log.
type LeaderEpoch int32

// NoLeaderEpoch is sent by clients that do not know one.
const NoLeaderEpoch LeaderEpoch = -1

// NodeID is the broker id that clients see (--node-id).
type NodeID int32

// NoNode is the wire's "no broker".
const NoNode NodeID = -1

// PartitionIndex numbers a topic's partitions from 0.
type PartitionIndex int32

// ProducerID names an idempotent producer; NoProducer means the batch is not idempotent.
type ProducerID int64

// NoProducer marks a batch without idempotence.
const NoProducer ProducerID = -1

// ProducerEpoch fences older incarnations of a producer id.
type ProducerEpoch int16

// Sequence numbers the records of one (producer id, epoch, partition); it wraps from 2^31-1 to 0.
type Sequence int32

// Generation counts the rebalances of a consumer group.
type Generation int32

// Timestamp is milliseconds since the Unix epoch; NoTimestamp when absent.
type Timestamp int64

// NoTimestamp marks a batch or an answer without a timestamp.
const NoTimestamp Timestamp = -1

// TopicID is the 16-byte id that a topic keeps for life (KIP-516). The zero value means "none".
type TopicID [16]byte

// String is Kafka's own form: URL-safe base64 without padding.
func (t TopicID) String() string { return base64.RawURLEncoding.EncodeToString(t[:]) }

// IsZero says whether the id is absent.
func (t TopicID) IsZero() bool { return t == TopicID{} }

// TopicPartition names a partition.
type TopicPartition struct {
	Topic     string
	Partition PartitionIndex
}

// String is the usual TOPIC-P.
func (tp TopicPartition) String() string { return fmt.Sprintf("%s-%d", tp.Topic, tp.Partition) }
