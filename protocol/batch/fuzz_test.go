package batch

import (
	"bytes"
	"testing"

	"chronik/protocol/kafka"
)

func seeds(f *testing.F) {
	for _, codec := range codecs {
		f.Add(three(codec))
		f.Add(javaBatch(f, codec)[:300])
	}
	f.Add(section(1, 12, 0, 0, 0, 1, 1, 0))
	f.Add(append(three(0), three(Zstd)...))
}

// FuzzRecordBatch: no panic; what Validate accepts is intact, dense and readable by every other function, as it is and
// with its CRC repaired so that the fuzzer gets behind it.
func FuzzRecordBatch(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 1<<16 {
			return
		}
		try(t, bytes.Clone(raw))
		if h, ok := ParseHeader(raw); ok {
			raw = raw[:h.Size]
			seal(raw)
			try(t, raw)
		}
	})
}

func try(t *testing.T, raw []byte) {
	for _, b := range Split(raw) {
		for range Records(b) { // no panic, whatever it is
		}
		_, _, _, _ = FindTimestamp(b, 5)
	}
	o := lenient()
	out, h, err := Validate(raw, o)
	if err != nil {
		if err.Code == 0 || err.Text == "" {
			t.Fatalf("refused without a reason: %+v", err)
		}
		return
	}
	if !Intact(out) || h.Size != len(out) {
		t.Fatal("accepted, but not intact")
	}
	n, newest := int32(0), kafka.NoTimestamp
	for r, err := range Records(out) {
		if err != nil {
			t.Fatalf("accepted, but record %d is unreadable: %v", n, err)
		}
		if r.Offset != kafka.Offset(n) {
			t.Fatalf("record %d has offset %d", n, r.Offset)
		}
		newest = max(newest, r.Timestamp)
		n++
	}
	if n != h.RecordCount || newest != h.MaxTimestamp {
		t.Fatalf("%d records up to %d, header %+v", n, newest, h)
	}
	again, _, err := Validate(bytes.Clone(out), o)
	if err != nil || !bytes.Equal(again, out) {
		t.Fatalf("validated twice: %v", err)
	}
}

// FuzzCodecs: no panic and bounded work for any compressed section; what compress wrote is read back.
func FuzzCodecs(f *testing.F) {
	for _, codec := range codecs {
		f.Add(byte(codec), three(codec)[HeaderSize:])
		f.Add(byte(codec), compress(codec, nil, make([]byte, 100_000)))
	}
	f.Fuzz(func(t *testing.T, codec byte, section []byte) {
		if len(section) > 1<<14 {
			return
		}
		kind := Codec(codec % 5)
		const limit = 4 << 20
		var c cursor
		if err := c.open(kind, section, limit); err == nil {
			out, err := c.rest()
			if err == nil && int64(len(out)) > limit+windowSize {
				t.Fatalf("%s: %d bytes came out", kind, len(out))
			}
			c.close()
		}
		if err := c.open(kind, compress(kind, nil, section), limit); err != nil {
			t.Fatalf("%s: own output: %v", kind, err)
		}
		out, err := c.rest()
		if err != nil || !bytes.Equal(out, section) {
			t.Fatalf("%s: own output reads differently: %v", kind, err)
		}
		c.close()
	})
}

func BenchmarkValidate(b *testing.B) {
	for _, codec := range codecs {
		b.Run(codec.String(), func(b *testing.B) {
			raw := javaBatch(b, codec)
			o := lenient()
			b.SetBytes(int64(len(javaBatch(b, Uncompressed))))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := Validate(raw, o); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("100 bytes a record", func(b *testing.B) {
		w := NewBuilder(Params{})
		for range 160 {
			w.Add(now, nil, make([]byte, 92))
		}
		raw := w.Build()
		o := lenient()
		b.SetBytes(int64(len(raw)))
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := Validate(raw, o); err != nil {
				b.Fatal(err)
			}
		}
	})
}
