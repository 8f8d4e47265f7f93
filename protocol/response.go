package protocol

import (
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// keyAPIVersions is the one API whose response header is never flexible: a client that asks for a version that this
// broker does not know must be able to read the refusal (KIP-511).
const keyAPIVersions = 18

// EncodeResponse is the frame of a response, header included, length prefix not. The response's own Version decides the
// layout; an answer to an ApiVersions request of an unknown version is one of version 0. The parts are to be sent one
// after the other; none is changed later. For a *kmsg.FetchResponse it is EncodeFetch without a source of records.
func EncodeResponse(correlation int32, resp kmsg.Response) [][]byte {
	if fetch, ok := resp.(*kmsg.FetchResponse); ok {
		return EncodeFetch(correlation, fetch, nil)
	}
	return [][]byte{resp.AppendTo(appendHeader(make([]byte, 0, 256), correlation, resp))}
}

// appendHeader writes response header v0 (correlation id) or v1 (an empty tag section besides, KIP-482).
func appendHeader(dst []byte, correlation int32, resp kmsg.Response) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(correlation))
	if f, ok := resp.(interface{ IsFlexible() bool }); ok && f.IsFlexible() && resp.Key() != keyAPIVersions {
		dst = append(dst, 0)
	}
	return dst
}

// EncodeFetch is EncodeResponse for Fetch 4-18 without copying record batches: records says which batches answer
// resp.Topics[topic].Partitions[partition] and they become parts of their own; they must not change until the frame is
// sent. With records nil, RecordBatches of the response are taken instead. A partition without records gets the empty
// record set, as from Apache Kafka, never null. Partitions are to be made with kmsg.NewFetchResponseTopicPartition:
// DivergingEpoch, CurrentLeader and SnapshotID are left out only at their defaults (-1). Node endpoints are written from
// version 16 on (KIP-951).
func EncodeFetch(correlation int32, resp *kmsg.FetchResponse, records func(topic, partition int) [][]byte) [][]byte {
	e := fetchEncoder{version: resp.Version, flexible: resp.IsFlexible()}
	e.buf = appendHeader(make([]byte, 0, fetchSizeHint(resp)), correlation, resp)
	e.int32(resp.ThrottleMillis)
	if e.version >= 7 {
		e.int16(resp.ErrorCode)
		e.int32(resp.SessionID)
	}
	e.length(len(resp.Topics))
	for i := range resp.Topics {
		t := &resp.Topics[i]
		if e.version <= 12 {
			e.string(t.Topic)
		} else {
			e.buf = append(e.buf, t.TopicID[:]...)
		}
		e.length(len(t.Partitions))
		for j := range t.Partitions {
			p := &t.Partitions[j]
			e.partition(p)
			if records != nil {
				e.records(records(i, j))
			} else {
				e.records([][]byte{p.RecordBatches})
			}
			e.partitionTags(p)
		}
		e.noTags()
	}
	e.endpoints(resp.Brokers)
	return append(e.parts, e.buf)
}

func fetchSizeHint(resp *kmsg.FetchResponse) int {
	n := 64
	for i := range resp.Topics {
		n += 32 + len(resp.Topics[i].Topic) + 96*len(resp.Topics[i].Partitions)
	}
	return n
}

// fetchEncoder collects the bytes between record batches in buf and closes buf into a part at every batch.
type fetchEncoder struct {
	version  int16
	flexible bool
	parts    [][]byte
	buf      []byte
}

func (e *fetchEncoder) int16(v int16)    { e.buf = binary.BigEndian.AppendUint16(e.buf, uint16(v)) }
func (e *fetchEncoder) int32(v int32)    { e.buf = binary.BigEndian.AppendUint32(e.buf, uint32(v)) }
func (e *fetchEncoder) int64(v int64)    { e.buf = binary.BigEndian.AppendUint64(e.buf, uint64(v)) }
func (e *fetchEncoder) uvarint(v uint64) { e.buf = binary.AppendUvarint(e.buf, v) }

