package config

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

const (
	never     = math.MaxInt64 // Kafka's "never" for intervals
	compactly = "compaction is not available yet"
	tiered    = "tiered storage is not available yet"
)

var neverText = strconv.FormatInt(never, 10)

// topicRows is every topic config of Kafka 4.3, by name. What a row does with a value is told at row.
var topicRows = []row{
	{name: "cleanup.policy", typ: TypeList, def: "delete", check: listOf("compact", "delete"), only: []string{"delete"}, why: compactly,
		doc: "How old segments are discarded. delete: by retention.ms and retention.bytes."},
	{name: "compression.gzip.level", typ: TypeInt, def: "-1", check: gzipLevel, only: []string{"-1"}, why: "codecs run at their default level",
		doc: "Level for compression.type=gzip; -1 is the codec's default."},
	{name: "compression.lz4.level", typ: TypeInt, def: "9", check: between(1, 17), only: []string{"9"}, why: "codecs run at their default level",
		doc: "Level for compression.type=lz4; 9 is the codec's default."},
	{name: "compression.type", typ: TypeString, def: "producer", check: oneOf("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"),
		topic: func(t *Topic, v value) { t.CompressionType = v.text },
		doc:   "producer keeps batches as they come; a codec or uncompressed has the leader write them again in that form."},
	{name: "compression.zstd.level", typ: TypeInt, def: "3", check: between(-131072, 22), only: []string{"3"}, why: "codecs run at their default level",
		doc: "Level for compression.type=zstd; 3 is the codec's default."},
	{name: "delete.retention.ms", typ: TypeLong, def: "86400000", check: atLeast(0), only: []string{"86400000"}, why: compactly,
		doc: "How long compaction keeps tombstones."},
	{name: "file.delete.delay.ms", typ: TypeLong, def: "60000", check: atLeast(0), only: []string{"60000", "0"}, why: "deleted files go at once",
		doc: "The files of a deleted topic or segment go at once, whatever this says."},
	{name: "flush.messages", typ: TypeLong, def: neverText, check: atLeast(1), only: []string{neverText, "1"}, why: "every batch is synced to disk before it is acknowledged",
		doc: "Every batch is synced to disk before it is acknowledged, whatever this says."},
	{name: "flush.ms", typ: TypeLong, def: neverText, check: atLeast(0), only: []string{neverText, "0"}, why: "every batch is synced to disk before it is acknowledged",
		doc: "Every batch is synced to disk before it is acknowledged, whatever this says."},
	{name: "follower.replication.throttled.replicas", typ: TypeList, check: replicaList, topic: func(t *Topic, v value) { t.FollowerThrottled = v.text },
		doc: "Replicas (partition:node, or *) that copy what they lack at follower.replication.throttled.rate; others copy at a node's 64 MiB/s."},
	{name: "index.interval.bytes", typ: TypeInt, def: "4096", check: atLeast(0), only: []string{"4096", "0"}, why: "every batch has an index entry",
		doc: "Every batch has an index entry, so that none is further apart than this."},
	{name: "leader.replication.throttled.replicas", typ: TypeList, check: replicaList, topic: func(t *Topic, v value) { t.LeaderThrottled = v.text },
		doc: "Replicas (partition:node, or *) that as leaders give what others lack at leader.replication.throttled.rate."},
	{name: "local.retention.bytes", typ: TypeLong, def: "-2", check: atLeast(-2), only: []string{"-2"}, why: tiered, doc: "-2: as retention.bytes."},
	{name: "local.retention.ms", typ: TypeLong, def: "-2", check: atLeast(-2), only: []string{"-2"}, why: tiered, doc: "-2: as retention.ms."},
	{name: "max.compaction.lag.ms", typ: TypeLong, def: neverText, check: atLeast(1), only: []string{neverText}, why: compactly,
		doc: "How long a record may stay uncompacted."},
	{name: "max.message.bytes", typ: TypeInt, def: "1048588", check: atLeast(0),
		topic: func(t *Topic, v value) { t.MaxMessageBytes = int32(v.num) },
		doc:   "The largest record batch, in bytes as sent; a larger one gets MESSAGE_TOO_LARGE."},
	{name: "message.timestamp.after.max.ms", typ: TypeLong, def: "3600000", check: atLeast(0),
		topic: func(t *Topic, v value) { t.TimestampAfterMaxMs = v.num },
		doc:   "With CreateTime: how far a record's timestamp may be ahead of the leader's clock, else INVALID_TIMESTAMP."},
	{name: "message.timestamp.before.max.ms", typ: TypeLong, def: neverText, check: atLeast(0),
		topic: func(t *Topic, v value) { t.TimestampBeforeMaxMs = v.num },
		doc:   "With CreateTime: how far a record's timestamp may be behind the leader's clock, else INVALID_TIMESTAMP."},
	{name: "message.timestamp.type", typ: TypeString, def: "CreateTime", check: oneOf("CreateTime", "LogAppendTime"),
		topic: func(t *Topic, v value) { t.TimestampType = v.text },
		doc:   "Whether records keep the producer's timestamp (CreateTime) or get the leader's at append (LogAppendTime)."},
	{name: "min.cleanable.dirty.ratio", typ: TypeDouble, def: "0.5", check: ratio, only: []string{"0.5"}, why: compactly,
		doc: "Share of the log that must be uncompacted before compaction starts."},
	{name: "min.compaction.lag.ms", typ: TypeLong, def: "0", check: atLeast(0), only: []string{"0"}, why: compactly,
		doc: "How long a record stays uncompacted at least."},
	{name: "min.insync.replicas", typ: TypeInt, def: "1", check: atLeast(1),
		topic: func(t *Topic, v value) { t.MinInsyncReplicas = int(v.num) },
		doc:   "How many replicas must have synced a batch to disk before acks=all is answered; a majority is required besides."},
	{name: "preallocate", typ: TypeBoolean, def: "false", only: []string{"false"}, why: "segments are written once and not preallocated",
		doc: "Segments are not preallocated; the log that is written before them always is."},
	{name: "remote.log.copy.disable", typ: TypeBoolean, def: "false", only: []string{"false"}, why: tiered, doc: "Part of tiered storage."},
	{name: "remote.log.delete.on.disable", typ: TypeBoolean, def: "false", only: []string{"false"}, why: tiered, doc: "Part of tiered storage."},
	{name: "remote.storage.enable", typ: TypeBoolean, def: "false", only: []string{"false"}, why: tiered, doc: "Whether old segments move to remote storage."},
	{name: "retention.bytes", typ: TypeLong, def: "-1",
		topic: func(t *Topic, v value) { t.RetentionBytes = v.num },
		doc:   "How large a partition may grow before its oldest segments are deleted; -1: without limit."},
	{name: "retention.ms", typ: TypeLong, def: "604800000", check: atLeast(-1),
		topic: func(t *Topic, v value) { t.RetentionMs = v.num },
		doc:   "How old a segment's newest record may get before the segment is deleted; -1: without limit."},
	{name: "segment.bytes", typ: TypeInt, def: "1073741824", check: atLeast(1 << 20),
		topic: func(t *Topic, v value) { t.SegmentBytes = v.num },
		doc:   "Size at which a segment is closed and the next one begins."},
	{name: "segment.index.bytes", typ: TypeInt, def: "10485760", check: atLeast(4), only: []string{"10485760"}, why: "the index grows with its segment",
		doc: "The index grows with its segment and is not limited."},
	{name: "segment.jitter.ms", typ: TypeLong, def: "0", check: atLeast(0), only: []string{"0"}, why: "segments roll without jitter",
		doc: "Segments roll without jitter."},
	{name: "segment.ms", typ: TypeLong, def: "604800000", check: atLeast(1),
		topic: func(t *Topic, v value) { t.SegmentMs = v.num },
		doc:   "Age at which a segment is closed and the next one begins."},
	{name: "unclean.leader.election.enable", typ: TypeBoolean, def: "false", only: []string{"false"}, why: "a leader always has every committed record",
		doc: "A replica that lacks committed records never becomes leader."},
}

