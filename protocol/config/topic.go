package config

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Kind is a config's type, with Kafka's numbers for DescribeConfigs.
type Kind int8

// The kinds.
const (
	Boolean Kind = 1
	String  Kind = 2
	Int     Kind = 3
	Short   Kind = 4
	Long    Kind = 5
	Double  Kind = 6
	List    Kind = 7
	Class   Kind = 8
)

// Error refuses a config; it is Kafka's INVALID_CONFIG, with the reason for a person.
type Error struct{ Name, Why string }

func (e *Error) Error() string { return e.Name + ": " + e.Why }

// topicRow is one topic config of Kafka 4.3. Either set honours it, or only lists the values that describe what this
// broker does anyway; every other value is refused with why. Nothing is stored and ignored.
type topicRow struct {
	name     string
	kind     Kind
	def      string
	min, max int64 // for numbers
	options  []string
	synonym  string // broker config that gives the default
	only     []string
	why      string
	doc      string
	set      func(t *Topic, v string)
}

func long(v string) int64 { n, _ := strconv.ParseInt(v, 10, 64); return n }

const (
	anyLong   = math.MaxInt64
	anyInt    = math.MaxInt32
	tiered    = "tiered storage is not there yet"
	everySync = "every acknowledged record is fsynced, in groups: there is nothing to tune"
)

var topicRows = []topicRow{
	{name: "cleanup.policy", kind: List, def: "delete", only: []string{"delete"}, why: "compaction is not there yet: only delete", synonym: "log.cleanup.policy", doc: "What happens to old segments."},
	{name: "compression.gzip.level", kind: Int, def: "-1", only: []string{"-1"}, why: "codecs run at their default level", synonym: "compression.gzip.level"},
	{name: "compression.lz4.level", kind: Int, def: "9", only: []string{"9"}, why: "codecs run at their default level", synonym: "compression.lz4.level"},
	{name: "compression.type", kind: String, def: "producer", options: []string{"uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"}, synonym: "compression.type",
		doc: "Codec in which batches are stored; producer keeps what the producer chose.", set: func(t *Topic, v string) { t.CompressionType = v }},
	{name: "compression.zstd.level", kind: Int, def: "3", only: []string{"3"}, why: "codecs run at their default level", synonym: "compression.zstd.level"},
	{name: "delete.retention.ms", kind: Long, def: "86400000", only: []string{"86400000"}, why: "it matters to compacted topics, which are not there yet", synonym: "log.cleaner.delete.retention.ms"},
	{name: "file.delete.delay.ms", kind: Long, def: "60000", only: []string{"60000", "0"}, why: "open files stay readable after deletion: no delay is needed", synonym: "log.segment.delete.delay.ms"},
	{name: "flush.messages", kind: Long, def: "1", only: []string{"1", "9223372036854775807"}, why: everySync, synonym: "log.flush.interval.messages"},
	{name: "flush.ms", kind: Long, def: "9223372036854775807", only: []string{"9223372036854775807"}, why: everySync, synonym: "log.flush.interval.ms"},
	{name: "follower.replication.throttled.replicas", kind: List, def: "", only: []string{""}, why: "replication throttles are not there yet"},
	{name: "index.interval.bytes", kind: Int, def: "4096", only: []string{"4096"}, why: "every batch has an index row", synonym: "log.index.interval.bytes"},
	{name: "internal.segment.bytes", kind: Int, def: "null", only: []string{}, why: "it is for Kafka's own tests"},
	{name: "leader.replication.throttled.replicas", kind: List, def: "", only: []string{""}, why: "replication throttles are not there yet"},
	{name: "local.retention.bytes", kind: Long, def: "-2", only: []string{"-2"}, why: tiered, synonym: "log.local.retention.bytes"},
	{name: "local.retention.ms", kind: Long, def: "-2", only: []string{"-2"}, why: tiered, synonym: "log.local.retention.ms"},
	{name: "max.compaction.lag.ms", kind: Long, def: "9223372036854775807", only: []string{"9223372036854775807"}, why: "it matters to compacted topics, which are not there yet", synonym: "log.cleaner.max.compaction.lag.ms"},
	{name: "max.message.bytes", kind: Int, def: "1048588", min: 0, max: 32 << 20, synonym: "message.max.bytes", doc: "The largest record batch that is accepted, in bytes.",
		set: func(t *Topic, v string) { t.MaxMessageBytes = int32(long(v)) }},
	{name: "message.timestamp.after.max.ms", kind: Long, def: "3600000", min: 0, max: anyLong, synonym: "log.message.timestamp.after.max.ms",
		doc: "How far in the future a record's timestamp may lie.", set: func(t *Topic, v string) { t.TimestampAfterMaxMs = long(v) }},
	{name: "message.timestamp.before.max.ms", kind: Long, def: "9223372036854775807", min: 0, max: anyLong, synonym: "log.message.timestamp.before.max.ms",
		doc: "How far in the past a record's timestamp may lie.", set: func(t *Topic, v string) { t.TimestampBeforeMaxMs = long(v) }},
	{name: "message.timestamp.type", kind: String, def: "CreateTime", options: []string{"CreateTime", "LogAppendTime"}, synonym: "log.message.timestamp.type",
		doc: "Whose clock records carry.", set: func(t *Topic, v string) { t.TimestampType = v }},
	{name: "min.cleanable.dirty.ratio", kind: Double, def: "0.5", only: []string{"0.5"}, why: "it matters to compacted topics, which are not there yet", synonym: "log.cleaner.min.cleanable.ratio"},
	{name: "min.compaction.lag.ms", kind: Long, def: "0", only: []string{"0"}, why: "it matters to compacted topics, which are not there yet", synonym: "log.cleaner.min.compaction.lag.ms"},
	{name: "min.insync.replicas", kind: Int, def: "1", min: 1, max: anyInt, synonym: "min.insync.replicas",
		doc: "How many replicas must have a record on disk before acks=all; a majority is required besides.", set: func(t *Topic, v string) { t.MinInsyncReplicas = int(long(v)) }},
	{name: "preallocate", kind: Boolean, def: "false", only: []string{"false"}, why: "segments are written once, in the background", synonym: "log.preallocate"},
	{name: "remote.log.copy.disable", kind: Boolean, def: "false", only: []string{"false"}, why: tiered},
	{name: "remote.log.delete.on.disable", kind: Boolean, def: "false", only: []string{"false"}, why: tiered},
	{name: "remote.storage.enable", kind: Boolean, def: "false", only: []string{"false"}, why: tiered},
	{name: "retention.bytes", kind: Long, def: "-1", min: -1, max: anyLong, synonym: "log.retention.bytes", doc: "The most bytes that a partition keeps; -1 is no limit.",
		set: func(t *Topic, v string) { t.RetentionBytes = long(v) }},
	{name: "retention.ms", kind: Long, def: "604800000", min: -1, max: anyLong, synonym: "log.retention.ms", doc: "How long records are kept; -1 is for ever.",
		set: func(t *Topic, v string) { t.RetentionMs = long(v) }},
	{name: "segment.bytes", kind: Int, def: "1073741824", min: 1 << 20, max: anyInt, synonym: "log.segment.bytes", doc: "The size at which a segment is sealed and the next begun.",
		set: func(t *Topic, v string) { t.SegmentBytes = long(v) }},
	{name: "segment.index.bytes", kind: Int, def: "10485760", only: []string{"10485760"}, why: "an index grows with its segment", synonym: "log.index.size.max.bytes"},
	{name: "segment.jitter.ms", kind: Long, def: "0", only: []string{"0"}, why: "segments are sealed where the log says, alike on all replicas", synonym: "log.roll.jitter.ms"},
	{name: "segment.ms", kind: Long, def: "604800000", min: 1, max: anyLong, synonym: "log.roll.ms", doc: "The age at which a segment is sealed.",
		set: func(t *Topic, v string) { t.SegmentMs = long(v) }},
	{name: "unclean.leader.election.enable", kind: Boolean, def: "false", only: []string{"false"}, why: "a leader is elected only with every acknowledged record", synonym: "unclean.leader.election.enable"},
}

