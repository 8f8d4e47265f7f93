package batch

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/protocol/kafka"
)

var codecs = []Codec{Uncompressed, Gzip, Snappy, LZ4, Zstd}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + r.IntN(6))
	}
	return b
}

// randomRecords have sizes around all the borders that a reader knows: varint widths, the window, several windows.
func randomRecords(r *rand.Rand, n int) []Record {
	sizes := []int{0, 1, 63, 64, 127, 200, 8191, 8192, windowSize - 1, windowSize, windowSize + 1, 3*windowSize + 5}
	all := make([]Record, n)
	for i := range all {
		rec := Record{Offset: kafka.Offset(i), Timestamp: kafka.Timestamp(1_700_000_000_000 + r.Int64N(100_000))}
		if r.IntN(3) > 0 {
			rec.Key = randomBytes(r, r.IntN(100))
		}
		if r.IntN(5) > 0 {
			rec.Value = randomBytes(r, sizes[r.IntN(len(sizes))])
		}
		for h := r.IntN(4); h > 0; h-- {
			header := RecordHeader{Key: string(randomBytes(r, r.IntN(10)))}
			if r.IntN(2) == 0 {
				header.Value = randomBytes(r, r.IntN(200))
			}
			rec.Headers = append(rec.Headers, header)
		}
		all[i] = rec
	}
	return all
}

func collect(t *testing.T, b []byte) []Record {
	t.Helper()
	var all []Record
	for r, err := range Records(b) {
		if err != nil {
			t.Fatalf("record %d: %v", len(all), err)
		}
		all = append(all, r)
	}
	return all
}

func lenient() *Options {
	return &Options{Partition: kafka.TopicPartition{Topic: "t", Partition: 1}, Version: 13, Now: 1_700_000_000_000,
		TimestampBeforeMaxMs: -1, TimestampAfterMaxMs: -1, Compression: KeepCodec}
}

func TestBuildAndRead(t *testing.T) {
	for seed := range uint64(15) {
		r := rand.New(rand.NewPCG(seed, 1))
		want := randomRecords(r, 1+r.IntN(60))
		for _, codec := range codecs {
			p := Params{Codec: codec, Producer: &Producer{ID: 5, Epoch: 2, Sequence: 77}, Transactional: seed%2 == 0}
			b := Build(p, want)
			if got := collect(t, b); !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d, %s: records differ", seed, codec)
			}
			out, h, err := Validate(bytes.Clone(b), lenient())
			if err != nil {
				t.Fatalf("seed %d, %s: %v", seed, codec, err)
			}
			if !bytes.Equal(out, b) {
				t.Fatalf("seed %d, %s: Validate changed a good batch", seed, codec)
			}
			if h.ProducerID != 5 || h.ProducerEpoch != 2 || h.BaseSequence != 77 || int(h.RecordCount) != len(want) ||
				h.Codec() != codec || h.Transactional() != p.Transactional || h.LeaderEpoch != -1 || h.Size != len(b) {
				t.Fatalf("seed %d, %s: header %+v", seed, codec, h)
			}
			againstClient(t, b, want)
		}
	}
}

// againstClient reads the header, and the records of an uncompressed batch, with the client library.
func againstClient(t *testing.T, b []byte, want []Record) {
	t.Helper()
	var k kmsg.RecordBatch
	if err := k.ReadFrom(b); err != nil {
		t.Fatal(err)
	}
	if k.NumRecords != int32(len(want)) || uint32(k.CRC) != Checksum(b) || k.Length != int32(len(b)-LengthPrefix) {
		t.Fatalf("the client reads %d records, CRC %x, length %d", k.NumRecords, uint32(k.CRC), k.Length)
	}
	if k.Attributes&codecMask != 0 {
		return
	}
	rest := k.Records
	for i := range want {
		size, n := binary.Varint(rest)
		var rec kmsg.Record
		if err := rec.ReadFrom(rest[:int(size)+n]); err != nil {
			t.Fatalf("record %d: %v", i, err)
		}
		rest = rest[int(size)+n:]
		if !bytes.Equal(rec.Key, want[i].Key) || !bytes.Equal(rec.Value, want[i].Value) || len(rec.Headers) != len(want[i].Headers) ||
			k.FirstTimestamp+rec.TimestampDelta64 != int64(want[i].Timestamp) || rec.OffsetDelta != int32(i) {
			t.Fatalf("record %d: the client reads %+v, want %+v", i, rec, want[i])
		}
	}
	if len(rest) != 0 {
		t.Fatalf("%d bytes after the last record", len(rest))
	}
}

