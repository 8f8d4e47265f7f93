package protocol

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// FuzzRequestFrame: a frame of any API and version, as a stranger may send it, costs at most 50 ms and 16 MiB + 8 times
// its size of memory, and never panics.
func FuzzRequestFrame(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 2))
	everyVersion(func(key, version int16) {
		f.Add(frameOf(randomRequest(r, key, version), "fuzz", 1))
	})
	f.Add([]byte{0, 18, 0, 3, 0, 0, 0, 1, 0xff, 0xff, 0, 1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Add(append([]byte{0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0xff, 0xff, 0, 1, 0, 0, 0, 0}, make([]byte, 4096)...))
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) > 1<<20 {
			return
		}
		started := time.Now()
		var req kmsg.Request
		var h Header
		var err error
		used := allocated(func() { h, req, err = ParseRequest(payload) })
		if d := time.Since(started); d > 50*time.Millisecond {
			again := time.Now() // once more, in case that the machine was busy
			_, _, _ = ParseRequest(payload)
			if time.Since(again) > 50*time.Millisecond {
				t.Errorf("%s v%d: %d bytes took %s", Name(h.Key), h.Version, len(payload), d)
			}
		}
		if limit := Budget(len(payload)); used > limit+1<<20 && !raceEnabled {
			t.Errorf("%s v%d: %d bytes took %d bytes of memory, limit %d", Name(h.Key), h.Version, len(payload), used, limit)
		}
		if err != nil {
			if len(payload) >= 8 && h.CorrelationID != int32(binary.BigEndian.Uint32(payload[4:])) {
				t.Errorf("correlation id lost: %v", err)
			}
			return
		}
		if req.Key() != h.Key || req.GetVersion() != h.Version {
			t.Errorf("asked for %d v%d, decoded %d v%d", h.Key, h.Version, req.Key(), req.GetVersion())
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	produce := kmsg.NewPtrProduceRequest()
	produce.Version = 12
	fetch := kmsg.NewPtrFetchRequest()
	fetch.Version = 13
	topic, wanted := kmsg.NewProduceRequestTopic(), kmsg.NewFetchRequestTopic()
	topic.Topic = "a-topic"
	for i := range int32(100) {
		p := kmsg.NewProduceRequestTopicPartition()
		p.Partition, p.Records = i, make([]byte, 1024)
		topic.Partitions = append(topic.Partitions, p)
		w := kmsg.NewFetchRequestTopicPartition()
		w.Partition = i
		wanted.Partitions = append(wanted.Partitions, w)
	}
	produce.Topics = append(produce.Topics, topic)
	fetch.Topics = append(fetch.Topics, wanted)
	for _, req := range []kmsg.Request{produce, fetch} {
		body := req.AppendTo(nil)
		b.Run(Name(req.Key())+" of 100 partitions", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := Check(req.Key(), req.GetVersion(), body, Budget(len(body))); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
