package batch

import (
	"encoding/binary"

	"chronik/protocol/kafka"
)

// Sizes and positions of the record batch v2 layout (KIP-98). Base offset and leader epoch are not covered by the CRC.
const (
	HeaderSize      = 61 // bytes up to the first record
	LengthPrefix    = 12 // base offset and length field: Length counts what follows
	offBaseOffset   = 0
	offLength       = 8
	offLeaderEpoch  = 12
	offMagic        = 16
	offCRC          = 17
	offAttributes   = 21
	offLastDelta    = 23
	offBaseTime     = 27
	offMaxTime      = 35
	offProducerID   = 43
	offProducerEpoc = 51
	offBaseSequence = 53
	offRecordCount  = 57
)

// Header is a parsed batch header. Size is the whole batch in bytes.
type Header struct {
	BaseOffset    kafka.Offset
	Size          int
	LeaderEpoch   kafka.LeaderEpoch
	Magic         int8
	CRC           uint32
	Attributes    int16
	LastDelta     int32
	BaseTimestamp kafka.Timestamp
	MaxTimestamp  kafka.Timestamp
	ProducerID    kafka.ProducerID
	ProducerEpoch kafka.ProducerEpoch
	BaseSequence  kafka.Sequence
	RecordCount   int32
}

// LastOffset is the offset of the batch's last record.
func (h *Header) LastOffset() kafka.Offset { return h.BaseOffset + kafka.Offset(h.LastDelta) }

// NextOffset is the offset after the batch.
func (h *Header) NextOffset() kafka.Offset { return h.LastOffset() + 1 }

// Control says whether the batch holds control records (transaction markers).
func (h *Header) Control() bool { return h.Attributes&0x20 != 0 }

// Transactional says whether the batch is part of a transaction.
func (h *Header) Transactional() bool { return h.Attributes&0x10 != 0 }

// LogAppendTime says whether MaxTimestamp was set by the broker.
func (h *Header) LogAppendTime() bool { return h.Attributes&0x08 != 0 }

// ParseHeader reads the header of the batch that b starts with; ok is false when b is shorter than a header or than the
// size that it declares, or the magic is not 2. It checks no CRC.
func ParseHeader(b []byte) (h Header, ok bool) {
	if len(b) < HeaderSize {
		return h, false
	}
	be := binary.BigEndian
	h = Header{
		BaseOffset:    kafka.Offset(be.Uint64(b[offBaseOffset:])),
		Size:          int(int32(be.Uint32(b[offLength:]))) + LengthPrefix,
		LeaderEpoch:   kafka.LeaderEpoch(be.Uint32(b[offLeaderEpoch:])),
		Magic:         int8(b[offMagic]),
		CRC:           be.Uint32(b[offCRC:]),
		Attributes:    int16(be.Uint16(b[offAttributes:])),
		LastDelta:     int32(be.Uint32(b[offLastDelta:])),
		BaseTimestamp: kafka.Timestamp(be.Uint64(b[offBaseTime:])),
		MaxTimestamp:  kafka.Timestamp(be.Uint64(b[offMaxTime:])),
		ProducerID:    kafka.ProducerID(be.Uint64(b[offProducerID:])),
		ProducerEpoch: kafka.ProducerEpoch(be.Uint16(b[offProducerEpoc:])),
		BaseSequence:  kafka.Sequence(be.Uint32(b[offBaseSequence:])),
		RecordCount:   int32(be.Uint32(b[offRecordCount:])),
	}
	return h, h.Magic == 2 && h.Size >= HeaderSize && h.Size <= len(b)
}

// Stamp writes what the leader decides into a batch: base offset and leader epoch. The CRC stays valid.
func Stamp(b []byte, base kafka.Offset, epoch kafka.LeaderEpoch) {
	binary.BigEndian.PutUint64(b[offBaseOffset:], uint64(base))
	binary.BigEndian.PutUint32(b[offLeaderEpoch:], uint32(epoch))
}