// javaRecords are what the batches in testdata hold: made by Apache Kafka's client 4.3.1 (MemoryRecords), producer
// id 4711, epoch 3, base sequence 99. Values are pseudo-random; their lengths and all else follow a rule.
func checkJavaRecords(t *testing.T, records []Record) {
	t.Helper()
	if len(records) != 200 {
		t.Fatalf("%d records, want 200", len(records))
	}
	for i, r := range records {
		if r.Offset != kafka.Offset(i) || r.Timestamp != kafka.Timestamp(1_700_000_000_000+(i*37)%101) {
			t.Fatalf("record %d: offset %d, timestamp %d", i, r.Offset, r.Timestamp)
		}
		wantKey := []byte(fmt.Sprintf("key-%d", i))
		if i%5 == 0 {
			wantKey = nil
		}
		if !bytes.Equal(r.Key, wantKey) || (r.Key == nil) != (wantKey == nil) {
			t.Fatalf("record %d: key %q", i, r.Key)
		}
		if (r.Value == nil) != (i%11 == 0) || (r.Value != nil && len(r.Value) != i*7) {
			t.Fatalf("record %d: value of %d bytes", i, len(r.Value))
		}
		if i%3 != 0 {
			if r.Headers != nil {
				t.Fatalf("record %d: headers %v", i, r.Headers)
			}
			continue
		}
		want := []RecordHeader{{Key: fmt.Sprintf("h%d", i)}, {Key: "", Value: []byte{}}}
		if i%2 != 0 {
			want[0].Value = []byte{byte(i)}
		}
		if !reflect.DeepEqual(r.Headers, want) {
			t.Fatalf("record %d: headers %v, want %v", i, r.Headers, want)
		}
	}
}

