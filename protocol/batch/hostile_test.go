package batch

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"chronik/protocol/kerror"
)

// wrap makes a batch of one declared record whose records section is payload as it is.
func wrap(codec Codec, payload []byte) []byte {
	b := append(three(codec)[:HeaderSize], payload...)
	binary.BigEndian.PutUint32(b[offLastDelta:], 0)
	binary.BigEndian.PutUint32(b[offRecordCount:], 1)
	seal(b)
	return b
}

func TestTruncatedEverywhere(t *testing.T) {
	for _, codec := range codecs {
		b := three(codec)
		for n := range b {
			if _, _, err := Validate(bytes.Clone(b[:n]), lenient()); err == nil {
				t.Fatalf("%s: %d of %d bytes accepted", codec, n, len(b))
			}
			short := bytes.Clone(b[:n])
			if n >= HeaderSize { // as a batch that is complete by its own account
				seal(short)
				if _, _, err := Validate(short, lenient()); err == nil {
					t.Fatalf("%s: records cut to %d of %d bytes accepted", codec, n, len(b))
				}
			}
		}
	}
}

func TestFlippedBits(t *testing.T) {
	for _, codec := range codecs {
		b := three(codec)
		for bit := range len(b) * 8 {
			bad := bytes.Clone(b)
			bad[bit/8] ^= 1 << (bit % 8)
			_, _, err := Validate(bytes.Clone(bad), lenient())
			epoch := bit/8 >= offLeaderEpoch && bit/8 < offMagic
			if (err == nil) != epoch {
				t.Fatalf("%s, bit %d of byte %d: %v", codec, bit%8, bit/8, err)
			}
			if bit/8 >= offAttributes { // a sender that computes the CRC over damaged content: no panic, bounded
				seal(bad)
				out, h, err := Validate(bad, lenient())
				if err == nil && (!Intact(out) || h.RecordCount != 3) {
					t.Fatalf("%s, bit %d of byte %d: accepted, but damaged", codec, bit%8, bit/8)
				}
			}
		}
	}
}

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A record of 2^31-1 bytes makes the reader go on until the limit stops it.
var endless = binary.AppendVarint(nil, 1<<31-1)

func TestBombs(t *testing.T) {
	const size = MaxDecompressed + 1<<20
	payload := append(bytes.Clone(endless), 0, 0, 0, 1) // a null key, then a value of that length
	payload = append(payload, endless...)
	stream := append(payload, make([]byte, size)...)
	for _, codec := range []Codec{Gzip, LZ4, Zstd, Snappy} {
		b := wrap(codec, compress(codec, nil, stream))
		var err *Error
		got := allocated(func() { _, _, err = Validate(b, lenient()) })
		if err == nil || err.Code != kerror.MessageTooLarge {
			t.Errorf("%s bomb of %d bytes: %v", codec, len(b), err)
		}
		if got > maxInMemory+24<<20 {
			t.Errorf("%s bomb of %d bytes: %d bytes allocated", codec, len(b), got)
		}
		if codec != Zstd {
			continue
		}
		for _, err := range Records(b) {
			if err == nil {
				t.Errorf("%s bomb has a record", codec)
			}
		}
		if _, err := Recompress(b, Uncompressed); err == nil || err.Code != kerror.MessageTooLarge {
			t.Errorf("%s bomb recompressed: %v", codec, err)
		}
	}
}

func TestZstdClaims(t *testing.T) {
	big := make([]byte, maxInMemory+1)
	single := func(n int) []byte { // one frame with its content size, in one segment
		e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithSingleSegment(true))
		if err != nil {
			t.Fatal(err)
		}
		return e.EncodeAll(big[:n], nil)
	}
	// A frame header that claims the widest window and no content: magic, descriptor, window, one empty last block.
	wide := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0xff, 1, 0, 0}
	for _, c := range []struct {
		name    string
		payload []byte
		code    kerror.Code
	}{
		{"content size above the limit", single(maxInMemory + 1), kerror.MessageTooLarge},
		{"widest window", wide, kerror.MessageTooLarge},
		{"empty", nil, kerror.InvalidRecord},
		{"magic only", wide[:4], kerror.InvalidRecord},
	} {
		var err *Error
		b := wrap(Zstd, c.payload)
		got := allocated(func() { _, _, err = Validate(b, lenient()) })
		if err == nil || err.Code != c.code {
			t.Errorf("%s: %v, want %s", c.name, err, c.code)
		}
		if got > 4<<20 {
			t.Errorf("%s: %d bytes allocated", c.name, got)
		}
	}
}

// oneRecord is the records section with one record of n bytes of value.
func oneRecord(n int) []byte {
	b := NewBuilder(Params{})
	b.Add(now, nil, bytes.Repeat([]byte("chronik "), n/8))
	return b.records
}

