package metadata

import (
	"encoding/json"
	"fmt"

	"chronik/actors/cluster"
	"chronik/protocol/kafka"
	"chronik/wal"
)

// entryVersion is the first byte of every entry of `__meta`; the rest is JSON.
const entryVersion = 1

// entry is one command's records.
type entry struct {
	Records []record
}

// record changes one thing; exactly one field is set.
type record struct {
	Node       *nodeRecord       `json:",omitempty"`
	NodeGone   *kafka.NodeID     `json:",omitempty"`
	Topic      *topicRecord      `json:",omitempty"`
	Deleted    *kafka.TopicID    `json:",omitempty"`
	Partitions *partitionsRecord `json:",omitempty"`
	Assigned   *partitionsRecord `json:",omitempty"` // replaces the partitions of these indexes
	Configs    *configsRecord    `json:",omitempty"`
	Producers  *producersRecord  `json:",omitempty"`
}

type nodeRecord = cluster.Node

type topicRecord struct {
	Name       string
	ID         kafka.TopicID
	Internal   bool
	Partitions []*cluster.Partition
	Configs    map[string]string
}

type partitionsRecord struct {
	Topic      kafka.TopicID
	Partitions []*cluster.Partition
}

// configsRecord replaces all configs of a resource: type 2 topic (Name), 4 broker (node id, or "" for all).
type configsRecord struct {
	Type    int8
	Name    string
	Configs map[string]string
}

type producersRecord struct{ Next kafka.ProducerID }

func (e *entry) encode() []byte {
	b, err := json.Marshal(e)
	if err != nil {
		panic("BUG: a metadata record does not encode: " + err.Error())
	}
	return append([]byte{entryVersion}, b...)
}

func decodeEntry(b []byte) (*entry, error) {
	if len(b) == 0 || b[0] != entryVersion {
		return nil, fmt.Errorf("metadata entry: %w", wal.ErrUnknownVersion)
	}
	e := &entry{}
	if err := json.Unmarshal(b[1:], e); err != nil {
		return nil, fmt.Errorf("metadata entry: %w", err)
	}
	return e, nil
}
