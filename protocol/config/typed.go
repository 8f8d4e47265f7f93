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
	CompressionType      string // "producer", "uncompressed" or a codec's name
	TimestampType        string // CreateTime or LogAppendTime
	TimestampBeforeMaxMs int64
	TimestampAfterMaxMs  int64
	LeaderThrottled      string // replicas whose leader's copies are throttled, see Throttles
	FollowerThrottled    string
}

// Broker is a node's effective configuration (static settings plus dynamic broker configs), as the actors need it. It
// is immutable: a change makes a new one (EffectiveBroker).
type Broker struct {
	NumPartitions             int32
	DefaultReplicationFactor  int16 // -1: min(3, voters)
	OffsetsPartitions         int32
	OffsetsReplicationFactor  int16 // -1: min(3, voters)
	OffsetsSegmentBytes       int64
	OffsetsRetention          time.Duration
	OffsetsRetentionCheck     time.Duration
	OffsetMetadataMaxBytes    int
	AutoCreateTopics          bool
	AutoLeaderRebalance       bool          // leaderships go back to preferred replicas
	LeaderImbalanceCheck      time.Duration // how often a node looks for those that it should hand over
	RequestMaxBytes           int
	MaxConnections            int
	ConnectionsMaxIdle        time.Duration // negative: connections may idle for ever
	ReplicaLagMax             time.Duration
	GroupMinSession           time.Duration
	GroupMaxSession           time.Duration
	GroupInitialRebalanceWait time.Duration
	GroupMaxSize              int
	ProducerIDExpiration      time.Duration
	FetchMaxBytes             int
	MaxFetchSessions          int
	RetentionCheck            time.Duration // how often leaders look for segments to delete
	LeaderThrottle            int64         // bytes per second that throttled leaders give to copies of theirs
	FollowerThrottle          int64         // bytes per second that throttled replicas copy
	RackAwareReads            bool          // consumers that name a rack are sent to an in-sync replica there (KIP-392)
	QueuedMaxRequests         int           // frames in flight per connection; not configurable
	TopicDefaults             Topic

	from layers
}

// layers keeps where a broker's values came from, for DescribeConfigs: later ones win.
type layers struct {
	identity map[string]string // from the command line: what this node is
	static   map[string]string // from the config file
	cluster  map[string]string // dynamic, for all brokers
	broker   map[string]string // dynamic, for this broker
}
