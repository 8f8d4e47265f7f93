package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	ms    = time.Millisecond
	hours = 3600 * 1000 // in milliseconds
)

// rackAware is the class name that Kafka's users know; the broker reads it as a switch.
const rackAware = "org.apache.kafka.common.replica.RackAwareReplicaSelector"

// frames in flight per connection before it is no longer read.
const queuedPerConnection = 128

func span(set func(*Broker) *time.Duration, unit time.Duration) func(*Broker, value) {
	return func(b *Broker, v value) { *set(b) = clampDuration(v.num, unit) }
}

// clampDuration avoids overflow: what does not fit is as good as for ever.
func clampDuration(n int64, unit time.Duration) time.Duration {
	if n > int64(never)/int64(unit) {
		return never
	}
	return time.Duration(n) * unit
}

// brokerRows is every broker config of Kafka 4.3 that has a meaning here, by name; the others are in refused.go.
var brokerRows = []row{
	{name: "advertised.listeners", typ: TypeList, none: true, why: identity("--advertised-addr"), doc: "What clients are told to connect to."},
	{name: "authorizer.class.name", typ: TypeString, only: []string{""}, why: "access control is not available yet", doc: "Everybody may do everything."},
	{name: "auto.create.topics.enable", typ: TypeBoolean, def: "true", broker: func(b *Broker, v value) { b.AutoCreateTopics = v.num == 1 },
		doc: "Whether a client's wish to read or write an unknown topic creates it."},
	{name: "auto.leader.rebalance.enable", typ: TypeBoolean, def: "true", broker: func(b *Broker, v value) { b.AutoLeaderRebalance = v.num == 1 },
		doc: "Whether leaders hand over to the preferred replicas when these have been back for a while."},
	{name: "broker.id", typ: TypeInt, none: true, why: identity("--node-id"), doc: "The node's number in the cluster."},
	{name: "broker.rack", typ: TypeString, none: true, why: identity("--rack"), doc: "Where the node is; replicas are spread over racks."},
	{name: "compression.gzip.level", typ: TypeInt, def: "-1", means: "compression.gzip.level", update: clusterWide},
	{name: "compression.lz4.level", typ: TypeInt, def: "9", means: "compression.lz4.level", update: clusterWide},
	{name: "compression.type", typ: TypeString, def: "producer", means: "compression.type", update: clusterWide},
	{name: "compression.zstd.level", typ: TypeInt, def: "3", means: "compression.zstd.level", update: clusterWide},
	{name: "connections.max.idle.ms", typ: TypeLong, def: "600000", broker: span(func(b *Broker) *time.Duration { return &b.ConnectionsMaxIdle }, ms),
		doc: "A connection without a request for that long is closed; negative: never."},
	{name: "controlled.shutdown.enable", typ: TypeBoolean, def: "true", only: []string{"true"}, why: "a node that is told to stop always hands its leaderships over",
		doc: "A node that is told to stop hands its leaderships over first."},
	{name: "default.replication.factor", typ: TypeInt, def: "-1", check: positiveOrAuto,
		broker: func(b *Broker, v value) { b.DefaultReplicationFactor = int16(v.num) },
		doc:    "Replicas of a topic whose creator does not say; -1: three, or as many as there are nodes."},
	{name: "delete.topic.enable", typ: TypeBoolean, def: "true", only: []string{"true"}, why: "topics can always be deleted", doc: "Topics can be deleted."},
	{name: "fetch.max.bytes", typ: TypeInt, def: "57671680", check: atLeast(1024), broker: func(b *Broker, v value) { b.FetchMaxBytes = int(v.num) },
		doc: "The most that one fetch answer carries, however much the client asks for."},
	{name: "follower.replication.throttled.rate", typ: TypeLong, def: neverText, check: atLeast(0), update: clusterWide,
		broker: func(b *Broker, v value) { b.FollowerThrottle = v.num },
		doc:    "Bytes per second that this node copies from other nodes' segments, for the replicas that follower.replication.throttled.replicas names."},
	{name: "group.coordinator.rebalance.protocols", typ: TypeList, def: "classic", check: listOf("classic", "consumer", "share", "streams"), only: []string{"classic"}, why: "only the classic protocol is available yet",
		doc: "Group protocols that are served."},
	{name: "group.initial.rebalance.delay.ms", typ: TypeInt, def: "3000", check: atLeast(0), broker: span(func(b *Broker) *time.Duration { return &b.GroupInitialRebalanceWait }, ms),
		doc: "How long an empty group waits for more members before its first rebalance."},
	{name: "group.max.session.timeout.ms", typ: TypeInt, def: "1800000", check: atLeast(1), broker: span(func(b *Broker) *time.Duration { return &b.GroupMaxSession }, ms),
		doc: "The longest session timeout that a member may ask for."},
	{name: "group.max.size", typ: TypeInt, def: "2147483647", check: atLeast(1), broker: func(b *Broker, v value) { b.GroupMaxSize = int(v.num) },
		doc: "The most members a group may have."},
	{name: "group.min.session.timeout.ms", typ: TypeInt, def: "6000", check: atLeast(0), broker: span(func(b *Broker) *time.Duration { return &b.GroupMinSession }, ms),
		doc: "The shortest session timeout that a member may ask for."},
	{name: "inter.broker.listener.name", typ: TypeString, none: true, only: []string{"PLAINTEXT"}, why: "nodes talk over their own protocol, see --raft-addr",
		doc: "Nodes talk over their own protocol, not over a listener."},
	{name: "leader.imbalance.check.interval.seconds", typ: TypeLong, def: "300", check: atLeast(1), broker: span(func(b *Broker) *time.Duration { return &b.LeaderImbalanceCheck }, time.Second),
		doc: "How often a node looks for leaderships that it holds and that others are preferred for."},
	{name: "leader.replication.throttled.rate", typ: TypeLong, def: neverText, check: atLeast(0), update: clusterWide,
		broker: func(b *Broker, v value) { b.LeaderThrottle = v.num },
		doc:    "Bytes per second that this node gives of its segments to other nodes, for the replicas that leader.replication.throttled.replicas names."},
	{name: "listener.security.protocol.map", typ: TypeString, def: "PLAINTEXT:PLAINTEXT", check: protocolMap, only: []string{"PLAINTEXT:PLAINTEXT"}, why: "only PLAINTEXT listeners are available yet", update: perBroker,
		doc: "There is one listener, PLAINTEXT."},
	{name: "listeners", typ: TypeList, none: true, why: identity("--bind-addr and --kafka-port"), update: perBroker, doc: "Where clients connect."},
	{name: "log.cleaner.delete.retention.ms", typ: TypeLong, def: "86400000", means: "delete.retention.ms", update: clusterWide},
	{name: "log.cleaner.enable", typ: TypeBoolean, def: "false", only: []string{"false"}, why: compactly, doc: "Nothing is compacted yet."},
	{name: "log.cleaner.max.compaction.lag.ms", typ: TypeLong, def: neverText, means: "max.compaction.lag.ms", update: clusterWide},
	{name: "log.cleaner.min.cleanable.ratio", typ: TypeDouble, def: "0.5", means: "min.cleanable.dirty.ratio", update: clusterWide},
	{name: "log.cleaner.min.compaction.lag.ms", typ: TypeLong, def: "0", means: "min.compaction.lag.ms", update: clusterWide},
	{name: "log.cleanup.policy", typ: TypeList, def: "delete", means: "cleanup.policy", update: clusterWide},
	{name: "log.dir", typ: TypeList, none: true, why: identity("--data-dir"), doc: "The data directory."},
	{name: "log.dirs", typ: TypeList, none: true, why: identity("--data-dir"), doc: "The data directory; there is one."},
	{name: "log.flush.interval.messages", typ: TypeLong, def: neverText, means: "flush.messages", update: clusterWide},
	{name: "log.flush.interval.ms", typ: TypeLong, none: true, means: "flush.ms", update: clusterWide},
	{name: "log.flush.scheduler.interval.ms", typ: TypeLong, def: neverText, means: "flush.ms"},
	{name: "log.index.interval.bytes", typ: TypeInt, def: "4096", means: "index.interval.bytes", update: clusterWide},
	{name: "log.index.size.max.bytes", typ: TypeInt, def: "10485760", means: "segment.index.bytes", update: clusterWide},
	{name: "log.local.retention.bytes", typ: TypeLong, def: "-2", means: "local.retention.bytes", update: clusterWide},
	{name: "log.local.retention.ms", typ: TypeLong, def: "-2", means: "local.retention.ms", update: clusterWide},
	{name: "log.message.timestamp.after.max.ms", typ: TypeLong, def: "3600000", means: "message.timestamp.after.max.ms", update: clusterWide},
	{name: "log.message.timestamp.before.max.ms", typ: TypeLong, def: neverText, means: "message.timestamp.before.max.ms", update: clusterWide},
	{name: "log.message.timestamp.type", typ: TypeString, def: "CreateTime", means: "message.timestamp.type", update: clusterWide},
	{name: "log.preallocate", typ: TypeBoolean, def: "false", means: "preallocate", update: clusterWide},
	{name: "log.retention.bytes", typ: TypeLong, def: "-1", means: "retention.bytes", update: clusterWide},
	{name: "log.retention.check.interval.ms", typ: TypeLong, def: "300000", check: atLeast(1), broker: span(func(b *Broker) *time.Duration { return &b.RetentionCheck }, ms),
		doc: "How often leaders look for segments to delete."},
	{name: "log.retention.hours", typ: TypeInt, def: "168", check: unlimitedOrPositive, means: "retention.ms"},
	{name: "log.retention.minutes", typ: TypeInt, none: true, check: unlimitedOrPositive, means: "retention.ms"},
	{name: "log.retention.ms", typ: TypeLong, none: true, check: unlimitedOrPositive, means: "retention.ms", update: clusterWide},
	{name: "log.roll.hours", typ: TypeInt, def: "168", check: atLeast(1), means: "segment.ms"},
	{name: "log.roll.jitter.hours", typ: TypeInt, def: "0", check: atLeast(0), means: "segment.jitter.ms"},
	{name: "log.roll.jitter.ms", typ: TypeLong, none: true, means: "segment.jitter.ms", update: clusterWide},
	{name: "log.roll.ms", typ: TypeLong, none: true, means: "segment.ms", update: clusterWide},
	{name: "log.segment.bytes", typ: TypeInt, def: "1073741824", means: "segment.bytes", update: clusterWide},
	{name: "log.segment.delete.delay.ms", typ: TypeLong, def: "60000", means: "file.delete.delay.ms", update: clusterWide},
	{name: "max.connection.creation.rate", typ: TypeInt, def: "2147483647", check: atLeast(0), only: []string{"2147483647"}, why: "connection attempts are not throttled", update: clusterWide,
		doc: "Connection attempts are not throttled."},
	{name: "max.connections", typ: TypeInt, def: "2147483647", check: atLeast(0), broker: func(b *Broker, v value) { b.MaxConnections = int(v.num) }, update: clusterWide,
		doc: "The most client connections; further ones are closed at once."},
	{name: "max.connections.per.ip", typ: TypeInt, def: "2147483647", check: atLeast(0), only: []string{"2147483647"}, why: "connections are counted in total, see max.connections", update: clusterWide,
		doc: "Connections are counted in total, not by address."},
	{name: "max.connections.per.ip.overrides", typ: TypeString, only: []string{""}, why: "connections are counted in total, see max.connections", update: clusterWide,
		doc: "Connections are counted in total, not by address."},
	{name: "max.incremental.fetch.session.cache.slots", typ: TypeInt, def: "1000", check: atLeast(0), broker: func(b *Broker, v value) { b.MaxFetchSessions = int(v.num) },
		doc: "The most fetch sessions that are kept; 0: none."},
	{name: "max.request.partition.size.limit", typ: TypeInt, def: "2000", check: atLeast(1), only: []string{"2000"}, why: "the limit is fixed",
		doc: "The most partitions in one answer of DescribeTopicPartitions."},
	{name: "message.max.bytes", typ: TypeInt, def: "1048588", check: atLeast(0), means: "max.message.bytes", update: clusterWide},
	{name: "min.insync.replicas", typ: TypeInt, def: "1", means: "min.insync.replicas", update: clusterWide},
	{name: "node.id", typ: TypeInt, none: true, why: identity("--node-id"), doc: "The node's number in the cluster."},
	{name: "num.partitions", typ: TypeInt, def: "1", check: atLeast(1), broker: func(b *Broker, v value) { b.NumPartitions = int32(v.num) },
		doc: "Partitions of a topic whose creator does not say."},
	{name: "offset.metadata.max.bytes", typ: TypeInt, def: "4096", check: atLeast(0), broker: func(b *Broker, v value) { b.OffsetMetadataMaxBytes = int(v.num) },
		doc: "The longest text that a commit may carry beside its offset."},
	{name: "offsets.retention.check.interval.ms", typ: TypeLong, def: "600000", check: atLeast(1), broker: span(func(b *Broker) *time.Duration { return &b.OffsetsRetentionCheck }, ms),
		doc: "How often coordinators look for offsets to expire."},
	{name: "offsets.retention.minutes", typ: TypeInt, def: "10080", check: atLeast(1), broker: span(func(b *Broker) *time.Duration { return &b.OffsetsRetention }, time.Minute),
		doc: "How long committed offsets outlive their group's last member."},
	{name: "offsets.topic.compression.codec", typ: TypeInt, def: "0", only: []string{"0"}, why: "the offsets topic is not compressed", doc: "The offsets topic is not compressed."},
	{name: "offsets.topic.num.partitions", typ: TypeInt, def: "50", check: atLeast(1), broker: func(b *Broker, v value) { b.OffsetsPartitions = int32(v.num) },
		doc: "Partitions of __consumer_offsets; settled when it is created."},
	{name: "offsets.topic.replication.factor", typ: TypeShort, def: "-1", check: positiveOrAuto,
		broker: func(b *Broker, v value) { b.OffsetsReplicationFactor = int16(v.num) },
		doc:    "Replicas of __consumer_offsets; -1: three, or as many as there are nodes."},
	{name: "offsets.topic.segment.bytes", typ: TypeInt, def: "104857600", check: atLeast(1), broker: func(b *Broker, v value) { b.OffsetsSegmentBytes = v.num },
		doc: "Segment size of __consumer_offsets; settled when it is created."},
	{name: "process.roles", typ: TypeList, def: "broker,controller", check: listOf("broker", "controller"), only: []string{"broker,controller"}, why: "every node is both",
		doc: "Every node serves clients and may lead the cluster."},
	{name: "producer.id.expiration.ms", typ: TypeInt, def: "86400000", check: atLeast(1), broker: span(func(b *Broker) *time.Duration { return &b.ProducerIDExpiration }, ms), update: clusterWide,
		doc: "How long an idempotent producer that went quiet is remembered."},
	{name: "remote.log.storage.system.enable", typ: TypeBoolean, def: "false", only: []string{"false"}, why: tiered, doc: "Whether old segments may move to remote storage."},
	{name: "replica.lag.time.max.ms", typ: TypeLong, def: "30000", check: atLeast(1), broker: span(func(b *Broker) *time.Duration { return &b.ReplicaLagMax }, ms),
		doc: "A replica that was not at the leader's log end for that long is out of the in-sync set."},
	{name: "replica.selector.class", typ: TypeString, none: true, check: selector, broker: func(b *Broker, v value) { b.RackAwareReads = v.text == rackAware },
		doc: "The class name of Kafka's rack aware selector lets consumers that name a rack read from an in-sync replica there; without it they read from the leader."},
	{name: "sasl.enabled.mechanisms", typ: TypeList, only: []string{""}, why: "authentication is not available yet", update: perBroker, doc: "Clients are not authenticated."},
	{name: "security.inter.broker.protocol", typ: TypeString, def: "PLAINTEXT", only: []string{"PLAINTEXT"}, why: "encryption is not available yet", doc: "Links between nodes are not encrypted."},
	{name: "socket.request.max.bytes", typ: TypeInt, def: "104857600", check: atLeast(1), broker: func(b *Broker, v value) { b.RequestMaxBytes = int(v.num) },
		doc: "A longer request closes its connection."},
	{name: "ssl.client.auth", typ: TypeString, def: "none", check: oneOf("required", "requested", "none"), only: []string{"none"}, why: "encryption is not available yet", update: perBroker, doc: "Connections are not encrypted."},
	{name: "unclean.leader.election.enable", typ: TypeBoolean, def: "false", means: "unclean.leader.election.enable", update: clusterWide},
}