func javaBatch(t testing.TB, codec Codec) []byte {
	b, err := os.ReadFile(filepath.Join("testdata", "java-"+codec.String()+".batch"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBatchesOfTheJavaClient(t *testing.T) {
	var plain []Record
	for _, codec := range codecs {
		b := javaBatch(t, codec)
		out, h, err := Validate(bytes.Clone(b), lenient())
		if err != nil {
			t.Fatalf("%s: %v", codec, err)
		}
		if !bytes.Equal(out, b) || h.Codec() != codec || h.ProducerID != 4711 || h.ProducerEpoch != 3 || h.BaseSequence != 99 {
			t.Fatalf("%s: changed, or header %+v", codec, h)
		}
		got := collect(t, b)
		checkJavaRecords(t, got)
		if codec == Uncompressed {
			plain = got
			// Built from the same records, our batch is the same to the byte.
			again := Build(Params{Producer: &Producer{4711, 3, 99}}, got)
			if !bytes.Equal(again, b) {
				t.Fatal("Build differs from the Java client")
			}
		} else if !reflect.DeepEqual(got, plain) {
			t.Fatalf("%s: records differ from the uncompressed ones", codec)
		}
	}
}

func TestRecompress(t *testing.T) {
	for _, from := range codecs {
		for _, to := range codecs {
			b := javaBatch(t, from)
			before := bytes.Clone(b)
			out, err := Recompress(b, to)
			if err != nil {
				t.Fatalf("%s to %s: %v", from, to, err)
			}
			if !bytes.Equal(b, before) {
				t.Fatalf("%s to %s: the input changed", from, to)
			}
			if !Intact(out) {
				t.Fatalf("%s to %s: result damaged", from, to)
			}
			checkJavaRecords(t, collect(t, out))
			if h, _ := ParseHeader(out); h.Codec() != to {
				t.Fatalf("%s to %s: codec is %s", from, to, h.Codec())
			}
			if back, err := Recompress(out, Uncompressed); err != nil || !bytes.Equal(back, javaBatch(t, Uncompressed)) {
				t.Fatalf("%s to %s and back: %v, or other bytes", from, to, err)
			}
		}
	}
}

func TestSplit(t *testing.T) {
	a, b := javaBatch(t, Gzip), javaBatch(t, Zstd)
	Stamp(a, 1000, 7)
	Stamp(b, 1200, 8)
	if !Intact(a) || !Intact(b) {
		t.Fatal("Stamp breaks the CRC")
	}
	joined := append(bytes.Clone(a), b...)
	for cut := range joined {
		want := 0
		if cut >= len(a) {
			want = 1
		}
		n := 0
		for h, part := range Split(joined[:cut]) {
			if !bytes.Equal(part, a) || h.BaseOffset != 1000 || h.LeaderEpoch != 7 || h.LastOffset() != 1199 || h.NextOffset() != 1200 {
				t.Fatalf("cut at %d: wrong batch", cut)
			}
			n++
		}
		if n != want {
			t.Fatalf("cut at %d: %d batches, want %d", cut, n, want)
		}
	}
	n := 0
	for range Split(joined) {
		n++
	}
	if n != 2 {
		t.Fatalf("%d batches, want 2", n)
	}
	if rs := collect(t, b); rs[0].Offset != 1200 || rs[199].Offset != 1399 {
		t.Fatalf("offsets from %d to %d", rs[0].Offset, rs[199].Offset)
	}
}

func TestFindTimestamp(t *testing.T) {
	for _, codec := range codecs {
		b := javaBatch(t, codec)
		Stamp(b, 500, 1)
		rs := collect(t, b)
		for ts := kafka.Timestamp(1_699_999_999_990); ts < 1_700_000_000_110; ts++ {
			want, wantTime, wantFound := kafka.NoOffset, kafka.NoTimestamp, false
			for _, r := range rs {
				if r.Timestamp >= ts {
					want, wantTime, wantFound = r.Offset, r.Timestamp, true
					break
				}
			}
			offset, at, found, err := FindTimestamp(b, ts)
			if err != nil || offset != want || at != wantTime || found != wantFound {
				t.Fatalf("%s, %d: %d at %d (%v, %v), want %d at %d", codec, ts, offset, at, found, err, want, wantTime)
			}
		}
		StampAppendTime(b, 42)
		if offset, at, found, err := FindTimestamp(b, 42); err != nil || !found || offset != 500 || at != 42 {
			t.Fatalf("%s: append time: %d at %d (%v, %v)", codec, offset, at, found, err)
		}
		if _, _, found, _ := FindTimestamp(b, 43); found {
			t.Fatalf("%s: found a timestamp newer than the batch", codec)
		}
	}
}

func TestStampAppendTime(t *testing.T) {
	b := javaBatch(t, LZ4)
	StampAppendTime(b, 12345)
	h, ok := ParseHeader(b)
	if !ok || !h.LogAppendTime() || h.MaxTimestamp != 12345 || !Intact(b) || h.Codec() != LZ4 || h.BaseTimestamp != 1_700_000_000_000 {
		t.Fatalf("header %+v, intact %v", h, Intact(b))
	}
	for _, r := range collect(t, b) {
		if r.Timestamp != 12345 {
			t.Fatalf("record %d has timestamp %d", r.Offset, r.Timestamp)
		}
	}
}

func TestBuilderSize(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	b := NewBuilder(Params{})
	for _, rec := range randomRecords(r, 100) {
		b.Add(rec.Timestamp, rec.Key, rec.Value, rec.Headers...)
		if got := len(b.Build()); got != b.Size() {
			t.Fatalf("Size is %d, the batch has %d bytes", b.Size(), got)
		}
	}
	if b.Count() != 100 {
		t.Fatalf("count is %d", b.Count())
	}
}
