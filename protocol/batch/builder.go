package batch

import (
	"encoding/binary"

	"chronik/protocol/kafka"
)

// Producer identifies an idempotent producer's batch.
type Producer struct {
	ID       kafka.ProducerID
	Epoch    kafka.ProducerEpoch
	Sequence kafka.Sequence // of the first record
}

// Params are the properties of a batch to build. The zero value is an uncompressed batch without a producer id.
type Params struct {
	Codec         Codec
	Producer      *Producer // nil: not idempotent
	Transactional bool
	Control       bool
}

// Builder makes one batch from records. It has a single owner. Records get offsets from 0 on; the leader stamps the real
// ones.
type Builder struct {
	params  Params
	records []byte
	count   int32
	first   kafka.Timestamp
	newest  kafka.Timestamp
}

// NewBuilder starts an empty batch.
func NewBuilder(p Params) *Builder { return &Builder{params: p} }

// Count is the number of records added.
func (b *Builder) Count() int { return int(b.count) }

// Size is the size in bytes of the batch if it were built now without compression.
func (b *Builder) Size() int { return HeaderSize + len(b.records) }

// Add appends a record. A nil key or value becomes null. Nothing is retained.
func (b *Builder) Add(timestamp kafka.Timestamp, key, value []byte, headers ...RecordHeader) {
	if b.count == 0 {
		b.first, b.newest = timestamp, timestamp
	}
	b.newest = max(b.newest, timestamp)
	delta := int64(timestamp - b.first)
	size := 1 + varintSize(delta) + varintSize(int64(b.count)) + blockSize(key) + blockSize(value) + varintSize(int64(len(headers)))
	for i := range headers {
		size += varintSize(int64(len(headers[i].Key))) + len(headers[i].Key) + blockSize(headers[i].Value)
	}
	r := binary.AppendVarint(b.records, int64(size))
	r = append(r, 0) // attributes
	r = binary.AppendVarint(r, delta)
	r = binary.AppendVarint(r, int64(b.count))
	r = appendBlock(r, key)
	r = appendBlock(r, value)
	r = binary.AppendVarint(r, int64(len(headers)))
	for i := range headers {
		r = binary.AppendVarint(r, int64(len(headers[i].Key)))
		r = append(r, headers[i].Key...)
		r = appendBlock(r, headers[i].Value)
	}
	b.records = r
	b.count++
}

// Build returns the finished batch in a new buffer: base offset 0, leader epoch -1, CRC computed. At least one record
// must have been added. The builder may be used on.
func (b *Builder) Build() []byte {
	if b.count == 0 {
		panic("BUG: a batch needs a record")
	}
	be := binary.BigEndian
	out := make([]byte, HeaderSize, HeaderSize+len(b.records))
	be.PutUint32(out[offLeaderEpoch:], 1<<32-1)
	out[offMagic] = 2
	attributes := uint16(b.params.Codec)
	if b.params.Transactional {
		attributes |= 0x10
	}
	if b.params.Control {
		attributes |= 0x20
	}
	be.PutUint16(out[offAttributes:], attributes)
	be.PutUint32(out[offLastDelta:], uint32(b.count-1))
	be.PutUint64(out[offBaseTime:], uint64(b.first))
	be.PutUint64(out[offMaxTime:], uint64(b.newest))
	p := Producer{kafka.NoProducer, -1, -1}
	if b.params.Producer != nil {
		p = *b.params.Producer
	}
	be.PutUint64(out[offProducerID:], uint64(p.ID))
	be.PutUint16(out[offProducerEpoc:], uint16(p.Epoch))
	be.PutUint32(out[offBaseSequence:], uint32(p.Sequence))
	be.PutUint32(out[offRecordCount:], uint32(b.count))
	out = compress(b.params.Codec, out, b.records)
	seal(out)
	return out
}

// Build makes one batch of records, whose Offset is ignored. See Builder.
func Build(p Params, records []Record) []byte {
	b := NewBuilder(p)
	for i := range records {
		r := &records[i]
		b.Add(r.Timestamp, r.Key, r.Value, r.Headers...)
	}
	return b.Build()
}

func appendBlock(dst, b []byte) []byte {
	if b == nil {
		return binary.AppendVarint(dst, -1)
	}
	dst = binary.AppendVarint(dst, int64(len(b)))
	return append(dst, b...)
}

func blockSize(b []byte) int {
	if b == nil {
		return 1
	}
	return varintSize(int64(len(b))) + len(b)
}

// varintSize is the size of v as a zigzag varint.
func varintSize(v int64) int {
	u := uint64(v)<<1 ^ uint64(v>>63)
	n := 1
	for ; u >= 0x80; u >>= 7 {
		n++
	}
	return n
}