// identity is the reason of configs that say what a node is; they come from the command line (or by these names from the
// config file, see flags.go) and cannot be changed while it runs.
func identity(flags string) string { return "it is set at start, with " + flags }

func positiveOrAuto(name string, v value) error {
	if v.num == -1 {
		return nil
	}
	return between(1, 1<<15-1)(name, v)
}

func unlimitedOrPositive(name string, v value) error {
	if v.num < -1 || v.num == 0 {
		return refuse(name, "Invalid value %d for configuration %s: Value must be -1 (unlimited) or at least 1", v.num, name)
	}
	return nil
}

func selector(name string, v value) error {
	if v.text == "" || v.text == rackAware {
		return nil
	}
	return refuse(name, "Invalid value %s for configuration %s: other classes cannot be loaded; the only value is %s", v.text, name, rackAware)
}

// protocolMap accepts Kafka's default text too: all its names but PLAINTEXT are unused.
func protocolMap(name string, v value) error {
	for _, pair := range strings.Split(v.text, ",") {
		if l, p, ok := strings.Cut(pair, ":"); !ok || l == "" || p == "" {
			return refuse(name, "Invalid value %s for configuration %s: expected NAME:PROTOCOL,…", v.text, name)
		}
	}
	return nil
}

func findBroker(name string) *row {
	if r := find(brokerRows, name); r != nil {
		return r
	}
	if why, ok := refusedBroker[name]; ok {
		return &row{name: name, typ: TypeString, why: why}
	}
	return nil
}

