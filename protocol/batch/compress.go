package batch

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// compressors has one pool per codec; which compressor comes out of it has no influence on the bytes.
var compressors [Zstd + 1]sync.Pool

// compress appends src to dst, compressed with codec's default level.
func compress(codec Codec, dst, src []byte) []byte {
	switch codec {
	case Uncompressed:
		return append(dst, src...)
	case Gzip:
		return compressGzip(dst, src)
	case Snappy:
		return compressSnappy(dst, src)
	case LZ4:
		return compressLZ4(dst, src)
	case Zstd:
		return compressZstd(dst, src)
	}
	panic(fmt.Sprintf("BUG: compress with codec %d", int8(codec)))
}

// finish panics: writing into memory with a fixed configuration cannot fail.
func finish(errs ...error) {
	for _, err := range errs {
		if err != nil {
			panic("BUG: compressing into memory failed: " + err.Error())
		}
	}
}

func compressGzip(dst, src []byte) []byte {
	out := bytes.NewBuffer(dst)
	w, _ := compressors[Gzip].Get().(*gzip.Writer)
	if w == nil {
		w = gzip.NewWriter(out)
	} else {
		w.Reset(out)
	}
	_, err := w.Write(src)
	finish(err, w.Close())
	compressors[Gzip].Put(w)
	return out.Bytes()
}

func compressLZ4(dst, src []byte) []byte {
	out := bytes.NewBuffer(dst)
	w, _ := compressors[LZ4].Get().(*lz4.Writer)
	if w == nil {
		w = lz4.NewWriter(out)
		finish(w.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ConcurrencyOption(1), lz4.ChecksumOption(false)))
	} else {
		w.Reset(out)
	}
	_, err := w.Write(src)
	finish(err, w.Close())
	compressors[LZ4].Put(w)
	return out.Bytes()
}

func compressZstd(dst, src []byte) []byte {
	e, _ := compressors[Zstd].Get().(*zstd.Encoder)
	if e == nil {
		var err error
		e, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
		finish(err)
	}
	dst = e.EncodeAll(src, dst)
	compressors[Zstd].Put(e)
	return dst
}

// compressSnappy writes Java's framing, which every Kafka client reads.
func compressSnappy(dst, src []byte) []byte {
	const block = 32 << 10
	dst = append(dst, xerialMagic...)
	dst = append(dst, 0, 0, 0, 1, 0, 0, 0, 1)
	for len(src) > 0 {
		n := min(block, len(src))
		b := snappy.Encode(nil, src[:n])
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(b)))
		dst = append(dst, b...)
		src = src[n:]
	}
	return dst
}
