package batch

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
)

const now = kafka.Timestamp(1_700_000_000_000)

func three(codec Codec) []byte {
	return Build(Params{Codec: codec}, []Record{
		{Timestamp: now - 10, Key: []byte("a"), Value: []byte("one")},
		{Timestamp: now + 10, Value: []byte("two")},
		{Timestamp: now, Key: []byte("c")},
	})
}

// patch changes bytes of a batch and repairs length and CRC, so that only the rule in question is broken.
func patch(b []byte, at int, value any) []byte {
	var buf bytes.Buffer
	if err := binary.Write(&buf, binary.BigEndian, value); err != nil {
		panic(err)
	}
	copy(b[at:], buf.Bytes())
	if at >= offMagic {
		crc := Checksum(b)
		binary.BigEndian.PutUint32(b[offCRC:], crc)
	}
	return b
}

// section makes a batch of n declared records out of raw bytes.
func section(n int32, raw ...byte) []byte {
	b := three(Uncompressed)[:HeaderSize]
	b = append(b, raw...)
	patch(b, offLastDelta, n-1)
	patch(b, offRecordCount, n)
	seal(b)
	return b
}

func TestRefusals(t *testing.T) {
	type edit func(o *Options)
	none := func(*Options) {}
	magic := func(m int8) []byte { b := three(0); b[offMagic] = byte(m); return b }
	cases := []struct {
		name string
		raw  []byte
		edit edit
		code kerror.Code
		text string
	}{
		{"null", nil, none, kerror.InvalidRecord, "at least one record batch"},
		{"empty", []byte{}, none, kerror.InvalidRecord, "at least one record batch"},
		{"a few bytes", make([]byte, 11), none, kerror.InvalidRecord, "at least one record batch"},
		{"zeros", make([]byte, 100), none, kerror.CorruptMessage, "minimum record overhead"},
		{"truncated", three(0)[:70], none, kerror.InvalidRecord, "at least one record batch"},
		{"magic 0", magic(0), none, kerror.InvalidRecord, "magic version 2"},
		{"magic 1", magic(1), none, kerror.InvalidRecord, "magic version 2"},
		{"magic 3", magic(3), none, kerror.CorruptMessage, "Invalid magic"},
		{"magic -1", magic(-1), none, kerror.CorruptMessage, "Invalid magic"},
		{"shorter than a header", patch(three(0), offLength, int32(48)), none, kerror.CorruptMessage, "smaller than its header"},
		{"length 13", patch(three(0), offLength, int32(13)), none, kerror.CorruptMessage, "minimum record overhead"},
		{"negative length", patch(three(0), offLength, int32(-1)), none, kerror.CorruptMessage, "minimum record overhead"},
		{"length too long", patch(three(0), offLength, int32(1<<30)), none, kerror.InvalidRecord, "at least one record batch"},
		{"two batches", append(three(0), three(0)...), none, kerror.InvalidRecord, "exactly one record batch"},
		{"a byte behind", append(three(0), 0), none, kerror.InvalidRecord, "exactly one record batch"},
		{"damage behind", append(three(0), make([]byte, 30)...), none, kerror.CorruptMessage, "minimum record overhead"},
		{"base offset", patch(three(0), offBaseOffset, int64(5)), none, kerror.InvalidRecord, "should be 0, but it is 5"},
		{"too large", three(0), func(o *Options) { o.MaxBytes = 80 }, kerror.MessageTooLarge, "exceeds the maximum configured value of 80"},
		{"larger than a segment", three(0), func(o *Options) { o.SegmentBytes = 80 }, kerror.RecordListTooLarge, "maximum configured segment size of 80"},
		{"CRC", func() []byte { b := three(0); b[80] ^= 1; return b }(), none, kerror.CorruptMessage, "Record is corrupt"},
		{"zstd in v6", three(Zstd), func(o *Options) { o.Version = 6 }, kerror.UnsupportedCompressionType, "ZStandard"},
		{"codec 5", patch(three(0), offAttributes, int16(5)), none, kerror.UnsupportedCompressionType, "Unknown compression type id: 5"},
		{"offset range", patch(three(0), offLastDelta, int32(-1)), none, kerror.InvalidRecord, "invalid offset range: [0, -1]"},
		{"widest offset range", patch(three(0), offLastDelta, int32(math.MaxInt32)), none, kerror.InvalidRecord, "Inconsistent batch offset range"},
		{"no records", patch(three(0), offRecordCount, int32(0)), none, kerror.InvalidRecord, "Invalid reported count for record batch: 0"},
		{"negative count", patch(three(0), offRecordCount, int32(-3)), none, kerror.InvalidRecord, "Invalid reported count"},
		{"count and range", patch(three(0), offRecordCount, int32(2)), none, kerror.InvalidRecord, "Inconsistent batch offset range [0, 2] and count of records 2"},
		{"control", patch(three(0), offAttributes, int16(0x20)), none, kerror.InvalidRecord, "control records"},
		{"no sequence", patch(three(0), offProducerID, int64(7)), none, kerror.InvalidRecord, "Invalid sequence number -1 in record batch with producerId 7"},
		{"no epoch", patch(patch(three(0), offProducerID, int64(7)), offBaseSequence, int32(0)), none, kerror.InvalidRecord, "producer id 7 with epoch -1"},
		{"producer id", patch(three(0), offProducerID, int64(-2)), none, kerror.InvalidRecord, "producer id -2"},
		{"fewer records", patch(patch(three(0), offRecordCount, int32(4)), offLastDelta, int32(3)), none, kerror.InvalidRecord, "premature EOF"},
		{"more records", patch(patch(three(0), offRecordCount, int32(2)), offLastDelta, int32(1)), none, kerror.InvalidRecord, "records still remaining"},
		{"fewer compressed", patch(patch(three(Gzip), offRecordCount, int32(4)), offLastDelta, int32(3)), none, kerror.InvalidRecord, "premature EOF"},
		{"more compressed", patch(patch(three(LZ4), offRecordCount, int32(2)), offLastDelta, int32(1)), none, kerror.InvalidRecord, "records still remaining"},
		{"wrong codec", patch(three(0), offAttributes, int16(Gzip)), none, kerror.InvalidRecord, "decompress"},
		{"offset delta", section(1, 12, 0, 0, 2, 1, 1, 0), none, kerror.InvalidRecord, "offset delta 1"},
		{"record size", section(1, 14, 0, 0, 0, 1, 1, 0), none, kerror.InvalidRecord, "invalid record size"},
		{"negative record size", section(1, 1, 0, 0, 0, 1, 1, 0), none, kerror.InvalidRecord, "invalid record structure"},
		{"key beyond the end", section(1, 12, 0, 0, 0, 40, 1, 0), none, kerror.InvalidRecord, "premature EOF"},
		{"negative headers", section(1, 12, 0, 0, 0, 1, 1, 1), none, kerror.InvalidRecord, "number of record headers"},
		{"many headers", section(1, 20, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f), none, kerror.InvalidRecord, "number of record headers"},
		{"null header key", section(1, 16, 0, 0, 0, 1, 1, 2, 1, 1), none, kerror.InvalidRecord, "invalid record structure"},
		{"long varint", section(1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80), none, kerror.InvalidRecord, "invalid record structure"},
		{"too old", three(0), func(o *Options) { o.TimestampBeforeMaxMs = 9 }, kerror.InvalidTimestamp, "due to invalid timestamp"},
		{"too new", three(Zstd), func(o *Options) { o.TimestampAfterMaxMs = 9 }, kerror.InvalidTimestamp, "due to invalid timestamp"},
		{"claims append time", patch(three(0), offAttributes, int16(8)), func(o *Options) { o.LogAppendTime = true }, kerror.InvalidTimestamp, "due to invalid timestamp"},
		{"no key", three(Snappy), func(o *Options) { o.KeysRequired = true }, kerror.InvalidRecord, "1 record errors in total"},
	}
	for _, c := range cases {
		o := lenient()
		c.edit(o)
		_, _, err := Validate(c.raw, o)
		if err == nil {
			t.Errorf("%s: accepted, want %s", c.name, c.code)
			continue
		}
		if err.Code != c.code || !strings.Contains(err.Text, c.text) {
			t.Errorf("%s: %v, want %s: …%s…", c.name, err, c.code, c.text)
		}
		if text, ok := err.ClientText(); ok != (len(err.Records) > 0) || ok && text != err.Text {
			t.Errorf("%s: client text %q, %v", c.name, text, ok)
		}
	}
	if _, _, err := Validate(section(1, 12, 0, 0, 0, 1, 1, 0), lenient()); err != nil {
		t.Errorf("the hand-made record itself: %v", err)
	}
}