// scaled is the value of a broker config as its topic config's text.
func (r *row) scaled(v value) string {
	scale := r.scale()
	if v.num < 0 || scale == 1 {
		return v.text
	}
	return strconv.FormatInt(int64(clampDuration(v.num, time.Duration(scale))), 10)
}

func (r *row) scale() int64 {
	switch {
	case strings.HasSuffix(r.name, ".hours"):
		return hours
	case strings.HasSuffix(r.name, ".minutes"):
		return 60 * 1000
	}
	return 1
}

// acceptBroker judges a broker config's value; one that is a topic config's default is judged as that.
func acceptBroker(name, text string) (*row, value, error) {
	r := findBroker(name)
	if r == nil {
		if strings.HasPrefix(name, "listener.name.") {
			return nil, value{}, refuse(name, "Configuration %s is not available: there is one listener, without security", name)
		}
		return nil, value{}, refuse(name, "Unknown broker config name: %s%s", name, didYouMean(name, BrokerConfigNames()))
	}
	if isIdentity(r) {
		return r, value{}, refuse(name, "Configuration %s cannot be changed: %s", name, r.why)
	}
	v, err := r.accept(text)
	if err == nil && r.means != "" {
		t := find(topicRows, r.means)
		if _, err = t.accept(r.scaled(v)); err != nil {
			err = refuse(name, "%s", strings.ReplaceAll(err.Error(), t.name, name))
		}
	}
	return r, v, err
}

