package batch

import "fmt"

// Codec is a compression type as in the lowest three bits of a batch's attributes.
type Codec int8

// The codecs of Kafka.
const (
	Uncompressed Codec = 0
	Gzip         Codec = 1
	Snappy       Codec = 2
	LZ4          Codec = 3
	Zstd         Codec = 4
	// KeepCodec stands for compression.type=producer: a batch stays as it was sent.
	KeepCodec Codec = -1
)

const codecMask = 0x07

var codecNames = [...]string{"none", "gzip", "snappy", "lz4", "zstd"}

// Valid says whether c is a codec that a batch can have.
func (c Codec) Valid() bool { return c >= Uncompressed && c <= Zstd }

// String is Kafka's name of the codec, "none" for uncompressed.
func (c Codec) String() string {
	if c == KeepCodec {
		return "producer"
	}
	if !c.Valid() {
		return fmt.Sprintf("codec %d", int8(c))
	}
	return codecNames[c]
}

// ParseCodec reads a value of compression.type: "producer" (KeepCodec), "uncompressed" or "none", "gzip", "snappy",
// "lz4", "zstd".
func ParseCodec(name string) (Codec, bool) {
	switch name {
	case "producer":
		return KeepCodec, true
	case "uncompressed":
		return Uncompressed, true
	}
	for i, n := range codecNames {
		if n == name {
			return Codec(i), true
		}
	}
	return Uncompressed, false
}

// Codec is the batch's compression; it may not be Valid in a batch that nobody has validated.
func (h *Header) Codec() Codec { return Codec(h.Attributes & codecMask) }
