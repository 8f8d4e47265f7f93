package batch

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
)

// What can be wrong with a batch's records.
var (
	errPremature = errors.New("incorrect declared batch size, premature EOF reached")
	errRemaining = errors.New("incorrect declared batch size, records still remaining in file")
	errStructure = errors.New("found invalid record structure")
	errHeaders   = errors.New("found invalid number of record headers")
	errSize      = errors.New("invalid record size: it differs from the size of what the record holds")
	errTooMuch   = errors.New("the batch is too large when decompressed")
)

// cursor reads the records of one batch, uncompressed from the batch itself and compressed in a stream through a window.
// A cursor is used once; err is set when a method reports failure.
type cursor struct {
	window []byte // what is read and not yet consumed begins at pos
	pos    int
	before int64 // bytes consumed and no longer in the window
	src    io.Reader
	limit  int64 // bytes that src may still give
	stream *stream
	err    error
}

// rawRecord is what must be looked at in every record; the rest is skipped.
type rawRecord struct {
	timestampDelta int64
	offsetDelta    int32
	keyLength      int32 // -1: no key
}

// open starts reading the records section of a batch. close must follow when it returns nil.
func (c *cursor) open(codec Codec, section []byte, limit int64) error {
	*c = cursor{window: section, limit: limit}
	if codec == Uncompressed {
		return nil
	}
	s, err := openStream(codec, section, limit)
	if err != nil {
		return err
	}
	c.stream, c.src, c.window = s, s.reader, s.window[:0]
	if s.whole != nil {
		c.src, c.window = nil, s.whole
	}
	return nil
}

func (c *cursor) close() {
	if c.stream != nil {
		c.stream.close()
		c.stream, c.src, c.window = nil, nil, nil
	}
}

func (c *cursor) consumed() int64 { return c.before + int64(c.pos) }

func (c *cursor) fail(err error) bool {
	if c.err == nil {
		c.err = err
	}
	return false
}

// fill makes at least n bytes (n <= 16) available where the input has them.
func (c *cursor) fill(n int) {
	for c.src != nil && len(c.window)-c.pos < n {
		if !c.more() {
			return
		}
	}
}

// more reads once into the window, moving what is left to its start. It reports whether bytes came.
func (c *cursor) more() bool {
	rest := copy(c.window[:cap(c.window)], c.window[c.pos:])
	c.before += int64(c.pos)
	c.pos = 0
	c.window = c.window[:rest]
	for tries := 0; tries < 100; tries++ {
		n, err := c.src.Read(c.window[rest:cap(c.window)])
		c.limit -= int64(n)
		if c.limit < 0 {
			c.src = nil
			return c.fail(errTooMuch)
		}
		c.window = c.window[:rest+n]
		if err != nil {
			c.src = nil
			if err != io.EOF {
				c.fail(decompressError(err))
			}
			return n > 0
		}
		if n > 0 {
			return true
		}
	}
	c.src = nil
	return c.fail(decompressError(io.ErrNoProgress))
}

// varint reads a zigzag varint of 64 bits.
func (c *cursor) varint() (int64, bool) {
	if c.pos < len(c.window) {
		if b := c.window[c.pos]; b < 0x80 {
			c.pos++
			return int64(b>>1) ^ -int64(b&1), true
		}
	}
	c.fill(binary.MaxVarintLen64)
	v, n := binary.Varint(c.window[c.pos:])
	if n <= 0 {
		if n == 0 && c.src == nil {
			return 0, c.fail(errPremature)
		}
		return 0, c.fail(errStructure)
	}
	c.pos += n
	return v, true
}

// varint32 reads a zigzag varint of 32 bits.
func (c *cursor) varint32() (int32, bool) {
	v, ok := c.varint()
	if ok && (v < math.MinInt32 || v > math.MaxInt32) {
		return 0, c.fail(errStructure)
	}
	return int32(v), ok
}

// skip passes over n bytes.
func (c *cursor) skip(n int64) bool {
	for int64(len(c.window)-c.pos) < n {
		if c.src == nil {
			return c.fail(errPremature)
		}
		n -= int64(len(c.window) - c.pos)
		c.pos = len(c.window)
		if !c.more() {
			return c.fail(errPremature)
		}
	}
	c.pos += int(n)
	return true
}

// block passes over a length and that many bytes; a negative length is null.
func (c *cursor) block() (int32, bool) {
	n, ok := c.varint32()
	if !ok || n <= 0 {
		return max(n, -1), ok
	}
	return n, c.skip(int64(n))
}

// record reads one record and verifies that it fills its declared size.
func (c *cursor) record() (r rawRecord, ok bool) {
	size, ok := c.varint32()
	if !ok {
		return r, false
	}
	end := c.consumed() + int64(size)
	if size < 0 {
		return r, c.fail(errStructure)
	}
	if !c.skip(1) { // attributes, unused
		return r, false
	}
	if r.timestampDelta, ok = c.varint(); !ok {
		return r, false
	}
	if r.offsetDelta, ok = c.varint32(); !ok {
		return r, false
	}
	if r.keyLength, ok = c.block(); !ok {
		return r, false
	}
	if _, ok = c.block(); !ok { // value
		return r, false
	}
	headers, ok := c.varint32()
	if !ok {
		return r, false
	}
	if headers < 0 || int64(headers) > end-c.consumed() {
		return r, c.fail(errHeaders)
	}
	for ; headers > 0; headers-- {
		if !c.header() {
			return r, false
		}
	}
	if c.consumed() != end {
		return r, c.fail(errSize)
	}
	return r, true
}

func (c *cursor) header() bool {
	key, ok := c.block()
	if !ok {
		return false
	}
	if key < 0 {
		return c.fail(errStructure)
	}
	_, ok = c.block()
	return ok
}

// atEnd verifies that nothing follows.
func (c *cursor) atEnd() bool {
	c.fill(1)
	if c.err != nil {
		return false
	}
	if c.pos < len(c.window) {
		return c.fail(errRemaining)
	}
	return true
}

// take returns the next n bytes: part of the batch when that is in memory, else a copy. It grows with what really comes.
func (c *cursor) take(n int) ([]byte, bool) {
	if len(c.window)-c.pos >= n && c.stream == nil {
		b := c.window[c.pos : c.pos+n : c.pos+n]
		c.pos += n
		return b, true
	}
	out := make([]byte, 0, min(n, 64<<10))
	for {
		part := c.window[c.pos:min(len(c.window), c.pos+n-len(out))]
		out = append(out, part...)
		c.pos += len(part)
		if len(out) == n {
			return out, true
		}
		if c.src == nil || !c.more() {
			return nil, c.fail(errPremature)
		}
	}
}
