package protocol

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestRandomRequests(t *testing.T) {
	versions := 0
	everyVersion(func(key, version int16) {
		versions++
		for seed := range uint64(30) {
			r := rand.New(rand.NewPCG(seed, uint64(key)<<16|uint64(version)))
			req := randomRequest(r, key, version)
			payload := frameOf(req, "client", int32(seed))
			h, body, err := ParseHeader(payload)
			if err != nil || h != (Header{key, version, int32(seed), "client"}) {
				t.Fatalf("%s v%d, seed %d: header %+v, %v", Name(key), version, seed, h, err)
			}
			cost, err := Measure(key, version, body, Budget(len(body)))
			if err != nil {
				t.Fatalf("%s v%d, seed %d: %v\n%+v", Name(key), version, seed, err, req)
			}
			if err := Check(key, version, body, cost); err != nil {
				t.Fatalf("%s v%d, seed %d: refused at its own cost: %v", Name(key), version, seed, err)
			}
			if err := Check(key, version, body, cost-1); err == nil {
				t.Fatalf("%s v%d, seed %d: accepted below its cost", Name(key), version, seed)
			}
			got, err := Decode(key, version, body)
			if err != nil {
				t.Fatalf("%s v%d, seed %d: %v", Name(key), version, seed, err)
			}
			if again := got.AppendTo(nil); !bytes.Equal(again, body) {
				t.Fatalf("%s v%d, seed %d: encoded again it differs", Name(key), version, seed)
			}
			if _, _, err := ParseRequest(append(payload, 0)); err == nil {
				t.Fatalf("%s v%d, seed %d: a byte left over is accepted", Name(key), version, seed)
			}
		}
	})
	if versions < 200 {
		t.Fatalf("only %d request versions", versions)
	}
}

func TestTruncatedRequests(t *testing.T) {
	everyVersion(func(key, version int16) {
		for seed := range uint64(3) {
			r := rand.New(rand.NewPCG(seed, uint64(key)))
			payload := frameOf(randomRequest(r, key, version), "c", 1)
			for n := range payload {
				if _, _, err := ParseRequest(payload[:n:n]); err == nil {
					t.Fatalf("%s v%d, seed %d: %d of %d bytes accepted", Name(key), version, seed, n, len(payload))
				}
			}
		}
	})
}

// Whatever is done to a request, deciding on it is quick, and what is accepted decodes within its cost.
func TestMutatedRequests(t *testing.T) {
	everyVersion(func(key, version int16) {
		r := rand.New(rand.NewPCG(uint64(version), uint64(key)))
		for range 60 {
			req := randomRequest(r, key, version)
			body := req.AppendTo(nil)
			if len(body) == 0 {
				continue
			}
			for n := 1 + r.IntN(3); n > 0; n-- {
				body[r.IntN(len(body))] = [...]byte{0, 1, 0x7f, 0x80, 0xff, byte(r.Uint32())}[r.IntN(6)]
			}
			decide(t, key, version, body)
		}
	})
}

func decide(t *testing.T, key, version int16, body []byte) {
	t.Helper()
	cost, err := Measure(key, version, body, Budget(len(body)))
	if err != nil {
		var format *FormatError
		if !errors.As(err, &format) || format.At > len(body) || format.Reason == "" || format.Error() == "" {
			t.Fatalf("%s v%d: refused with %#v", Name(key), version, err)
		}
		return
	}
	var req kmsg.Request
	used := allocated(func() { req, err = Decode(key, version, body) })
	if err != nil {
		t.Fatalf("%s v%d: accepted, but %v: %x", Name(key), version, err, body)
	}
	if slack := int64(16 << 10); used > cost+slack && !raceEnabled { // other goroutines of the test allocate, too
		t.Fatalf("%s v%d: decoding %d bytes took %d bytes of memory, estimated %d", Name(key), version, len(body), used, cost)
	}
	_ = req
}