func (e *fetchEncoder) noTags() {
	if e.flexible {
		e.buf = append(e.buf, 0)
	}
}

// length writes the length of an array or of records; -1 is null.
func (e *fetchEncoder) length(n int) {
	if e.flexible {
		e.uvarint(uint64(n + 1))
		return
	}
	e.int32(int32(n))
}

func (e *fetchEncoder) string(s string) {
	if e.flexible {
		e.uvarint(uint64(len(s) + 1))
	} else {
		e.int16(int16(len(s)))
	}
	e.buf = append(e.buf, s...)
}

func (e *fetchEncoder) partition(p *kmsg.FetchResponseTopicPartition) {
	e.int32(p.Partition)
	e.int16(p.ErrorCode)
	e.int64(p.HighWatermark)
	e.int64(p.LastStableOffset)
	if e.version >= 5 {
		e.int64(p.LogStartOffset)
	}
	if p.AbortedTransactions == nil {
		e.length(-1)
	} else {
		e.length(len(p.AbortedTransactions))
		for i := range p.AbortedTransactions {
			e.int64(p.AbortedTransactions[i].ProducerID)
			e.int64(p.AbortedTransactions[i].FirstOffset)
			e.noTags()
		}
	}
	if e.version >= 11 {
		e.int32(p.PreferredReadReplica)
	}
}

func (e *fetchEncoder) records(batches [][]byte) {
	n := 0
	for _, b := range batches {
		n += len(b)
	}
	e.length(n)
	if n == 0 {
		return
	}
	e.parts = append(e.parts, e.buf)
	for _, b := range batches {
		if len(b) > 0 {
			e.parts = append(e.parts, b)
		}
	}
	// What follows goes behind the closed part in the same array, so that a response takes one allocation.
	e.buf = e.buf[len(e.buf):]
}

func (e *fetchEncoder) partitionTags(p *kmsg.FetchResponseTopicPartition) {
	if !e.flexible {
		return
	}
	diverging := p.DivergingEpoch.Epoch != -1 || p.DivergingEpoch.EndOffset != -1
	leader := p.CurrentLeader.LeaderID != -1 || p.CurrentLeader.LeaderEpoch != -1
	snapshot := p.SnapshotID.EndOffset != -1 || p.SnapshotID.Epoch != -1
	count := byte(0)
	for _, set := range []bool{diverging, leader, snapshot} {
		if set {
			count++
		}
	}
	e.buf = append(e.buf, count)
	// Each of these structures has a fixed size: its fields and one byte for its own empty tag section.
	if diverging {
		e.buf = append(e.buf, 0, 13)
		e.int32(p.DivergingEpoch.Epoch)
		e.int64(p.DivergingEpoch.EndOffset)
		e.noTags()
	}
	if leader {
		e.buf = append(e.buf, 1, 9)
		e.int32(p.CurrentLeader.LeaderID)
		e.int32(p.CurrentLeader.LeaderEpoch)
		e.noTags()
	}
	if snapshot {
		e.buf = append(e.buf, 2, 13)
		e.int64(p.SnapshotID.EndOffset)
		e.int32(p.SnapshotID.Epoch)
		e.noTags()
	}
}

// endpoints writes the response's own tag section: node endpoints of current leaders.
func (e *fetchEncoder) endpoints(brokers []kmsg.FetchResponseBroker) {
	if !e.flexible {
		return
	}
	if e.version < 16 || len(brokers) == 0 {
		e.buf = append(e.buf, 0)
		return
	}
	field := fetchEncoder{flexible: true}
	field.length(len(brokers))
	for i := range brokers {
		b := &brokers[i]
		field.int32(b.NodeID)
		field.string(b.Host)
		field.int32(b.Port)
		if b.Rack == nil {
			field.uvarint(0)
		} else {
			field.string(*b.Rack)
		}
		field.noTags()
	}
	e.buf = append(e.buf, 1, 0)
	e.uvarint(uint64(len(field.buf)))
	e.buf = append(e.buf, field.buf...)
}
