package batch

import (
	"encoding/binary"
	"errors"

	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
)

// Options are the rules that a produced batch has to keep, from the topic's configuration and the request.
type Options struct {
	Partition kafka.TopicPartition // for texts only
	Version   int16                // of the Produce request; 3 or higher
	Now       kafka.Timestamp
	// LogAppendTime is message.timestamp.type=LogAppendTime: the records' own timestamps are not checked. The replica
	// stamps the time when it appends (StampAppendTime).
	LogAppendTime bool
	// TimestampBeforeMaxMs and TimestampAfterMaxMs are message.timestamp.before.max.ms and .after.max.ms;
	// math.MaxInt64, or anything negative, means no limit.
	TimestampBeforeMaxMs int64
	TimestampAfterMaxMs  int64
	// MaxBytes is max.message.bytes: of the whole batch, as sent and as stored. 0 means no limit.
	MaxBytes int32
	// SegmentBytes is segment.bytes: a batch must fit into one segment. 0 means no limit.
	SegmentBytes int64
	// Compression is compression.type; KeepCodec for "producer".
	Compression Codec
	// KeysRequired is set for compacted topics: a record without a key is refused.
	KeysRequired bool
}

// Validate checks the record set of one partition of a Produce request, as Apache Kafka 4.3 does: exactly one batch of
// magic 2, sizes, CRC-32C, offsets, sequence, and every record, decompressed in a stream of at most MaxDecompressed
// bytes. out is the batch to append: raw itself, in place corrected where MaxTimestamp or the timestamp type was wrong,
// or a new buffer when the topic's compression differs; h is out's header. A nil error means success.
//
// Codes: INVALID_RECORD, CORRUPT_MESSAGE, MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE, INVALID_TIMESTAMP,
// UNSUPPORTED_COMPRESSION_TYPE.
func Validate(raw []byte, o *Options) (out []byte, h Header, err *Error) {
	h, err = frame(raw, o)
	if err != nil {
		return nil, h, err
	}
	if h.BaseOffset != 0 {
		return nil, h, refuse(kerror.InvalidRecord, "The baseOffset of the record batch in the append to %s should be 0, but it is %d", o.Partition, h.BaseOffset)
	}
	if err := tooLarge(len(raw), o); err != nil {
		return nil, h, err
	}
	if crc := Checksum(raw); crc != h.CRC {
		return nil, h, refuse(kerror.CorruptMessage, "Record is corrupt (stored crc = %d, computed crc = %d) in topic partition %s.", h.CRC, crc, o.Partition)
	}
	if err := headerRules(&h, o); err != nil {
		return nil, h, err
	}
	newest, err := records(raw, &h, o)
	if err != nil {
		return nil, h, err
	}
	if o.Compression != KeepCodec && o.Compression != h.Codec() {
		if raw, err = Recompress(raw, o.Compression); err != nil {
			return nil, h, err
		}
		if err := tooLarge(len(raw), o); err != nil {
			return nil, h, err
		}
		h, _ = ParseHeader(raw)
	}
	if !o.LogAppendTime && (h.MaxTimestamp != newest || h.LogAppendTime()) {
		setTimestamp(raw, false, newest)
		h, _ = ParseHeader(raw)
	}
	if o.SegmentBytes > 0 && int64(len(raw)) > o.SegmentBytes {
		return nil, h, refuse(kerror.RecordListTooLarge, "Message batch size is %d bytes in append to partition %s, which exceeds the maximum configured segment size of %d.", len(raw), o.Partition, o.SegmentBytes)
	}
	return raw, h, nil
}

func tooLarge(size int, o *Options) *Error {
	if o.MaxBytes > 0 && size > int(o.MaxBytes) {
		return refuse(kerror.MessageTooLarge, "The record batch size in the append to %s is %d bytes which exceeds the maximum configured value of %d.", o.Partition, size, o.MaxBytes)
	}
	return nil
}

// frame finds the one batch that raw must be. A magic or a length that no batch can have is corruption; anything else
// that is not one batch of magic 2 is an invalid record (KIP-98: Produce v3+).
func frame(raw []byte, o *Options) (Header, *Error) {
	size, magic, err := peek(raw)
	if err != nil {
		return Header{}, err
	}
	if size == 0 {
		return Header{}, refuse(kerror.InvalidRecord, "Produce requests with version %d must have at least one record batch per partition", o.Version)
	}
	if magic != 2 {
		return Header{}, refuse(kerror.InvalidRecord, "Produce requests with version %d are only allowed to contain record batches with magic version 2", o.Version)
	}
	h, ok := ParseHeader(raw)
	if !ok {
		return h, refuse(kerror.CorruptMessage, "Record batch of %d bytes is smaller than its header (%d)", size, HeaderSize)
	}
	if h.Codec() == Zstd && o.Version < 7 {
		return h, refuse(kerror.UnsupportedCompressionType, "Produce requests with version %d are not allowed to use ZStandard compression", o.Version)
	}
	if size == len(raw) {
		return h, nil
	}
	if _, _, err := peek(raw[size:]); err != nil {
		return h, err
	}
	return h, refuse(kerror.InvalidRecord, "Produce requests with version %d are only allowed to contain exactly one record batch per partition", o.Version)
}

// smallest is the size of the smallest message of the oldest format.
const smallest = 14

