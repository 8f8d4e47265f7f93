package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

const (
	// MaxDecompressed bounds what one batch may decompress to, in bytes. Apache Kafka has no bound; producers get
	// MESSAGE_TOO_LARGE beyond it, upon which they split the batch.
	MaxDecompressed = 128 << 20
	// maxInMemory bounds what is decompressed in one piece where the format leaves no choice: a snappy block and a zstd
	// frame whose window is larger than maxWindow.
	maxInMemory = 16 << 20
	maxWindow   = 8 << 20
	// smallZstd frames, by declared size, are decompressed in one piece because that is fastest.
	smallZstd  = 1 << 20
	windowSize = 32 << 10
)

// decompressError wraps what a codec found.
func decompressError(err error) error {
	if errors.Is(err, errTooMuch) {
		return errTooMuch
	}
	return fmt.Errorf("failed to decompress the records: %w", err)
}

// stream is an open decompressor with its buffers. It comes from a pool, which has no influence on results.
type stream struct {
	codec  Codec
	reader io.Reader
	whole  []byte // set instead of reader when all is decompressed already
	window []byte
	source bytes.Reader
	gzip   *gzip.Reader
	lz4    *lz4.Reader
	zstd   *zstd.Decoder // streams
	blocks snappyBlocks

	zstdWhole *zstd.Decoder // decompresses in one piece
	buffer    []byte        // what it writes into
}

// streams has one pool per codec, so that a stream carries one decompressor only.
var streams [Zstd + 1]sync.Pool

// openStream begins to decompress src. Both errTooMuch and format errors may show up later as well.
func openStream(codec Codec, src []byte, limit int64) (*stream, error) {
	if !codec.Valid() || codec == Uncompressed {
		return nil, fmt.Errorf("unknown compression type id: %d", int8(codec))
	}
	s, _ := streams[codec].Get().(*stream)
	if s == nil {
		s = &stream{codec: codec, window: make([]byte, 0, windowSize)}
	}
	s.source.Reset(src)
	var err error
	switch codec {
	case Gzip:
		err = s.openGzip()
	case Snappy:
		err = s.openSnappy(src, limit)
	case LZ4:
		err = s.openLZ4(src)
	case Zstd:
		err = s.openZstd(src, limit)
	}
	if err != nil {
		s.close()
		return nil, decompressError(err)
	}
	return s, nil
}

// close gives the stream back; what it handed out is not used any more.
func (s *stream) close() {
	s.source.Reset(nil)
	s.reader, s.whole = nil, nil
	s.blocks = snappyBlocks{block: s.blocks.block[:0]}
	if cap(s.buffer) > smallZstd+64<<10 {
		s.buffer = nil
	}
	if cap(s.blocks.block) > 1<<20 {
		s.blocks.block = nil
	}
	streams[s.codec].Put(s)
}

func (s *stream) openGzip() (err error) {
	if s.gzip == nil {
		s.gzip = new(gzip.Reader)
	}
	s.reader = s.gzip
	return s.gzip.Reset(&s.source)
}

var errLZ4 = errors.New("not an LZ4 frame of independent blocks")

// openLZ4 demands what Kafka's own reader demands: a frame of the current format with independent blocks.
func (s *stream) openLZ4(src []byte) error {
	const frameMagic, version, independent = 0x184D2204, 0x40, 0x20
	if len(src) < 7 || binary.LittleEndian.Uint32(src) != frameMagic || src[4]&0xc0 != version || src[4]&independent == 0 {
		return errLZ4
	}
	if s.lz4 == nil {
		s.lz4 = lz4.NewReader(nil)
	}
	s.lz4.Reset(&s.source)
	s.reader = s.lz4
	return nil
}

func (s *stream) openZstd(src []byte, limit int64) error {
	var h zstd.Header
	if err := h.Decode(src); err != nil {
		return err
	}
	if h.HasFCS && h.FrameContentSize > uint64(limit) {
		return errTooMuch
	}
	window := h.WindowSize
	if h.SingleSegment {
		window = h.FrameContentSize
	}
	if h.HasFCS && h.FrameContentSize <= smallZstd {
		// More comes out than the frame declares when another one follows it.
		if err := s.wholeZstd(src, int(h.FrameContentSize)); err != errTooMuch {
			return err
		}
	}
	if window > maxWindow {
		return s.wideZstd(src, &h)
	}
	if s.zstd == nil {
		// Concurrency 1 decodes in the caller's goroutine.
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxInMemory))
		if err != nil {
			return err
		}
		s.zstd = d
	}
	s.reader = s.zstd
	return s.zstd.Reset(&s.source)
}