func allocated(f func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

func TestTagBomb(t *testing.T) {
	// An ApiVersions v3 body of two empty strings and a declared 2^32-1 tagged fields.
	body := []byte{1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f}
	started := time.Now()
	if err := Check(18, 3, body, Budget(len(body))); err == nil || !strings.Contains(err.Error(), "tagged fields") {
		t.Fatalf("tag bomb: %v", err)
	}
	payload := append([]byte{0, 18, 0, 3, 0, 0, 0, 1, 0xff, 0xff}, 0xff, 0xff, 0xff, 0xff, 0x0f)
	if _, _, err := ParseHeader(payload); err == nil || !strings.Contains(err.Error(), "tagged fields") {
		t.Fatalf("tag bomb in the header: %v", err)
	}
	if d := time.Since(started); d > 50*time.Millisecond {
		t.Fatalf("took %s", d)
	}
}

// widest makes the body with as many elements as the budget may allow in one array: every array of every request gets
// n elements of the least size, all arrays inside them empty.
func widest(l *layout, n int) [][]byte {
	var all [][]byte
	prefix := []byte{}
	for i := range l.steps {
		s := &l.steps[i]
		if s.kind == stepArray || s.kind == stepFixedArray {
			body := appendLength(bytes.Clone(prefix), l.flexible, n)
			element := make([]byte, s.size)
			rest := [][]byte{}
			if s.kind == stepArray {
				element = smallest(s.elem, l.flexible)
				rest = widest(s.elem, n)
			}
			for range n {
				body = append(body, element...)
			}
			all = append(all, finish(body, l, i+1))
			for _, inner := range rest { // one element whose own array is wide
				one := append(appendLength(bytes.Clone(prefix), l.flexible, 1), inner...)
				all = append(all, finish(one, l, i+1))
			}
		}
		prefix = append(prefix, smallestStep(s, l.flexible)...)
	}
	return all
}

func finish(b []byte, l *layout, from int) []byte {
	for i := from; i < len(l.steps); i++ {
		b = append(b, smallestStep(&l.steps[i], l.flexible)...)
	}
	if l.flexible {
		b = append(b, 0)
	}
	return b
}

func smallest(l *layout, flexible bool) []byte {
	var b []byte
	for i := range l.steps {
		b = append(b, smallestStep(&l.steps[i], flexible)...)
	}
	if l.flexible {
		b = append(b, 0)
	}
	return b
}

func smallestStep(s *step, flexible bool) []byte {
	switch {
	case s.kind == stepSkip:
		return make([]byte, s.size)
	case s.kind == stepStruct && s.nullable:
		return []byte{0xff}
	case s.kind == stepStruct:
		return smallest(s.elem, flexible)
	case flexible:
		return []byte{1}
	case s.kind == stepString:
		return []byte{0, 0}
	default:
		return []byte{0, 0, 0, 0}
	}
}

func appendLength(b []byte, flexible bool, n int) []byte {
	if flexible {
		return binary.AppendUvarint(b, uint64(n+1))
	}
	return binary.BigEndian.AppendUint32(b, uint32(n))
}

func TestCostCoversWideArrays(t *testing.T) {
	arrays := 0
	everyVersion(func(key, version int16) {
		l := layoutOf(key, version)
		for _, body := range widest(l, 20_000) {
			arrays++
			cost, err := Measure(key, version, body, math.MaxInt64)
			if err != nil {
				t.Fatalf("%s v%d: %v", Name(key), version, err)
			}
			var req kmsg.Request
			used := allocated(func() { req, err = Decode(key, version, body) })
			if err != nil || used > cost+16<<10 && !raceEnabled {
				t.Fatalf("%s v%d: %d bytes decode into %d, estimated %d (%v)", Name(key), version, len(body), used, cost, err)
			}
			if again := req.AppendTo(nil); !bytes.Equal(again, body) {
				t.Fatalf("%s v%d: encoded again it differs", Name(key), version)
			}
		}
	})
	if arrays < 400 {
		t.Fatalf("only %d arrays", arrays)
	}
}

// tagged makes bodies of one element per array with one tagged field more, in turn in each structure.
func tagged(l *layout, flexible bool, field []byte) [][]byte {
	before, all := []byte{}, [][]byte{}
	for i := range l.steps {
		s := &l.steps[i]
		start := smallestStep(s, flexible)
		if s.elem != nil {
			start = appendLength(nil, flexible, 1)
			if s.kind == stepStruct {
				start = nil
				if s.nullable {
					start = []byte{1}
				}
			}
			for _, inner := range tagged(s.elem, flexible, field) {
				body := append(append(bytes.Clone(before), start...), inner...)
				all = append(all, finish(body, l, i+1))
			}
			start = append(start, smallest(s.elem, flexible)...)
		}
		before = append(before, start...)
	}
	if l.flexible {
		all = append(all, append(append(before, 1), field...))
	}
	return all
}

// The decoder knows the tags of all versions, perhaps of later ones than the table: what the table calls unknown it must
// skip as well.
func TestTagsOfOtherVersions(t *testing.T) {
	refused, accepted := 0, 0
	everyVersion(func(key, version int16) {
		l := layoutOf(key, version)
		if !l.flexible {
			return
		}
		for tag := range byte(12) {
			for _, body := range tagged(l, true, []byte{tag, 3, 0xff, 0xff, 0xff}) {
				if err := Check(key, version, body, Budget(len(body))); err != nil {
					refused++
					if !strings.Contains(err.Error(), "tagged field") && !strings.Contains(err.Error(), "varint") && !strings.Contains(err.Error(), "too early") {
						t.Errorf("%s v%d, tag %d: %v", Name(key), version, tag, err)
					}
					continue
				}
				accepted++
				if _, err := Decode(key, version, body); err != nil {
					t.Errorf("%s v%d, tag %d: accepted, but %v", Name(key), version, tag, err)
				}
			}
		}
	})
	if refused < 20 || accepted < 1000 {
		t.Fatalf("%d refused, %d accepted", refused, accepted)
	}
}

func TestHugeDeclarations(t *testing.T) {
	zeros := make([]byte, 8<<20)
	ones := bytes.Repeat([]byte{1}, 8<<20)
	everyVersion(func(key, version int16) {
		for _, body := range [][]byte{zeros, ones} {
			started := time.Now()
			err := Check(key, version, body, Budget(len(body)))
			if d := time.Since(started); d > 200*time.Millisecond {
				t.Errorf("%s v%d: %s", Name(key), version, d)
			}
			if err == nil {
				t.Errorf("%s v%d: 8 MiB of %d accepted", Name(key), version, body[0])
			}
		}
	})
	// 8 MiB of zeros as topics of a Produce request would decode into 512 MiB.
	body := append([]byte{0xff, 0xff, 0, 1, 0, 0, 0, 0}, binary.BigEndian.AppendUint32(nil, 8<<20/6)...)
	body = append(body, zeros...)[:12+8<<20/6*6]
	err := Check(0, 8, body, Budget(len(body)))
	if err == nil || !strings.Contains(err.Error(), "memory") {
		t.Errorf("Produce: %v", err)
	}
	if err := Check(0, 8, body, math.MaxInt64); err != nil {
		t.Errorf("Produce with all memory: %v", err)
	}
}

func TestNullsAndMarkers(t *testing.T) {
	for _, c := range []struct {
		name         string
		key, version int16
		body         []byte
		ok           bool
	}{
		{"Metadata v1, all topics", 3, 1, []byte{0xff, 0xff, 0xff, 0xff}, true},
		{"Metadata v0, null topics", 3, 0, []byte{0xff, 0xff, 0xff, 0xff}, false},
		{"Metadata v0, no topics", 3, 0, []byte{0, 0, 0, 0}, true},
		{"Metadata v9, null", 3, 9, []byte{0, 1, 0, 0, 0}, true},
		{"Metadata v9, topic without name", 3, 9, []byte{2, 0, 0, 1, 0, 0, 0}, false},
		{"ApiVersions v3", 18, 3, []byte{2, 'x', 2, 'y', 0}, true},
		{"ApiVersions v3, null name", 18, 3, []byte{0, 2, 'y', 0}, false},
		{"ApiVersions v3, unknown tag", 18, 3, []byte{1, 1, 1, 9, 2, 'a', 'b'}, true},
		{"ApiVersions v3, tag too long", 18, 3, []byte{1, 1, 1, 9, 3, 'a', 'b'}, false},
		{"ApiVersions v3, varint of six bytes", 18, 3, []byte{1, 1, 0x80, 0x80, 0x80, 0x80, 0x80, 0}, false},
		{"ApiVersions v3, varint too wide", 18, 3, []byte{0xff, 0xff, 0xff, 0xff, 0x7f, 1, 0}, false},
		{"Fetch v12, cluster id tag", 1, 12, append(bytes.Clone(fetch12), 1, 0, 3, 3, 'a', 'b'), true},
		{"Fetch v12, cluster id tag too short", 1, 12, append(bytes.Clone(fetch12), 1, 0, 4, 3, 'a', 'b', 'c'), false},
		{"Fetch v12, cluster id beyond its tag", 1, 12, append(bytes.Clone(fetch12), 1, 0, 2, 3, 'a', 'b'), false},
		{"DescribeTopicPartitions, no cursor", 75, 0, []byte{1, 0, 0, 0, 5, 0xff, 0}, true},
		{"DescribeTopicPartitions, cursor", 75, 0, []byte{1, 0, 0, 0, 5, 1, 2, 'a', 0, 0, 0, 1, 0, 0}, true},
		{"DescribeTopicPartitions, odd marker", 75, 0, []byte{1, 0, 0, 0, 5, 0xfe, 0}, false},
	} {
		err := Check(c.key, c.version, c.body, Budget(len(c.body)))
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.ok {
			if _, err := Decode(c.key, c.version, c.body); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	}
}

// fetch12 is a Fetch v12 body up to its tag section.
var fetch12 = append(append(make([]byte, 0, 64), 0xff, 0xff, 0xff, 0xff), append(make([]byte, 21), 1, 1, 1)...)

func TestUnsupported(t *testing.T) {
	for _, c := range []struct{ key, version int16 }{{0, 2}, {0, 14}, {18, 5}, {18, -1}, {4, 0}, {999, 0}, {-1, 0}, {math.MaxInt16, 0}, {1, math.MaxInt16}} {
		payload := binary.BigEndian.AppendUint16(nil, uint16(c.key))
		payload = binary.BigEndian.AppendUint16(payload, uint16(c.version))
		payload = append(payload, 0, 0, 0, 42)
		h, _, err := ParseHeader(payload)
		if !errors.Is(err, ErrUnsupportedVersion) || h.CorrelationID != 42 || h.Key != c.key || h.Version != c.version {
			t.Errorf("%d v%d: %+v, %v", c.key, c.version, h, err)
		}
		if err := Check(c.key, c.version, nil, 1<<20); !errors.Is(err, ErrUnsupportedVersion) {
			t.Errorf("Check of %d v%d: %v", c.key, c.version, err)
		}
		if _, err := Decode(c.key, c.version, nil); err == nil {
			t.Errorf("Decode of %d v%d succeeds", c.key, c.version)
		}
	}
	for n := range 8 {
		var format *FormatError
		if _, _, err := ParseHeader(make([]byte, n)); !errors.As(err, &format) {
			t.Errorf("header of %d bytes: %v", n, err)
		}
	}
	if Name(18) != "ApiVersions" || Name(4) != "API 4" || Name(-3) != "API -3" {
		t.Error(Name(18), Name(4), Name(-3))
	}
}

// The ranges that Apache Kafka 4.3.1 advertises must be readable (Produce 0-2 are advertised and refused).
func TestVersions(t *testing.T) {
	for _, c := range [][3]int16{{0, 3, 13}, {1, 4, 18}, {2, 1, 11}, {3, 0, 13}, {8, 2, 10}, {9, 1, 10}, {10, 0, 6}, {11, 0, 9},
		{12, 0, 4}, {13, 0, 5}, {14, 0, 5}, {15, 0, 6}, {16, 0, 5}, {17, 0, 1}, {18, 0, 4}, {19, 2, 7}, {20, 1, 6}, {21, 0, 2},
		{22, 0, 5}, {23, 2, 4}, {32, 1, 4}, {33, 0, 2}, {35, 1, 5}, {37, 0, 3}, {42, 0, 2}, {44, 0, 1}, {47, 0, 0}, {55, 0, 2},
		{60, 0, 2}, {61, 0, 0}, {68, 0, 1}, {69, 0, 1}, {75, 0, 0}} {
		oldest, newest, ok := Versions(c[0])
		if !ok || oldest > c[1] || newest < c[2] {
			t.Errorf("%s: %d-%d, want %d-%d", Name(c[0]), oldest, newest, c[1], c[2])
		}
	}
}

func TestCheckAllocatesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	everyVersion(func(key, version int16) {
		body := randomRequest(r, key, version).AppendTo(nil)
		if n := testing.AllocsPerRun(5, func() {
			if err := Check(key, version, body, math.MaxInt64); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s v%d: %v allocations", Name(key), version, n)
		}
	})
	payload := frameOf(randomRequest(r, 1, 12), "", 7)
	if n := testing.AllocsPerRun(5, func() { _, _, _ = ParseHeader(payload) }); n != 0 {
		t.Errorf("header without client id: %v allocations", n)
	}
}