// peek reads size and magic of the batch that b starts with; size is 0 when there is no complete one.
func peek(b []byte) (size int, magic int8, err *Error) {
	if len(b) < LengthPrefix {
		return 0, 0, nil
	}
	length := int(int32(binary.BigEndian.Uint32(b[offLength:])))
	if length < smallest {
		return 0, 0, refuse(kerror.CorruptMessage, "Record size %d is less than the minimum record overhead (%d)", length, smallest)
	}
	if len(b) <= offMagic {
		return 0, 0, nil
	}
	magic = int8(b[offMagic])
	if magic < 0 || magic > 2 {
		return 0, 0, refuse(kerror.CorruptMessage, "Invalid magic found in record: %d", magic)
	}
	if len(b) < length+LengthPrefix {
		return 0, 0, nil
	}
	return length + LengthPrefix, magic, nil
}

// headerRules are those that need no record.
func headerRules(h *Header, o *Options) *Error {
	inRange := int64(h.LastDelta) + 1
	switch {
	case inRange <= 0:
		return refuse(kerror.InvalidRecord, "Batch has an invalid offset range: [%d, %d] in topic partition %s", h.BaseOffset, h.LastOffset(), o.Partition)
	case h.RecordCount <= 0:
		return refuse(kerror.InvalidRecord, "Invalid reported count for record batch: %d in topic partition %s", h.RecordCount, o.Partition)
	case inRange != int64(h.RecordCount):
		return refuse(kerror.InvalidRecord, "Inconsistent batch offset range [%d, %d] and count of records %d in topic partition %s", h.BaseOffset, h.LastOffset(), h.RecordCount, o.Partition)
	case h.Control():
		return refuse(kerror.InvalidRecord, "Clients are not allowed to write control records in topic partition %s", o.Partition)
	case h.ProducerID > kafka.NoProducer && h.BaseSequence < 0:
		return refuse(kerror.InvalidRecord, "Invalid sequence number %d in record batch with producerId %d in topic partition %s", h.BaseSequence, h.ProducerID, o.Partition)
	case h.ProducerID < kafka.NoProducer, h.ProducerID > kafka.NoProducer && h.ProducerEpoch < 0:
		return refuse(kerror.InvalidRecord, "Invalid producer id %d with epoch %d in record batch in topic partition %s", h.ProducerID, h.ProducerEpoch, o.Partition)
	case !h.Codec().Valid():
		return refuse(kerror.UnsupportedCompressionType, "Unknown compression type id: %d in topic partition %s", int8(h.Codec()), o.Partition)
	}
	return nil
}

// recordCheck collects what is wrong with single records; the batch is read to its end all the same.
type recordCheck struct {
	o          *Options
	appendTime bool // the batch claims the broker's time
	total      int
	timestamps bool
	found      []RecordError
}

// records reads all records and returns the newest timestamp, NoTimestamp when none has one.
func records(raw []byte, h *Header, o *Options) (kafka.Timestamp, *Error) {
	var c cursor
	if err := c.open(h.Codec(), raw[HeaderSize:], MaxDecompressed); err != nil {
		return 0, damaged(err, o)
	}
	defer c.close()
	check := recordCheck{o: o, appendTime: h.LogAppendTime()}
	newest := kafka.NoTimestamp
	for i := int32(0); i < h.RecordCount; i++ {
		r, ok := c.record()
		if !ok {
			return 0, damaged(c.err, o)
		}
		if r.offsetDelta != i {
			return 0, refuse(kerror.InvalidRecord, "Record %d of the batch has offset delta %d; deltas must count from 0 in topic partition %s", i, r.offsetDelta, o.Partition)
		}
		timestamp := h.BaseTimestamp + kafka.Timestamp(r.timestampDelta)
		if check.appendTime {
			timestamp = h.MaxTimestamp
		}
		check.record(i, &r, timestamp)
		newest = max(newest, timestamp)
	}
	if !c.atEnd() {
		return 0, damaged(c.err, o)
	}
	if check.total > 0 {
		return 0, rejected(check.found, check.total, check.timestamps)
	}
	return newest, nil
}

// damaged turns an error of reading into the client's.
func damaged(err error, o *Options) *Error {
	if errors.Is(err, errTooMuch) {
		return refuse(kerror.MessageTooLarge, "The record batch in the append to %s is too large when decompressed", o.Partition)
	}
	return refuse(kerror.InvalidRecord, "%s in topic partition %s", err, o.Partition)
}

func (c *recordCheck) record(index int32, r *rawRecord, timestamp kafka.Timestamp) {
	switch {
	case c.o.KeysRequired && r.keyLength < 0:
		c.add(index, false, "Compacted topic cannot accept message without key in topic partition "+c.o.Partition.String()+".")
	case !c.o.LogAppendTime && timestamp != kafka.NoTimestamp:
		if !c.timely(timestamp) {
			c.add(index, true, c.rangeText(index, timestamp))
		}
	case c.appendTime:
		c.add(index, true, "Invalid timestamp type in message. Producer should not set timestamp type to LogAppendTime.")
	}
}

func (c *recordCheck) add(index int32, timestamp bool, text string) {
	c.total++
	c.timestamps = c.timestamps || timestamp
	if len(c.found) < maxRecordErrors {
		c.found = append(c.found, RecordError{index, text})
	}
}