func gzipLevel(name string, v value) error {
	if v.num == -1 {
		return nil
	}
	return between(1, 9)(name, v)
}

func ratio(name string, v value) error {
	if v.real < 0 || v.real > 1 {
		return refuse(name, "Invalid value %s for configuration %s: Value must be between 0 and 1", v.text, name)
	}
	return nil
}

// find returns the row of a name, nil when there is none; rows are sorted by name.
func find(rows []row, name string) *row {
	i, ok := slices.BinarySearchFunc(rows, name, func(r row, n string) int { return strings.Compare(r.name, n) })
	if !ok {
		return nil
	}
	return &rows[i]
}

// TopicConfigNames lists every topic config, sorted.
func TopicConfigNames() []string { return names(topicRows) }

func names(rows []row) []string {
	out := make([]string, len(rows))
	for i := range rows {
		out[i] = rows[i].name
	}
	return out
}

// ValidateTopic checks a topic's own configs, the ones given at creation or left after an alteration: unknown names,
// malformed or forbidden values and what this broker does not offer. The error is an *Error; with several at fault the
// first by name is reported. Its text goes to the client with INVALID_CONFIG.
func ValidateTopic(overrides map[string]string) error {
	var t Topic
	return t.override(overrides)
}

// EffectiveTopic is the configuration that a topic with these overrides has on this broker.
func EffectiveTopic(overrides map[string]string, b *Broker) (Topic, error) {
	t := b.TopicDefaults
	if err := t.override(overrides); err != nil {
		return b.TopicDefaults, err
	}
	return t, nil
}

func (t *Topic) override(overrides map[string]string) error {
	for _, name := range sortedKeys(overrides) {
		r := find(topicRows, name)
		if r == nil {
			return refuse(name, "Unknown topic config name: %s", name)
		}
		v, err := r.accept(overrides[name])
		if err != nil {
			return err
		}
		if r.topic != nil {
			r.topic(t, v)
		}
	}
	return nil
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
