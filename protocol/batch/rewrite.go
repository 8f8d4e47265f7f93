package batch

import (
	"encoding/binary"
	"hash/crc32"

	"chronik/protocol/kafka"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Checksum is the CRC-32C that the batch b should carry: over everything from the attributes on. b is one whole batch of
// at least HeaderSize bytes.
func Checksum(b []byte) uint32 { return crc32.Checksum(b[offAttributes:], castagnoli) }

// Intact says whether b is exactly one batch of magic 2 whose CRC is right. Nothing else is checked.
func Intact(b []byte) bool {
	h, ok := ParseHeader(b)
	return ok && h.Size == len(b) && Checksum(b) == h.CRC
}

const (
	appendTimeBit = 0x08
)

// StampAppendTime turns b, one whole batch, into one with the broker's time (message.timestamp.type=LogAppendTime): the
// records keep their own timestamps, readers take now for all of them. The CRC is computed anew.
func StampAppendTime(b []byte, now kafka.Timestamp) { setTimestamp(b, true, now) }

func setTimestamp(b []byte, appendTime bool, newest kafka.Timestamp) {
	attributes := binary.BigEndian.Uint16(b[offAttributes:]) &^ appendTimeBit
	if appendTime {
		attributes |= appendTimeBit
	}
	binary.BigEndian.PutUint16(b[offAttributes:], attributes)
	binary.BigEndian.PutUint64(b[offMaxTime:], uint64(newest))
	seal(b)
}

// seal writes length and CRC of a finished batch.
func seal(b []byte) {
	binary.BigEndian.PutUint32(b[offLength:], uint32(len(b)-LengthPrefix))
	binary.BigEndian.PutUint32(b[offCRC:], Checksum(b))
}

// Recompress is b, one whole batch, with its records compressed by another codec; nothing else changes but length and
// CRC. b itself stays as it is. All records are in memory meanwhile: the error is damage in b, or MESSAGE_TOO_LARGE when
// they take more than 16 MiB.
func Recompress(b []byte, codec Codec) ([]byte, *Error) {
	h, ok := ParseHeader(b)
	if !ok || h.Size != len(b) || !codec.Valid() {
		panic("BUG: Recompress wants one whole batch and a codec")
	}
	var c cursor
	if err := c.open(h.Codec(), b[HeaderSize:], maxInMemory); err != nil {
		return nil, damaged(err, &Options{})
	}
	defer c.close()
	section, err := c.rest()
	if err != nil {
		return nil, damaged(err, &Options{})
	}
	out := make([]byte, HeaderSize, HeaderSize+len(section)/2+64)
	copy(out, b)
	attributes := binary.BigEndian.Uint16(b[offAttributes:])&^codecMask | uint16(codec)
	binary.BigEndian.PutUint16(out[offAttributes:], attributes)
	out = compress(codec, out, section)
	seal(out)
	return out, nil
}

// rest is everything that follows, in one piece.
func (c *cursor) rest() ([]byte, error) {
	if c.src == nil {
		return c.window[c.pos:], c.err
	}
	var out []byte
	for {
		out = append(out, c.window[c.pos:]...)
		c.pos = len(c.window)
		if c.src == nil || !c.more() {
			return out, c.err
		}
	}
}
