package batch

import (
	"iter"

	"chronik/protocol/kafka"
)

// Record is one record. A nil Key or Value is null on the wire; empty ones are not nil.
type Record struct {
	Offset    kafka.Offset
	Timestamp kafka.Timestamp
	Key       []byte
	Value     []byte
	Headers   []RecordHeader
}

// RecordHeader is one header of a record; a nil Value is null.
type RecordHeader struct {
	Key   string
	Value []byte
}

// Split yields the batches that b consists of, each with its header, as far as they are complete; a torn last one is
// left out, as in answers to Fetch. No CRC is checked and nothing is copied.
func Split(b []byte) iter.Seq2[Header, []byte] {
	return func(yield func(Header, []byte) bool) {
		for {
			h, ok := ParseHeader(b)
			if !ok || !yield(h, b[:h.Size]) {
				return
			}
			b = b[h.Size:]
		}
	}
}

// Records yields the records of b, one whole batch, in order; with a non-nil error, once and last, where b is damaged or
// decompresses to more than MaxDecompressed. Keys and values alias b when it is not compressed. Where the batch carries
// the broker's time, all its records do. The CRC is not checked.
func Records(b []byte) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		h, ok := ParseHeader(b)
		if !ok {
			yield(Record{}, errStructure)
			return
		}
		var c cursor
		if err := c.open(h.Codec(), b[HeaderSize:h.Size], MaxDecompressed); err != nil {
			yield(Record{}, err)
			return
		}
		defer c.close()
		for i := int32(0); i < h.RecordCount; i++ {
			r, ok := c.decode(&h)
			if !ok {
				yield(Record{}, c.err)
				return
			}
			if !yield(r, nil) {
				return
			}
		}
		if !c.atEnd() {
			yield(Record{}, c.err)
		}
	}
}

// decode reads one record with its content.
func (c *cursor) decode(h *Header) (r Record, ok bool) {
	size, ok := c.varint32()
	if !ok {
		return r, false
	}
	if size < 0 {
		return r, c.fail(errStructure)
	}
	body, ok := c.take(int(size))
	if !ok {
		return r, false
	}
	in := cursor{window: body}
	if r, ok = in.body(h); !ok {
		return r, c.fail(in.err)
	}
	return r, true
}

// body reads what a record of known size holds.
func (c *cursor) body(h *Header) (r Record, ok bool) {
	if !c.skip(1) { // attributes, unused
		return r, false
	}
	timestamp, ok := c.varint()
	if !ok {
		return r, false
	}
	r.Timestamp = h.BaseTimestamp + kafka.Timestamp(timestamp)
	if h.LogAppendTime() {
		r.Timestamp = h.MaxTimestamp
	}
	delta, ok := c.varint32()
	if !ok {
		return r, false
	}
	r.Offset = h.BaseOffset + kafka.Offset(delta)
	if r.Key, ok = c.bytes(); !ok {
		return r, false
	}
	if r.Value, ok = c.bytes(); !ok {
		return r, false
	}
	if r.Headers, ok = c.headers(); !ok {
		return r, false
	}
	if c.pos != len(c.window) {
		return r, c.fail(errSize)
	}
	return r, true
}

// bytes reads a length and that many bytes, nil for null.
func (c *cursor) bytes() ([]byte, bool) {
	n, ok := c.varint32()
	if !ok || n < 0 {
		return nil, ok
	}
	if int(n) > len(c.window)-c.pos {
		return nil, c.fail(errPremature)
	}
	return c.take(int(n))
}

func (c *cursor) headers() ([]RecordHeader, bool) {
	n, ok := c.varint32()
	if !ok {
		return nil, false
	}
	if n < 0 || int(n) > (len(c.window)-c.pos)/2 { // a header takes at least two bytes
		return nil, c.fail(errHeaders)
	}
	if n == 0 {
		return nil, true
	}
	all := make([]RecordHeader, n)
	for i := range all {
		key, ok := c.bytes()
		if !ok {
			return nil, false
		}
		if key == nil {
			return nil, c.fail(errStructure)
		}
		all[i].Key = string(key)
		if all[i].Value, ok = c.bytes(); !ok {
			return nil, false
		}
	}
	return all, true
}

// FindTimestamp is the first record of b, one whole batch, whose timestamp is at or after t. It reads no record content
// into memory, which Records does. found is false when all are older; the error is damage in b.
func FindTimestamp(b []byte, t kafka.Timestamp) (offset kafka.Offset, timestamp kafka.Timestamp, found bool, err error) {
	return FindTimestampFrom(b, t, 0)
}

// FindTimestampFrom is FindTimestamp among the records at or after an offset: a batch may lie across the log start.
func FindTimestampFrom(b []byte, t kafka.Timestamp, from kafka.Offset) (offset kafka.Offset, timestamp kafka.Timestamp, found bool, err error) {
	h, ok := ParseHeader(b)
	if !ok {
		return kafka.NoOffset, kafka.NoTimestamp, false, errStructure
	}
	if h.LogAppendTime() {
		if h.MaxTimestamp < t || h.LastOffset() < from {
			return kafka.NoOffset, kafka.NoTimestamp, false, nil
		}
		return max(h.BaseOffset, from), h.MaxTimestamp, true, nil
	}
	var c cursor
	if err := c.open(h.Codec(), b[HeaderSize:h.Size], MaxDecompressed); err != nil {
		return kafka.NoOffset, kafka.NoTimestamp, false, err
	}
	defer c.close()
	for i := int32(0); i < h.RecordCount; i++ {
		r, ok := c.record()
		if !ok {
			return kafka.NoOffset, kafka.NoTimestamp, false, c.err
		}
		o := h.BaseOffset + kafka.Offset(r.offsetDelta)
		if at := h.BaseTimestamp + kafka.Timestamp(r.timestampDelta); at >= t && o >= from {
			return o, at, true, nil
		}
	}
	return kafka.NoOffset, kafka.NoTimestamp, false, nil
}
