package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Load keeps idempotent acks=all producers busy and remembers what was acknowledged.
type Load struct {
	Topic string
	addrs []string

	stop    context.CancelFunc
	running sync.WaitGroup
	count   atomic.Int64

	mu    sync.Mutex
	acked []Acked
	maybe map[string]bool
	last  time.Time // of the newest acknowledgement
}

// CreateTopic creates a topic and waits until every partition has a leader on all brokers' word.
func CreateTopic(t testing.TB, addrs []string, topic string, partitions int32, rf int16, configs map[string]*string) {
	t.Helper()
	cl := client(t, addrs)
	defer cl.Close()
	adm := kadm.NewClient(cl)
	Eventually(t, 20*time.Second, "creating "+topic, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		r, err := adm.CreateTopics(ctx, partitions, rf, configs, topic)
		if err != nil {
			return err
		}
		if err := r[topic].Err; err != nil && !strings.Contains(err.Error(), "TOPIC_ALREADY_EXISTS") {
			return fmt.Errorf("%w: %s", err, r[topic].ErrMessage)
		}
		return nil
	})
	Eventually(t, 20*time.Second, "leaders for "+topic, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		m, err := adm.Metadata(ctx, topic)
		if err != nil {
			return err
		}
		for _, p := range m.Topics[topic].Partitions {
			if p.Leader < 0 {
				return fmt.Errorf("partition %d has no leader", p.Partition)
			}
		}
		if len(m.Topics[topic].Partitions) != int(partitions) {
			return fmt.Errorf("%d partitions", len(m.Topics[topic].Partitions))
		}
		return nil
	})
}

func client(t testing.TB, addrs []string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(addrs...), kgo.MetadataMinAge(100 * time.Millisecond), kgo.RetryBackoffFn(func(int) time.Duration { return 50 * time.Millisecond })}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return cl
}

// StartLoad starts the producers, each with its own client, sending perSecond records each.
func StartLoad(t testing.TB, addrs []string, topic string, producers, perSecond int) *Load {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &Load{Topic: topic, addrs: addrs, stop: cancel, maybe: map[string]bool{}}
	for p := range producers {
		cl := client(t, addrs, kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(time.Millisecond), kgo.RecordDeliveryTimeout(2*time.Minute),
			kgo.RecordPartitioner(kgo.RoundRobinPartitioner()), kgo.DefaultProduceTopic(topic))
		l.running.Add(1)
		go l.produce(ctx, cl, p, time.Second/time.Duration(perSecond))
	}
	t.Cleanup(func() { l.Stop() })
	return l
}

func (l *Load) produce(ctx context.Context, cl *kgo.Client, producer int, every time.Duration) {
	defer l.running.Done()
	defer cl.Close()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for seq := 0; ctx.Err() == nil; seq++ {
		value := fmt.Sprintf("p%d-%d", producer, seq)
		cl.Produce(context.Background(), &kgo.Record{Value: []byte(value)}, func(r *kgo.Record, err error) {
			l.mu.Lock()
			defer l.mu.Unlock()
			if err != nil {
				l.maybe[value] = true
				return
			}
			l.count.Add(1)
			l.last = time.Now()
			l.acked = append(l.acked, Acked{Partition: r.Partition, Offset: r.Offset, Value: value, Producer: producer, Seq: seq})
		})
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	flush, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	_ = cl.Flush(flush)
}

// Fill writes n incompressible records of a size, to the partitions in turn; they are looked for like all others.
func (l *Load) Fill(t testing.TB, n, size int, partitions int32) {
	t.Helper()
	cl := client(t, l.addrs, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.DefaultProduceTopic(l.Topic))
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	random := rand.NewChaCha8([32]byte{1})
	for i := range n {
		r := &kgo.Record{Partition: int32(i) % partitions, Value: make([]byte, size)}
		_, _ = random.Read(r.Value)
		if err := cl.ProduceSync(ctx, r).FirstErr(); err != nil {
			t.Fatal(err)
		}
		l.mu.Lock()
		l.acked = append(l.acked, Acked{Partition: r.Partition, Offset: r.Offset, Value: string(r.Value), Producer: -1, Seq: i})
		l.mu.Unlock()
	}
}

// Count is the number of acknowledged records so far.
func (l *Load) Count() int64 { return l.count.Load() }

// AwaitMore waits for n further acknowledgements and returns how long they took.
func (l *Load) AwaitMore(t testing.TB, n int64, timeout time.Duration) time.Duration {
	t.Helper()
	start, from := time.Now(), l.Count()
	Eventually(t, timeout, fmt.Sprintf("%d more acknowledged records", n), func() error {
		if got := l.Count() - from; got < n {
			return fmt.Errorf("%d so far", got)
		}
		return nil
	})
	return time.Since(start)
}

// Stop ends the producers after what they sent was answered; it may be called twice.
func (l *Load) Stop() { l.stop(); l.running.Wait() }

// Verify reads the topic from the beginning with a fresh client and checks the history.
func (l *Load) Verify(t testing.TB) {
	t.Helper()
	l.Stop()
	final := ReadAll(t, l.addrs, l.Topic)
	l.mu.Lock()
	defer l.mu.Unlock()
	bad := Check(l.acked, final, l.maybe)
	t.Logf("%d records acknowledged, %d of unknown outcome, %d read", len(l.acked), len(l.maybe), len(final))
	if len(bad) > 0 {
		t.Fatalf("%d violations, the first: %s", len(bad), strings.Join(bad[:min(len(bad), 10)], "\n"))
	}
}

// ReadAll consumes a topic from the first offset to the end offsets known at the start of the call.
func ReadAll(t testing.TB, addrs []string, topic string) []Seen {
	t.Helper()
	cl := client(t, addrs, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var ends kadm.ListedOffsets
	Eventually(t, time.Minute, "end offsets of "+topic, func() (err error) {
		if ends, err = kadm.NewClient(cl).ListEndOffsets(ctx, topic); err != nil {
			return err
		}
		return ends.Error()
	})
	left := int64(0)
	starts, err := kadm.NewClient(cl).ListStartOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	ends.Each(func(o kadm.ListedOffset) {
		s, _ := starts.Lookup(o.Topic, o.Partition)
		left += o.Offset - s.Offset
	})
	var all []Seen
	for int64(len(all)) < left {
		fs := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("reading %s: %d of %d records in two minutes; errors %v", topic, len(all), left, fs.Errors())
		}
		fs.EachRecord(func(r *kgo.Record) {
			all = append(all, Seen{Partition: r.Partition, Offset: r.Offset, Value: string(r.Value)})
		})
	}
	return all
}