func topicRowOf(name string) *topicRow {
	i := sort.Search(len(topicRows), func(i int) bool { return topicRows[i].name >= name })
	if i < len(topicRows) && topicRows[i].name == name {
		return &topicRows[i]
	}
	return nil
}

// check refuses a value that the row does not take.
func (r *topicRow) check(v string) *Error {
	if r.only != nil {
		if slices.Contains(r.only, v) {
			return nil
		}
		return &Error{r.name, fmt.Sprintf("the value %q is not supported: %s", v, r.why)}
	}
	return checkValue(r.name, r.kind, v, r.min, r.max, r.options)
}

func checkValue(name string, kind Kind, v string, lo, hi int64, options []string) *Error {
	switch kind {
	case Boolean:
		if v != "true" && v != "false" {
			return &Error{name, fmt.Sprintf("Invalid value %s: expected true or false", v)}
		}
	case Int, Short, Long:
		n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		if err != nil {
			return &Error{name, fmt.Sprintf("Invalid value %s for configuration %s: Not a number of type %s", v, name, map[Kind]string{Int: "INT", Short: "SHORT", Long: "LONG"}[kind])}
		}
		if n < lo || n > hi {
			return &Error{name, fmt.Sprintf("Invalid value %d for configuration %s: Value must be between %d and %d", n, name, lo, hi)}
		}
	case Double:
		if _, err := strconv.ParseFloat(v, 64); err != nil {
			return &Error{name, fmt.Sprintf("Invalid value %s for configuration %s: Not a number of type DOUBLE", v, name)}
		}
	}
	if len(options) > 0 && !slices.Contains(options, v) {
		return &Error{name, fmt.Sprintf("Invalid value %s for configuration %s: String must be one of: %s", v, name, strings.Join(options, ", "))}
	}
	return nil
}

// ValidateTopic refuses configs that Kafka does not know, or that this broker does not honour.
func ValidateTopic(configs map[string]string) error {
	for _, name := range sortedKeys(configs) {
		row := topicRowOf(name)
		if row == nil {
			return &Error{name, fmt.Sprintf("Unknown topic config name: %s", name)}
		}
		if err := row.check(configs[name]); err != nil {
			return err
		}
	}
	return nil
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// EffectiveTopic merges a topic's own configs with the broker's defaults.
func EffectiveTopic(overrides map[string]string, b *Broker) (Topic, error) {
	if err := ValidateTopic(overrides); err != nil {
		return Topic{}, err
	}
	t := b.TopicDefaults
	for _, name := range sortedKeys(overrides) {
		if row := topicRowOf(name); row.set != nil {
			row.set(&t, overrides[name])
		}
	}
	return t, nil
}
