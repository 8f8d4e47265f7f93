package config

import (
	"slices"
	"strconv"
	"strings"
)

// Operations of IncrementalAlterConfigs, as Kafka numbers them (KIP-339).
const (
	OpSet      int8 = 0
	OpDelete   int8 = 1
	OpAppend   int8 = 2
	OpSubtract int8 = 3
)

// IsListTopic says whether a topic config takes OpAppend and OpSubtract.
func IsListTopic(name string) bool { r := find(topicRows, name); return r != nil && r.typ == TypeList }

// IsListBroker says whether a broker config takes OpAppend and OpSubtract.
func IsListBroker(name string) bool {
	r := find(brokerRows, name)
	return r != nil && r.typ == TypeList
}

// AlterTopic returns a copy of a topic's own configs with one incremental operation done. OpAppend and OpSubtract work
// on the effective list; b gives the default. The result still has to pass ValidateTopic.
func AlterTopic(overrides map[string]string, name string, op int8, text string, b *Broker) (map[string]string, error) {
	r := find(topicRows, name)
	if r == nil {
		return nil, refuse(name, "Unknown topic config name: %s", name)
	}
	current, ok := overrides[name]
	if !ok {
		current = b.from.topicDefault(r)
	}
	return alter(overrides, r, current, op, text)
}

// AlterBroker is AlterTopic for dynamic broker configs; the result still has to pass ValidateBroker.
func AlterBroker(configs map[string]string, name string, op int8, text string) (map[string]string, error) {
	r := findBroker(name)
	if r == nil {
		return nil, refuse(name, "Unknown broker config name: %s%s", name, didYouMean(name, BrokerConfigNames()))
	}
	current, ok := configs[name]
	if !ok {
		current = r.def
	}
	return alter(configs, r, current, op, text)
}

func alter(configs map[string]string, r *row, current string, op int8, text string) (map[string]string, error) {
	out := make(map[string]string, len(configs)+1)
	for k, v := range configs {
		out[k] = v
	}
	switch op {
	case OpSet:
		out[r.name] = text
		return out, nil
	case OpDelete:
		delete(out, r.name)
		return out, nil
	case OpAppend, OpSubtract:
	default:
		return nil, refuse(r.name, "Unknown operation %d on configuration %s", op, r.name)
	}
	if r.typ != TypeList {
		verb := map[int8]string{OpAppend: "append", OpSubtract: "subtract"}[op]
		return nil, refuse(r.name, "Can't %s to key %s because its type is not LIST.", verb, r.name)
	}
	list := elements(current)
	for _, e := range elements(text) {
		at := slices.Index(list, e)
		switch {
		case op == OpAppend && at < 0:
			list = append(list, e)
		case op == OpSubtract && at >= 0:
			list = slices.Delete(list, at, at+1)
		}
	}
	out[r.name] = strings.Join(list, ",")
	return out, nil
}

func elements(text string) []string {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	parts := strings.Split(text, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

// OffsetsTopicConfigs are the configs that __consumer_offsets is created with. Until it is compacted nothing of it may
// be deleted by age or size.
func OffsetsTopicConfigs(b *Broker) map[string]string {
	return map[string]string{
		"cleanup.policy":   "delete",
		"compression.type": "producer",
		"retention.ms":     "-1",
		"retention.bytes":  "-1",
		"segment.bytes":    strconv.FormatInt(max(b.OffsetsSegmentBytes, 1<<20), 10),
	}
}
