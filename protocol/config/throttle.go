package config

import (
	"strconv"
	"strings"

	"chronik/protocol/kafka"
)

// replicaList accepts what Kafka's throttled.replicas configs accept (KIP-73).
func replicaList(name string, v value) error {
	if len(v.list) == 1 && v.list[0] == "*" {
		return nil
	}
	for _, e := range v.list {
		partition, node, ok := strings.Cut(e, ":")
		if !ok || !number(partition) || !number(node) {
			return refuse(name, "Invalid value %s for configuration %s: %s must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...",
				v.text, name, name)
		}
	}
	return nil
}

func number(s string) bool {
	n, err := strconv.ParseInt(s, 10, 32)
	return err == nil && n >= 0
}

// Throttles says whether a valid list of throttled replicas names the replica of a partition on a node.
func Throttles(list string, partition int32, node kafka.NodeID) bool {
	if list == "*" {
		return true
	}
	want := strconv.Itoa(int(partition)) + ":" + strconv.Itoa(int(node))
	for e := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(e) == want {
			return true
		}
	}
	return false
}
