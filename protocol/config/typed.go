package config

import "time"

// Topic is one topic's effective configuration: its own overrides, else the broker's dynamic and static defaults.
// A duration of -1 and a size of -1 mean "no limit".
type Topic struct {
	RetentionMs          int64
	RetentionBytes       int64
	SegmentBytes         int64
	SegmentMs            int64
	MaxMessageBytes      int32
	MinInsyncReplicas    int
	CompressionType      string // "producer" or a codec
	TimestampType        string // CreateTime or LogAppendTime
	TimestampBeforeMaxMs int64
	TimestampAfterMaxMs  int64
	FileDeleteDelayMs    int64
}

// Broker is a node's effective configuration (static settings plus dynamic broker configs), as the actors need it.
type Broker struct {
	NumPartitions             int32
	DefaultReplicationFactor  int16 // -1: min(3, voters)
	OffsetsPartitions         int32
	OffsetsReplicationFactor  int16 // -1: min(3, voters)
	OffsetsRetention          time.Duration
	OffsetsRetentionCheck     time.Duration
	OffsetMetadataMaxBytes    int
	AutoCreateTopics          bool
	MessageMaxBytes           int32
	RequestMaxBytes           int
	MaxConnections            int
	ConnectionsMaxIdle        time.Duration
	ReplicaLagMax             time.Duration
	GroupMinSession           time.Duration
	GroupMaxSession           time.Duration
	GroupInitialRebalanceWait time.Duration
	GroupMaxSize              int
	ProducerIDExpiration      time.Duration
	FetchMaxBytes             int
	MaxFetchSessions          int
	QueuedMaxRequests         int // frames in flight per connection
	TopicDefaults             Topic
}