// wideZstd decompresses in one piece, which takes the memory of what comes out, what would need a wide window in a
// stream: producers at the highest levels claim windows of up to 128 MiB for small batches.
func (s *stream) wideZstd(src []byte, h *zstd.Header) error {
	if h.WindowSize > MaxDecompressed || h.HasFCS && h.FrameContentSize > maxInMemory {
		return errTooMuch
	}
	guess := min(smallZstd+32*len(src), maxInMemory)
	if h.HasFCS {
		guess = int(h.FrameContentSize)
	}
	err := s.wholeZstd(src, guess)
	if err == errTooMuch && guess < maxInMemory {
		err = s.wholeZstd(src, maxInMemory)
	}
	return err
}

// wholeZstd decompresses src, which may come to at most size bytes.
func (s *stream) wholeZstd(src []byte, size int) error {
	if s.zstdWhole == nil {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(MaxDecompressed), zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			return err
		}
		s.zstdWhole = d
	}
	if cap(s.buffer) < size || s.buffer == nil {
		s.buffer = make([]byte, 0, max(size, 4<<10))
	}
	out, err := s.zstdWhole.DecodeAll(src, s.buffer[:0:size]) // never more: what was pooled must not matter
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return errTooMuch
	}
	s.whole = out
	return err
}

// xerial is the framing that Java clients put around snappy blocks: magic, version, lowest compatible version, then
// blocks with a 4-byte length. librdkafka and others write one raw block.
var xerialMagic = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

const xerialHeader = 16

func (s *stream) openSnappy(src []byte, limit int64) error {
	s.blocks.limit = limit
	if len(src) >= xerialHeader && bytes.Equal(src[:len(xerialMagic)], xerialMagic) {
		s.blocks.src = src[xerialHeader:]
		s.reader = &s.blocks
		return nil
	}
	if err := s.blocks.decode(src); err != nil {
		return err
	}
	s.whole = s.blocks.block
	return nil
}

// snappyBlocks reads xerial-framed snappy, a block at a time.
type snappyBlocks struct {
	src   []byte
	block []byte // the current block, decoded
	read  int    // bytes of it that were handed out
	limit int64
}

var errSnappy = errors.New("corrupt snappy data")

func (r *snappyBlocks) Read(p []byte) (int, error) {
	for r.read == len(r.block) {
		if len(r.src) == 0 {
			return 0, io.EOF
		}
		if bytes.HasPrefix(r.src, xerialMagic) && len(r.src) >= xerialHeader { // a second stream may follow the first
			r.src = r.src[xerialHeader:]
			continue
		}
		if len(r.src) < 4 {
			return 0, io.ErrUnexpectedEOF
		}
		n := int64(binary.BigEndian.Uint32(r.src))
		if n == 0 || n > int64(len(r.src)-4) {
			return 0, io.ErrUnexpectedEOF
		}
		if err := r.decode(r.src[4 : 4+n]); err != nil {
			return 0, err
		}
		r.src = r.src[4+n:]
	}
	n := copy(p, r.block[r.read:])
	r.read += n
	return n, nil
}

// decode replaces the current block. The block's elements are verified first: the library also accepts an extension of
// the format that other readers do not know.
func (r *snappyBlocks) decode(src []byte) (err error) {
	n, ok := snappyLength(src)
	if !ok {
		return errSnappy
	}
	if n > maxInMemory || n > r.limit {
		return errTooMuch
	}
	r.read = 0
	r.block, err = snappy.Decode(r.block[:cap(r.block)], src)
	return err
}

// snappyLength walks over a raw snappy block's elements and returns what they decode to; ok is false unless they make up
// exactly the length that the block declares, with every copy inside of what was decoded before.
func snappyLength(b []byte) (n int64, ok bool) {
	declared, k := binary.Uvarint(b)
	if k <= 0 || declared > 1<<32-1 {
		return 0, false
	}
	for b = b[k:]; len(b) > 0; {
		length, size, offset := snappyElement(b)
		if size == 0 || size > int64(len(b)) || offset > n || offset == 0 {
			return 0, false
		}
		b = b[size:]
		n += length
	}
	return n, n == int64(declared)
}

// snappyElement reads one element: the bytes it decodes to, the bytes it takes, and how far back it copies from (-1 for
// literals). size is 0 when b is too short.
func snappyElement(b []byte) (length, size, offset int64) {
	tag := int64(b[0] >> 2)
	width := [...]int{0, 1, 2, 4}[b[0]&3]
	if b[0]&3 == 0 && tag >= 60 {
		width = int(tag) - 59
	}
	if len(b) < 1+width {
		return 0, 0, 0
	}
	extra := int64(0)
	for i := width; i > 0; i-- {
		extra = extra<<8 | int64(b[i])
	}
	size = int64(1 + width)
	switch b[0] & 3 {
	case 0:
		length = tag + 1
		if width > 0 {
			length = extra + 1
		}
		return length, size + length, -1
	case 1:
		return 4 + tag&7, size, tag>>3<<8 | extra
	default:
		return tag + 1, size, extra
	}
}
