package protocol

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// randomFetch is a response whose records are cut into several batches.
func randomFetch(r *rand.Rand, version int16) (*kmsg.FetchResponse, func(t, p int) [][]byte) {
	resp := kmsg.NewPtrFetchResponse()
	fill(r, reflect.ValueOf(resp).Elem(), 0)
	resp.SetVersion(version)
	if version < 16 {
		resp.Brokers = nil
	}
	clearTags(reflect.ValueOf(resp).Elem())
	for i := range resp.Topics {
		for j := range resp.Topics[i].Partitions {
			p := &resp.Topics[i].Partitions[j]
			if p.RecordBatches == nil {
				p.RecordBatches = []byte{} // never null
			}
			if r.IntN(2) == 0 {
				d := kmsg.NewFetchResponseTopicPartition()
				p.DivergingEpoch, p.SnapshotID = d.DivergingEpoch, d.SnapshotID
			}
			if r.IntN(2) == 0 {
				p.CurrentLeader = kmsg.NewFetchResponseTopicPartition().CurrentLeader
			}
		}
	}
	return resp, func(t, p int) [][]byte {
		b := resp.Topics[t].Partitions[p].RecordBatches
		cut := len(b) / 3
		return [][]byte{b[:cut], b[cut:cut], b[cut:]}
	}
}

func clearTags(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if tags, ok := v.Addr().Interface().(*kmsg.Tags); ok {
			*tags = kmsg.Tags{}
			return
		}
		for i := range v.NumField() {
			clearTags(v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			clearTags(v.Index(i))
		}
	}
}

func TestEncodeFetch(t *testing.T) {
	for version := int16(4); version <= 18; version++ {
		for seed := range uint64(200) {
			r := rand.New(rand.NewPCG(seed, uint64(version)))
			resp, records := randomFetch(r, version)
			want := binary.BigEndian.AppendUint32(nil, 77)
			if version >= 12 {
				want = append(want, 0)
			}
			want = resp.AppendTo(want)
			if got := bytes.Join(EncodeFetch(77, resp, records), nil); !bytes.Equal(got, want) {
				t.Fatalf("v%d, seed %d:\n%x\nwant\n%x", version, seed, got, want)
			}
			if got := bytes.Join(EncodeResponse(77, resp), nil); !bytes.Equal(got, want) {
				t.Fatalf("v%d, seed %d: without a source of records it differs", version, seed)
			}
		}
	}
}

func TestFetchBatchesAreNotCopied(t *testing.T) {
	resp := kmsg.NewPtrFetchResponse()
	resp.Version = 13
	topic := kmsg.NewFetchResponseTopic()
	for range 50 {
		topic.Partitions = append(topic.Partitions, kmsg.NewFetchResponseTopicPartition())
	}
	resp.Topics = append(resp.Topics, topic)
	batches := [][]byte{make([]byte, 1<<20), make([]byte, 1<<20)}
	var parts [][]byte
	used := allocated(func() { parts = EncodeFetch(1, resp, func(_, p int) [][]byte { return batches }) })
	if used > 64<<10 {
		t.Errorf("%d bytes allocated", used)
	}
	shared := 0
	for _, p := range parts {
		if len(p) == 1<<20 && (&p[0] == &batches[0][0] || &p[0] == &batches[1][0]) {
			shared++
		}
	}
	if shared != 100 {
		t.Errorf("%d parts are the batches themselves, want 100", shared)
	}
	// A partition without records is the empty set, not null.
	resp.Topics[0].Partitions = resp.Topics[0].Partitions[:1]
	var got kmsg.FetchResponse
	got.Version = 13
	frame := bytes.Join(EncodeFetch(1, resp, func(int, int) [][]byte { return nil }), nil)
	if err := got.ReadFrom(frame[5:]); err != nil || got.Topics[0].Partitions[0].RecordBatches == nil {
		t.Errorf("null records, %v", err)
	}
}

func TestResponseHeaders(t *testing.T) {
	everyVersion(func(key, version int16) {
		resp := kmsg.RequestForKey(key).ResponseKind()
		if key == 1 {
			return // TestEncodeFetch
		}
		resp.SetVersion(version)
		frame := bytes.Join(EncodeResponse(-2, resp), nil)
		want := []byte{0xff, 0xff, 0xff, 0xfe}
		if layoutOf(key, version).flexible && key != 18 {
			want = append(want, 0)
		}
		want = resp.AppendTo(want)
		if !bytes.Equal(frame, want) {
			t.Errorf("%s v%d: %x, want %x", Name(key), version, frame, want)
		}
	})
	if layoutOf(17, 1).flexible || layoutOf(18, 2).flexible || !layoutOf(18, 3).flexible {
		t.Error("SaslHandshake is never flexible, ApiVersions from 3 on")
	}
}