func TestRecordErrorsName(t *testing.T) {
	o := lenient()
	o.KeysRequired = true
	_, _, err := Validate(three(0), o)
	want := "Compacted topic cannot accept message without key in topic partition t-1."
	if err == nil || len(err.Records) != 1 || err.Records[0] != (RecordError{1, want}) {
		t.Fatalf("%+v", err)
	}
	if want := "One or more records have been rejected due to 1 record errors in total, and only showing the first three " +
		"errors at most: [RecordError(batchIndex=1, message='" + want + "')]"; err.Text != want {
		t.Fatalf("text is %q", err.Text)
	}
	o = lenient()
	o.TimestampBeforeMaxMs, o.TimestampAfterMaxMs = 5, 5
	_, _, err = Validate(three(Gzip), o)
	if err == nil || len(err.Records) != 2 || err.Records[0].Index != 0 || err.Records[1].Index != 1 {
		t.Fatalf("%+v", err)
	}
	if want := "Timestamp 1699999999990 of message with offset 0 is out of range. The timestamp should be within [1699999999995, 1700000000005]"; err.Records[0].Text != want {
		t.Fatalf("text is %q", err.Records[0].Text)
	}
}

func TestManyRecordErrorsAreBounded(t *testing.T) {
	b := NewBuilder(Params{})
	for range 5000 {
		b.Add(now, nil, []byte("v"))
	}
	o := lenient()
	o.KeysRequired = true
	_, _, err := Validate(b.Build(), o)
	if err == nil || len(err.Records) != maxRecordErrors || !strings.Contains(err.Text, "due to 5000 record errors") {
		t.Fatalf("%d records named, %v", len(err.Records), err)
	}
}

