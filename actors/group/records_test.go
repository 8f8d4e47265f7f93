package group

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	if s == "null" {
		return nil
	}
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func str(s string) *string { return &s }

// kafkaRecords were written by the serializer of Apache Kafka 4.3.1's group coordinator.
var kafkaRecords = []struct{ name, key, value string }{
	{"offset", "000100056772c3bc700005746f70696300000007", "0004000000000000002a00000003056d6574610000018bcfe5687b010010000102030405060708090a0b0c0d0e0f"},
	{"plain offset", "000100016700017400000000", "0004000000000000002affffffff01000000000000000100"},
	{"expiring offset", "000100016700017400000000", "0001000000000000002a00016d00000000000000010000000000000005"},
	{"offset tombstone", "000100016700017400000009", "null"},
	{"group", "0002000167", "00030008636f6e73756d657200000005000572616e676500036d2d310000018bcfe5687b0000000200036d2d310004696e7374000163000a2f3132372e302e302e310000ea6000007530000000020102000000010300036d2d32ffff000163000a2f3132372e302e302e310000ea60000075300000000000000000"},
	{"empty group", "0002000167", "00030008636f6e73756d657200000006ffffffff0000018bcfe5687b00000000"},
	{"group tombstone", "0002000167", "null"},
}

func ourRecords() []record {
	var id [16]byte
	for i := range id {
		id[i] = byte(i)
	}
	member := func(id string, instance *string, subscription, assignment []byte) kmsg.GroupMetadataValueMember {
		m := kmsg.NewGroupMetadataValueMember()
		m.MemberID, m.InstanceID, m.ClientID, m.ClientHost = id, instance, "c", "/127.0.0.1"
		m.RebalanceTimeoutMillis, m.SessionTimeoutMillis, m.Subscription, m.Assignment = 60000, 30000, subscription, assignment
		return m
	}
	g := kmsg.GroupMetadataValue{Version: 3, ProtocolType: "consumer", Generation: 5, Protocol: str("range"), Leader: str("m-1"), CurrentStateTimestamp: 1700000000123,
		Members: []kmsg.GroupMetadataValueMember{member("m-1", str("inst"), []byte{1, 2}, []byte{3}), member("m-2", nil, []byte{}, []byte{})}}
	e := kmsg.GroupMetadataValue{Version: 3, ProtocolType: "consumer", Generation: 6, CurrentStateTimestamp: 1700000000123}
	return []record{
		offsetRecord("grüp", "topic", 7, committed{Offset: 42, LeaderEpoch: 3, Metadata: "meta", CommittedAt: 1700000000123, ExpireAt: noExpiry, TopicID: id}),
		offsetRecord("g", "t", 0, committed{Offset: 42, LeaderEpoch: -1, CommittedAt: 1, ExpireAt: noExpiry}),
		offsetRecord("g", "t", 0, committed{Offset: 42, LeaderEpoch: 3, Metadata: "m", CommittedAt: 1, ExpireAt: 5}),
		offsetTombstone("g", "t", 9),
		groupRecord("g", &g),
		groupRecord("g", &e),
		groupTombstone("g"),
	}
}

func TestRecordsAreKafkas(t *testing.T) {
	for i, ours := range ourRecords() {
		k := kafkaRecords[i]
		if !bytes.Equal(ours.key, unhex(t, k.key)) || !bytes.Equal(ours.value, unhex(t, k.value)) || (ours.value == nil) != (k.value == "null") {
			t.Errorf("%s:\n ours  %x %x\n Kafka %s %s", k.name, ours.key, ours.value, k.key, k.value)
		}
	}
}

// Decoding and encoding again gives the same bytes, so that replay and rewriting lose nothing.
func TestRecordsSurviveDecoding(t *testing.T) {
	for _, k := range kafkaRecords {
		key, value := unhex(t, k.key), unhex(t, k.value)
		f, err := decode(key, value)
		if err != nil {
			t.Errorf("%s: %v", k.name, err)
			continue
		}
		var again record
		switch {
		case f.IsGroup && f.Stored == nil:
			again = groupTombstone(f.Group)
		case f.IsGroup:
			again = groupRecord(f.Group, f.Stored)
		case f.Offset == nil:
			again = offsetTombstone(f.Group, f.Topic, f.Partition)
		default:
			again = offsetRecord(f.Group, f.Topic, f.Partition, *f.Offset)
		}
		if k.name == "expiring offset" {
			if f.Offset.LeaderEpoch != -1 {
				t.Errorf("%s: leader epoch %d from a version without one", k.name, f.Offset.LeaderEpoch)
			}
		}
		if !reflect.DeepEqual(again, record{key, value}) {
			t.Errorf("%s: %x %x", k.name, again.key, again.value)
		}
	}
}

func TestForeignAndDamagedRecords(t *testing.T) {
	// Keys of the newer group protocols are somebody else's.
	if f, err := decode([]byte{0, 3, 0, 1, 'g'}, []byte{0, 0}); err != nil || !f.Other {
		t.Errorf("a key of version 3: %+v, %v", f, err)
	}
	for name, r := range map[string]record{
		"empty key":          {nil, nil},
		"negative version":   {[]byte{0xff, 0xff, 0, 0}, nil},
		"short group key":    {[]byte{0, 2, 0}, nil},
		"later offset value": {offsetKey("g", "t", 0), []byte{0, 5, 0}},
		"later group value":  {groupKey("g"), []byte{0, 4, 0}},
		"empty value":        {groupKey("g"), []byte{}},
	} {
		if f, err := decode(r.key, r.value); err == nil {
			t.Errorf("%s: read as %+v", name, f)
		}
	}
	for _, k := range kafkaRecords {
		key, value := unhex(t, k.key), unhex(t, k.value)
		for i := range key {
			_, _ = decode(key[:i], value)
		}
		for i := range value {
			if _, err := decode(key, value[:i]); err == nil {
				t.Errorf("%s: a value cut at %d was read", k.name, i)
			}
		}
	}
}

func TestDecodedRecordsKeepNothingOfTheirBuffer(t *testing.T) {
	value := unhex(t, kafkaRecords[4].value)
	f, err := decode(unhex(t, kafkaRecords[4].key), value)
	if err != nil {
		t.Fatal(err)
	}
	clear(value)
	if m := f.Stored.Members[0]; m.Subscription[0] != 1 || m.Assignment[0] != 3 {
		t.Error("a decoded member aliases the buffer that it was read from")
	}
}

// Partitions as Kafka's own hash gives them.
func TestPartitionFor(t *testing.T) {
	for group, want := range map[string]int32{"": 0, "grp-0": 12, "grüp": 1, "\U0001F600x": 39, "consumer-group-12345": 44, "polygenelubricants": 0} {
		if got := PartitionFor(group, 50); int32(got) != want {
			t.Errorf("%q: partition %d, Kafka says %d", group, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, r := range ourRecords() {
		f.Add(r.key, r.value)
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		g := newMachine("g", nil, nil)
		if fact, err := decode(key, value); err == nil {
			g.apply(fact)
		}
	})
}
