package group

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Versions of the record formats that we write; Kafka 4.3 writes the same.
const (
	offsetKeyVersion          = 1
	groupKeyVersion           = 2
	groupValueVersion         = 3
	offsetValueVersion        = 4
	offsetValueVersionExpires = 1 // the only one with an expiry of its own (OffsetCommit 2-4 with a retention time)
	newestOffsetValueVersion  = 4
	newestGroupValueVersion   = 3
)

const noExpiry = -1

// committed is one committed offset. Times are milliseconds since the epoch; ExpireAt is noExpiry unless the client asked
// for a retention of its own. TopicID is zero when the topic's id was not known.
type committed struct {
	Offset      int64
	LeaderEpoch int32
	Metadata    string
	CommittedAt int64
	ExpireAt    int64
	TopicID     [16]byte
}

// record is a record of __consumer_offsets as it is appended; a nil value is a tombstone.
type record struct{ key, value []byte }

func (r record) size() int { return len(r.key) + len(r.value) + 16 }

// fact is a decoded record: either an offset (Topic not empty) or the metadata of a group. A nil Offset or Stored is a
// tombstone. Other says that the record is of a kind that classic groups do not use.
type fact struct {
	Group     string
	Topic     string
	Partition int32
	IsGroup   bool
	Other     bool
	Offset    *committed
	Stored    *kmsg.GroupMetadataValue
}

func offsetKey(group, topic string, partition int32) []byte {
	k := kmsg.OffsetCommitKey{Version: offsetKeyVersion, Group: group, Topic: topic, Partition: partition}
	return k.AppendTo(nil)
}

func offsetRecord(group, topic string, partition int32, c committed) record {
	v := kmsg.NewOffsetCommitValue()
	v.Version = offsetValueVersion
	if c.ExpireAt != noExpiry {
		v.Version = offsetValueVersionExpires
	}
	v.Offset, v.LeaderEpoch, v.Metadata = c.Offset, c.LeaderEpoch, c.Metadata
	v.CommitTimestamp, v.ExpireTimestamp, v.TopicID = c.CommittedAt, c.ExpireAt, c.TopicID
	return record{key: offsetKey(group, topic, partition), value: v.AppendTo(nil)}
}

func offsetTombstone(group, topic string, partition int32) record {
	return record{key: offsetKey(group, topic, partition)}
}

func groupKey(group string) []byte {
	k := kmsg.GroupMetadataKey{Version: groupKeyVersion, Group: group}
	return k.AppendTo(nil)
}

func groupRecord(group string, v *kmsg.GroupMetadataValue) record {
	return record{key: groupKey(group), value: v.AppendTo(nil)}
}

func groupTombstone(group string) record { return record{key: groupKey(group)} }

// decode reads a record. It keeps no reference to key or value. An error means damage or a format from a later version:
// the state that would follow is unknown.
func decode(key, value []byte) (fact, error) {
	if len(key) < 2 {
		return fact{}, fmt.Errorf("record key of %d bytes", len(key))
	}
	switch version := int16(binary.BigEndian.Uint16(key)); version {
	case 0, 1:
		return decodeOffset(key, value)
	case groupKeyVersion:
		return decodeGroup(key, value)
	default:
		if version < 0 {
			return fact{}, fmt.Errorf("record key version %d", version)
		}
		return fact{Other: true}, nil
	}
}

func valueVersion(value []byte, newest int16) error {
	if len(value) < 2 {
		return fmt.Errorf("record value of %d bytes", len(value))
	}
	if v := int16(binary.BigEndian.Uint16(value)); v < 0 || v > newest {
		return fmt.Errorf("record value version %d, newest known is %d", v, newest)
	}
	return nil
}

func decodeOffset(key, value []byte) (fact, error) {
	var k kmsg.OffsetCommitKey
	if err := k.ReadFrom(key); err != nil {
		return fact{}, fmt.Errorf("offset key: %w", err)
	}
	f := fact{Group: k.Group, Topic: k.Topic, Partition: k.Partition}
	if value == nil {
		return f, nil
	}
	if err := valueVersion(value, newestOffsetValueVersion); err != nil {
		return fact{}, err
	}
	v := kmsg.NewOffsetCommitValue()
	if err := v.ReadFrom(value); err != nil {
		return fact{}, fmt.Errorf("offset value: %w", err)
	}
	f.Offset = &committed{Offset: v.Offset, LeaderEpoch: -1, Metadata: v.Metadata, CommittedAt: v.CommitTimestamp, ExpireAt: noExpiry, TopicID: v.TopicID}
	if v.Version >= 3 {
		f.Offset.LeaderEpoch = v.LeaderEpoch
	}
	if v.Version == offsetValueVersionExpires {
		f.Offset.ExpireAt = v.ExpireTimestamp
	}
	return f, nil
}

func decodeGroup(key, value []byte) (fact, error) {
	var k kmsg.GroupMetadataKey
	if err := k.ReadFrom(key); err != nil {
		return fact{}, fmt.Errorf("group key: %w", err)
	}
	f := fact{Group: k.Group, IsGroup: true}
	if value == nil {
		return f, nil
	}
	if err := valueVersion(value, newestGroupValueVersion); err != nil {
		return fact{}, err
	}
	v := kmsg.NewGroupMetadataValue()
	if err := v.ReadFrom(value); err != nil {
		return fact{}, fmt.Errorf("group value: %w", err)
	}
	for i := range v.Members { // the decoder aliases what it reads, and that may be a pooled buffer
		v.Members[i].Subscription = bytes.Clone(v.Members[i].Subscription)
		v.Members[i].Assignment = bytes.Clone(v.Members[i].Assignment)
	}
	v.Version = groupValueVersion
	f.Stored = &v
	return f, nil
}
