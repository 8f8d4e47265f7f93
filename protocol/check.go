package protocol

import (
	"encoding/binary"
	"fmt"
	"math"
)

// What decoding costs in memory beyond the structs themselves. The allocator rounds sizes up by at most a quarter; the
// first unknown tag of a struct makes the decoder create a map.
const (
	costAllocation = 16
	costFirstTag   = 448
	costTag        = 192
)

// Budget is the memory that decoding a request of n bytes may cost: 16 MiB + 8 times its size.
func Budget(n int) int64 { return 16<<20 + 8*int64(n) }

// Check says whether body is exactly one well-formed request of that key and version whose decoding costs at most
// budget bytes of memory (see Budget). Every count is compared with the fewest bytes that its elements need, every
// length with what is left, and nothing may be left over. Unknown tagged fields are allowed. The error is a
// *FormatError, or ErrUnsupportedVersion. Any goroutine may call it.
func Check(key, version int16, body []byte, budget int64) error {
	_, err := Measure(key, version, body, budget)
	return err
}

// Measure is Check, and says what decoding will cost at most, in bytes of memory (body itself not counted).
func Measure(key, version int16, body []byte, budget int64) (cost int64, err error) {
	l := layoutOf(key, version)
	if l == nil {
		return 0, fmt.Errorf("%w: %s version %d", ErrUnsupportedVersion, Name(key), version)
	}
	c := checker{b: body, budget: budget, flexible: l.flexible}
	if !c.charge("", l.memory+costAllocation) || !c.structure(l) {
		return c.cost, c.error(key, version)
	}
	if c.at != len(body) {
		c.fail("", "bytes are left over")
		return c.cost, c.error(key, version)
	}
	return c.cost, nil
}

// checker walks over a body. Methods return false once something is wrong; field and reason say what.
type checker struct {
	b        []byte
	at       int
	cost     int64
	budget   int64
	flexible bool
	field    string
	reason   string
}

func (c *checker) fail(field, reason string) bool {
	c.field, c.reason = field, reason
	return false
}

func (c *checker) error(key, version int16) *FormatError {
	return &FormatError{Key: key, Version: version, Field: c.field, At: c.at, Reason: c.reason}
}

func (c *checker) left() int64 { return int64(len(c.b) - c.at) }

func (c *checker) charge(field string, n int64) bool {
	c.cost += n
	if c.cost > c.budget {
		return c.fail(field, "decoding would cost more memory than allowed")
	}
	return true
}

func (c *checker) skip(field string, n int64) bool {
	if n > c.left() {
		return c.fail(field, "the request ends too early")
	}
	c.at += int(n)
	return true
}

func (c *checker) structure(l *layout) bool {
	for i := range l.steps {
		if !c.step(&l.steps[i]) {
			return false
		}
	}
	return !l.flexible || c.tags(l)
}

func (c *checker) step(s *step) bool {
	switch s.kind {
	case stepSkip:
		return c.skip(s.name, s.size)
	case stepString:
		n, ok := c.length(s, 2)
		return ok && (n < 0 || c.skip(s.name, n) && c.charge(s.name, n+n/4+2*costAllocation))
	case stepBytes:
		n, ok := c.length(s, 4)
		return ok && (n < 0 || c.skip(s.name, n))
	case stepFixedArray:
		n, ok := c.length(s, 4)
		if !ok || n < 0 {
			return ok
		}
		if n > c.left()/s.size {
			return c.fail(s.name, "declares more elements than the request has room for")
		}
		n *= s.size
		return c.skip(s.name, n) && c.charge(s.name, n+n/4+costAllocation)
	case stepArray:
		return c.array(s)
	default:
		return c.nested(s)
	}
}

func (c *checker) array(s *step) bool {
	n, ok := c.length(s, 4)
	if !ok || n <= 0 {
		return ok
	}
	if n > c.left()/s.elem.least {
		return c.fail(s.name, "declares more elements than the request has room for")
	}
	size := n * s.elem.memory
	if !c.charge(s.name, size+size/4+costAllocation) {
		return false
	}
	for ; n > 0; n-- {
		if !c.structure(s.elem) {
			return false
		}
	}
	return true
}