func TestForeignEncodings(t *testing.T) {
	plain := oneRecord(200_000)
	lz4Frame := func(opts ...lz4.Option) []byte {
		var out bytes.Buffer
		w := lz4.NewWriter(&out)
		if err := w.Apply(opts...); err != nil {
			t.Fatal(err)
		}
		_, err1 := w.Write(plain)
		if err2 := w.Close(); err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		return out.Bytes()
	}
	linked := lz4Frame()
	linked[4] &^= 0x20
	zstdLevel := func(level zstd.EncoderLevel, window int) []byte {
		var out bytes.Buffer
		e, err := zstd.NewWriter(&out, zstd.WithEncoderLevel(level), zstd.WithWindowSize(window), zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		_, err1 := e.Write(plain)
		if err2 := e.Close(); err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		return out.Bytes()
	}
	framed := compressSnappy(nil, plain)
	// Copies from offset 0 mean something to S2 readers only.
	repeat := append(binary.AppendUvarint(nil, uint64(12)), 7<<2, 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 0x01, 0x00)
	for _, c := range []struct {
		name    string
		codec   Codec
		payload []byte
		ok      bool
	}{
		{"raw snappy block", Snappy, snappy.Encode(nil, plain), true},
		{"framed snappy", Snappy, framed, true},
		{"two framed snappy streams", Snappy, append(compressSnappy(nil, plain[:999]), compressSnappy(nil, plain[999:])...), true},
		{"snappy extension", Snappy, repeat, false},
		{"framed snappy extension", Snappy, append(append(bytes.Clone(framed[:xerialHeader]), 0, 0, 0, byte(len(repeat))), repeat...), false},
		{"truncated frame length", Snappy, framed[:xerialHeader+3], false},
		{"lz4, 4 MB blocks with checksums", LZ4, lz4Frame(lz4.BlockSizeOption(lz4.Block4Mb), lz4.BlockChecksumOption(true)), true},
		{"lz4, content size and checksum", LZ4, lz4Frame(lz4.SizeOption(uint64(len(plain))), lz4.ChecksumOption(true)), true},
		{"lz4, linked blocks", LZ4, linked, false},
		{"lz4, not a frame", LZ4, make([]byte, 20), false},
		{"gzip in two members", Gzip, append(compressGzip(nil, plain[:999]), compressGzip(nil, plain[999:])...), true},
		{"zstd, fastest", Zstd, zstdLevel(zstd.SpeedFastest, 1<<17), true},
		{"zstd, best, 8 MB window", Zstd, zstdLevel(zstd.SpeedBestCompression, 8<<20), true},
		{"zstd, 128 MB window", Zstd, zstdLevel(zstd.SpeedDefault, 128<<20), true},
		{"zstd, two frames", Zstd, append(compressZstd(nil, plain[:999]), compressZstd(nil, plain[999:])...), true},
	} {
		b := wrap(c.codec, c.payload)
		_, _, err := Validate(b, lenient())
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
		if !c.ok {
			continue
		}
		if again, err := Recompress(b, Uncompressed); err != nil || !bytes.Equal(again[HeaderSize:], plain) {
			t.Errorf("%s: other content, %v", c.name, err)
		}
	}
}

func TestSnappyLength(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		plain := randomBytes(r, r.IntN(3000))
		b := snappy.Encode(nil, plain)
		if n, ok := snappyLength(b); !ok || n != int64(len(plain)) {
			t.Fatalf("%d bytes: length %d, %v", len(plain), n, ok)
		}
		// Whatever passes the walk, the library must decode to that length.
		b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		if n, ok := snappyLength(b); ok {
			out, err := snappy.Decode(nil, b)
			if err != nil || int64(len(out)) != n {
				t.Fatalf("walk says %d, decoder %d (%v)", n, len(out), err)
			}
		}
	}
}

func TestValidateAllocates(t *testing.T) {
	o := lenient()
	plain := javaBatch(t, Uncompressed)
	if n := testing.AllocsPerRun(100, func() {
		if _, _, err := Validate(plain, o); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("uncompressed: %v allocations", n)
	}
	for _, codec := range codecs[1:] {
		b := javaBatch(t, codec)
		if n := testing.AllocsPerRun(100, func() {
			if _, _, err := Validate(b, o); err != nil {
				t.Fatal(err)
			}
		}); n > 20 {
			t.Errorf("%s: %v allocations", codec, n)
		}
	}
}

// Codecs run in the caller's goroutine: nothing is left running.
func TestNoGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	for _, codec := range codecs {
		b := javaBatch(t, codec)
		if _, _, err := Validate(b, lenient()); err != nil {
			t.Fatal(err)
		}
		if _, err := Recompress(b, codec); err != nil {
			t.Fatal(err)
		}
		for range Records(b) {
			break // abandoned in the middle
		}
		if n := runtime.NumGoroutine(); n > before {
			t.Fatalf("%s: %d goroutines, before %d", codec, n, before)
		}
	}
}
