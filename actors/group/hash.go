package group

import (
	"math"
	"unicode/utf16"

	"chronik/protocol/kafka"
)

// TopicName is the internal topic that holds groups and their offsets.
const TopicName = "__consumer_offsets"

// PartitionFor is the partition of __consumer_offsets that holds a group: Java's String.hashCode, made non-negative as
// Kafka's Utils.abs does, modulo the partition count. It panics when partitions is not positive.
func PartitionFor(group string, partitions int) kafka.PartitionIndex {
	var h int32
	for _, unit := range utf16.Encode([]rune(group)) {
		h = 31*h + int32(unit)
	}
	switch {
	case h == math.MinInt32:
		h = 0
	case h < 0:
		h = -h
	}
	return kafka.PartitionIndex(int(h) % partitions)
}