func (c *checker) nested(s *step) bool {
	if s.nullable {
		if c.left() < 1 {
			return c.fail(s.name, "the request ends too early")
		}
		present := int8(c.b[c.at])
		c.at++
		if present == -1 {
			return true
		}
		if present < -1 { // decoders differ on what that means
			return c.fail(s.name, "invalid marker of a nullable structure")
		}
	}
	return c.charge(s.name, s.elem.memory+costAllocation) && c.structure(s.elem)
}

// length reads the length of a string, bytes or array: an unsigned varint of length + 1 in flexible versions, else a
// signed number of wide bytes. It is -1 for null, which is refused where the field is not nullable.
func (c *checker) length(s *step, wide int) (int64, bool) {
	var n int64
	switch {
	case c.flexible:
		v, ok := c.uvarint(s.name)
		if !ok {
			return 0, false
		}
		n = int64(v) - 1
	case c.left() < int64(wide):
		return 0, c.fail(s.name, "the request ends too early")
	case wide == 2:
		n = int64(int16(binary.BigEndian.Uint16(c.b[c.at:])))
		c.at += 2
	default:
		n = int64(int32(binary.BigEndian.Uint32(c.b[c.at:])))
		c.at += 4
	}
	if n > math.MaxInt32 {
		return 0, c.fail(s.name, "length out of range")
	}
	if n < 0 && !s.nullable {
		return 0, c.fail(s.name, "null is not allowed")
	}
	return max(n, -1), true
}

func (c *checker) nullableShortString(field string) bool {
	s := step{name: field, nullable: true}
	n, ok := c.length(&s, 2)
	return ok && (n < 0 || c.skip(field, n))
}

// uvarint reads an unsigned varint of at most 32 bits.
func (c *checker) uvarint(field string) (uint32, bool) {
	var v uint64
	for shift := 0; shift < 35; shift += 7 {
		if c.at >= len(c.b) {
			return 0, c.fail(field, "the request ends too early")
		}
		b := c.b[c.at]
		c.at++
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			if v > math.MaxUint32 {
				break
			}
			return uint32(v), true
		}
	}
	return 0, c.fail(field, "varint out of range")
}

// tags checks a section of tagged fields (KIP-482): a count, then tag, size and that many bytes each.
func (c *checker) tags(l *layout) bool {
	n, ok := c.uvarint("")
	if !ok {
		return false
	}
	if int64(n) > c.left()/2 { // a tagged field takes at least two bytes
		return c.fail("", "declares more tagged fields than the request has room for")
	}
	unknown := false
	for ; n > 0; n-- {
		tag, ok := c.uvarint("")
		if !ok {
			return false
		}
		size, ok := c.uvarint("")
		if !ok {
			return false
		}
		if int64(size) > c.left() {
			return c.fail("", "a tagged field is longer than the request")
		}
		if s := l.known(tag); s != nil {
			if !c.taggedField(s, int(size)) {
				return false
			}
			continue
		}
		cost := int64(costTag)
		if !unknown {
			unknown, cost = true, costFirstTag
		}
		if !c.charge("", cost) {
			return false
		}
		c.at += int(size)
	}
	return true
}

func (l *layout) known(tag uint32) *step {
	for i := range l.tags {
		if l.tags[i].tag == tag {
			return &l.tags[i].step
		}
	}
	return nil
}

// taggedField checks a known tagged field inside its declared size, which it must fill.
func (c *checker) taggedField(s *step, size int) bool {
	whole := c.b
	end := c.at + size
	c.b = whole[:end]
	if !c.step(s) {
		return false
	}
	if c.at != end {
		return c.fail(s.name, "a tagged field does not fill its declared size")
	}
	c.b = whole
	return true
}
