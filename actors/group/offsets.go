package group

import (
	"maps"
	"slices"
)

// offsetTable holds a group's committed offsets: topic, then partition. Only machine.apply changes it.
type offsetTable map[string]map[int32]committed

func (t offsetTable) get(topic string, partition int32) (committed, bool) {
	c, ok := t[topic][partition]
	return c, ok
}

func (t offsetTable) set(topic string, partition int32, c committed) {
	if t[topic] == nil {
		t[topic] = map[int32]committed{}
	}
	t[topic][partition] = c
}

func (t offsetTable) remove(topic string, partition int32) {
	delete(t[topic], partition)
	if len(t[topic]) == 0 {
		delete(t, topic)
	}
}

// topics lists the topics in a fixed order, so that nothing that leaves the group depends on map order.
func (t offsetTable) topics() []string { return slices.Sorted(maps.Keys(t)) }

func (t offsetTable) partitions(topic string) []int32 { return slices.Sorted(maps.Keys(t[topic])) }

// each calls f for every offset in a fixed order.
func (t offsetTable) each(f func(topic string, partition int32, c committed)) {
	for _, topic := range t.topics() {
		for _, partition := range t.partitions(topic) {
			f(topic, partition, t[topic][partition])
		}
	}
}

// count is the number of committed offsets.
func (t offsetTable) count() int {
	n := 0
	for _, partitions := range t {
		n += len(partitions)
	}
	return n
}