func TestTimestampLimits(t *testing.T) {
	at := func(ts kafka.Timestamp) []byte { return Build(Params{}, []Record{{Timestamp: ts, Value: []byte("v")}}) }
	cases := []struct {
		ts            kafka.Timestamp
		before, after int64
		ok            bool
	}{
		{now - 5, 5, 0, true}, {now - 6, 5, 0, false}, {now + 5, 0, 5, true}, {now + 6, 0, 5, false},
		{0, math.MaxInt64, 0, true}, {math.MaxInt64, 0, math.MaxInt64, true}, {math.MaxInt64, 0, math.MaxInt64 - 1, true},
		{math.MaxInt64, 0, 3_600_000, false}, {kafka.NoTimestamp, 0, 0, true}, {-2, math.MaxInt64, 0, true}, {-2, 1000, 0, false},
	}
	for _, c := range cases {
		o := lenient()
		o.TimestampBeforeMaxMs, o.TimestampAfterMaxMs = c.before, c.after
		if _, _, err := Validate(at(c.ts), o); (err == nil) != c.ok {
			t.Errorf("%d within [-%d, +%d]: %v", c.ts, c.before, c.after, err)
		}
		o.LogAppendTime = true
		if _, _, err := Validate(at(c.ts), o); err != nil {
			t.Errorf("%d with the broker's time: %v", c.ts, err)
		}
	}
}

// What Kafka corrects instead of refusing.
func TestCorrections(t *testing.T) {
	for _, codec := range codecs {
		good := three(codec)
		wrong := patch(bytes.Clone(good), offMaxTime, int64(1))
		out, h, err := Validate(wrong, lenient())
		if err != nil || !bytes.Equal(out, good) || h.MaxTimestamp != now+10 {
			t.Errorf("%s: wrong MaxTimestamp: %v, header %+v", codec, err, h)
		}
		claims := patch(bytes.Clone(good), offAttributes, int16(codec)|appendTimeBit)
		out, h, err = Validate(claims, lenient())
		if err != nil || !bytes.Equal(out, good) || h.LogAppendTime() {
			t.Errorf("%s: claimed append time: %v, header %+v", codec, err, h)
		}
		o := lenient()
		o.LogAppendTime = true
		out, h, err = Validate(bytes.Clone(good), o)
		if err != nil || !bytes.Equal(out, good) || h.LogAppendTime() {
			t.Errorf("%s: a topic with the broker's time: %v; the replica stamps, not Validate", codec, err)
		}
	}
}

func TestCompressionType(t *testing.T) {
	for _, from := range codecs {
		for _, to := range codecs {
			o := lenient()
			o.Compression = to
			in := three(from)
			out, h, err := Validate(in, o)
			if err != nil || h.Codec() != to || !Intact(out) || h.Size != len(out) {
				t.Fatalf("%s to %s: %v, header %+v", from, to, err, h)
			}
			if from == to && &out[0] != &in[0] {
				t.Fatalf("%s: copied without need", from)
			}
			plain, err := Recompress(out, Uncompressed)
			if err != nil || !bytes.Equal(plain, three(Uncompressed)) {
				t.Fatalf("%s to %s: other records, %v", from, to, err)
			}
		}
	}
	o := lenient()
	o.Compression = Uncompressed
	o.MaxBytes = 1000
	b := Build(Params{Codec: Gzip}, []Record{{Timestamp: now, Value: make([]byte, 5000)}})
	if _, _, err := Validate(b, o); err == nil || err.Code != kerror.MessageTooLarge {
		t.Fatalf("too large after decompression: %v", err)
	}
}

func TestParseCodec(t *testing.T) {
	for name, want := range map[string]Codec{"producer": KeepCodec, "uncompressed": 0, "none": 0, "gzip": Gzip, "snappy": Snappy, "lz4": LZ4, "zstd": Zstd} {
		if c, ok := ParseCodec(name); !ok || c != want {
			t.Errorf("%s: %s, %v", name, c, ok)
		}
	}
	if _, ok := ParseCodec("brotli"); ok {
		t.Error("brotli is a codec")
	}
}