// isIdentity tells the rows whose values come from the command line.
func isIdentity(r *row) bool { return r.none && !r.honoured() && len(r.only) == 0 && r.doc != "" }

// Honoured lists the configs that change what a broker or a topic does, by themselves and not as the default of another,
// sorted.
func Honoured() []string {
	var out []string
	for i := range brokerRows {
		if brokerRows[i].broker != nil {
			out = append(out, brokerRows[i].name)
		}
	}
	for i := range topicRows {
		if topicRows[i].topic != nil {
			out = append(out, topicRows[i].name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// TopicDefault is the topic config that a broker config is the default of; "" when it is none.
func TopicDefault(brokerConfig string) string {
	if r := find(brokerRows, brokerConfig); r != nil {
		return r.means
	}
	return ""
}

// BrokerConfigNames lists the broker configs that have a meaning here, sorted.
func BrokerConfigNames() []string { return names(brokerRows) }

// ValidateBroker checks dynamic broker configs: of one broker, or of the cluster's default. The error is an *Error, its
// text for INVALID_CONFIG; with several at fault the first by name is reported.
func ValidateBroker(configs map[string]string, clusterDefault bool) error {
	for _, name := range sortedKeys(configs) {
		r, _, err := acceptBroker(name, configs[name])
		switch {
		case err != nil:
			return err
		case r.update == readOnly:
			return refuse(name, "Cannot update these configs dynamically: [%s]", name)
		case r.update == perBroker && clusterDefault:
			return refuse(name, "Cannot update these configs at default cluster level: [%s]", name)
		}
	}
	return nil
}

// EffectiveBroker joins defaults, the settings the node was started with (nil: none), and the cluster's dynamic configs:
// those for all brokers, then those for this one. Dynamic values that this program refuses are skipped and told in
// the error, beside a usable result: a config that a newer version stored must not stop this one.
func EffectiveBroker(static *Settings, clusterDefault, own map[string]string) (*Broker, error) {
	b := &Broker{QueuedMaxRequests: queuedPerConnection, from: layers{cluster: clusterDefault, broker: own}}
	if static != nil {
		b.from.identity, b.from.static = static.identity(), static.Kafka
	}
	var problem error
	for i := range brokerRows {
		r := &brokerRows[i]
		if r.broker == nil {
			continue
		}
		text, _ := b.from.resolve(r.name)
		if text == nil {
			continue
		}
		_, v, err := acceptBroker(r.name, *text)
		if err != nil {
			problem = err
			if v, err = r.parse(r.def); err != nil {
				continue
			}
		}
		r.broker(b, v)
	}
	for i := range topicRows {
		t := &topicRows[i]
		if t.topic == nil {
			continue
		}
		v, err := t.accept(b.from.topicDefault(t))
		if err != nil {
			problem = err
			if v, err = t.accept(t.def); err != nil {
				panic(fmt.Sprintf("BUG: default of %s: %v", t.name, err))
			}
		}
		t.topic(&b.TopicDefaults, v)
	}
	return b, problem
}

// Default is the configuration of a broker that was told nothing.
func Default() *Broker {
	b, err := EffectiveBroker(nil, nil, nil)
	if err != nil {
		panic("BUG: defaults: " + err.Error())
	}
	return b
}

// Source says where a value comes from, as DescribeConfigs numbers it.
type Source int8

// The sources.
const (
	SourceUnknown              Source = 0
	SourceDynamicTopic         Source = 1
	SourceDynamicBroker        Source = 2
	SourceDynamicDefaultBroker Source = 3
	SourceStaticBroker         Source = 4
	SourceDefault              Source = 5
)

// each calls f for every place that a broker config's value could come from, strongest first.
func (l *layers) each(f func(m map[string]string, s Source)) {
	f(l.broker, SourceDynamicBroker)
	f(l.cluster, SourceDynamicDefaultBroker)
	f(l.static, SourceStaticBroker)
	f(l.identity, SourceStaticBroker)
}

// resolve finds a broker config's text and source; nil when it has no value.
func (l *layers) resolve(name string) (text *string, source Source) {
	l.each(func(m map[string]string, s Source) {
		if v, ok := m[name]; ok && text == nil {
			text, source = &v, s
		}
	})
	if r := find(brokerRows, name); text == nil && r != nil && !r.none {
		return &r.def, SourceDefault
	}
	return text, source
}

// topicDefault is the text of a topic config that the topic itself does not set. A stronger source beats a better unit.
func (l *layers) topicDefault(t *row) string {
	for _, s := range l.synonyms(t.name) {
		r := find(brokerRows, s.Name)
		if v, err := r.parse(*s.Value); err == nil {
			return r.scaled(v)
		}
	}
	return t.def
}

// synonymsOf lists the broker configs that give a topic config its default, strongest first: milliseconds before
// minutes before hours.
func synonymsOf(topicConfig string) []string {
	var found []*row
	for i := range brokerRows {
		if brokerRows[i].means == topicConfig {
			found = append(found, &brokerRows[i])
		}
	}
	slices.SortStableFunc(found, func(a, b *row) int { return int(a.scale() - b.scale()) })
	out := make([]string, len(found))
	for i, r := range found {
		out[i] = r.name
	}
	return out
}
