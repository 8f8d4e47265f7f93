package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"chronik/cmd/history"
)

// Load keeps idempotent acks=all producers busy, reads along, and records what all of them saw.
type Load struct {
	Topic   string
	History *history.Recorder
	addrs   []string

	stop    context.CancelFunc
	running sync.WaitGroup
	acked   atomic.Int64
	failed  atomic.Int64
	clients atomic.Int64
	values  atomic.Int64
}

// Seen is one record as a fresh consumer read it from the beginning, in the order of reading.
type Seen struct {
	Partition int32
	Offset    int64
	Value     string
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

// StartLoad starts the producers, each with its own client, sending perSecond records each, and a consumer of all partitions.
func StartLoad(t testing.TB, addrs []string, topic string, producers, perSecond int, opts ...kgo.Opt) *Load {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &Load{Topic: topic, History: history.NewRecorder(), addrs: addrs, stop: cancel}
	for range producers {
		cl := client(t, addrs, append([]kgo.Opt{kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(time.Millisecond), kgo.RecordDeliveryTimeout(2 * time.Minute),
			kgo.RecordPartitioner(kgo.RoundRobinPartitioner()), kgo.DefaultProduceTopic(topic)}, opts...)...)
		l.background(func(process int) { l.produce(ctx, cl, process, time.Second/time.Duration(perSecond)) })
	}
	l.follow(t, ctx)
	t.Cleanup(func() { l.Stop() })
	return l
}

// background runs one client.
func (l *Load) background(run func(process int)) {
	process := int(l.clients.Add(1))
	l.running.Add(1)
	go func() {
		defer l.running.Done()
		run(process)
	}()
}

func key(topic string, partition int32) string { return fmt.Sprintf("%s-%d", topic, partition) }

// payload is a record that tells its value and whether it is whole.
func payload(value int64, size int) []byte {
	b := make([]byte, max(size, 12))
	binary.BigEndian.PutUint64(b, uint64(value))
	_, _ = rand.NewChaCha8([32]byte(binary.BigEndian.AppendUint64(make([]byte, 24), uint64(value)))).Read(b[12:])
	binary.BigEndian.PutUint32(b[8:], crc32c(append(bytes.Clone(b[:8]), b[12:]...)))
	return b
}

// valueOf is the value of a record; what nobody sent like that has a negative one.
func valueOf(r *kgo.Record) int64 {
	b := r.Value
	if len(b) < 12 || binary.BigEndian.Uint32(b[8:]) != crc32c(append(bytes.Clone(b[:8]), b[12:]...)) {
		return -1 - r.Offset
	}
	return int64(binary.BigEndian.Uint64(b))
}

// sent records how a send ended. An error says nothing about what was appended.
func (l *Load) sent(process int, began, value int64, r *kgo.Record, err error) {
	op := history.Op{Began: began, Process: process, Type: history.OK, F: history.Send, Ops: []history.Mop{{Key: key(l.Topic, r.Partition), Value: value, Offset: r.Offset}}}
	if err != nil {
		op.Type, op.Ops[0].Offset, op.What = history.Info, -1, err.Error()
		l.failed.Add(1)
	}
	l.History.Add(op)
	if err == nil {
		l.acked.Add(1)
	}
}

func (l *Load) produce(ctx context.Context, cl *kgo.Client, process int, every time.Duration) {
	defer cl.Close()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for ctx.Err() == nil {
		value, began := l.values.Add(1), l.History.Now()
		cl.Produce(context.Background(), &kgo.Record{Value: payload(value, 12)}, func(r *kgo.Record, err error) { l.sent(process, began, value, r, err) })
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	flush, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	_ = cl.Flush(flush)
}

// read turns what was fetched into one operation of a consumer.
func (l *Load) read(fs kgo.Fetches) []history.Mop {
	m := history.Mop{Polled: map[string][][2]int64{}}
	fs.EachRecord(func(r *kgo.Record) {
		k := key(r.Topic, r.Partition)
		m.Polled[k] = append(m.Polled[k], [2]int64{r.Offset, valueOf(r)})
	})
	return []history.Mop{m}
}

// follow reads all partitions from the beginning while they are written.
func (l *Load) follow(t testing.TB, ctx context.Context) {
	cl := client(t, l.addrs, kgo.ConsumeTopics(l.Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(500*time.Millisecond))
	l.background(func(process int) {
		defer cl.Close()
		for ctx.Err() == nil {
			began := l.History.Now()
			if fs := cl.PollFetches(ctx); fs.NumRecords() > 0 {
				l.History.Add(history.Op{Began: began, Process: process, Type: history.OK, F: history.Poll, Ops: l.read(fs)})
			}
		}
	})
}

// Observe asks again and again for the ends of the log, and commits offsets of a group and asks for them.
func (l *Load) Observe(t testing.TB, partitions int32) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	stop := l.stop
	l.stop = func() { stop(); cancel() }
	ends, groups := client(t, l.addrs), client(t, l.addrs)
	l.background(func(process int) {
		defer ends.Close()
		l.everySome(ctx, func(ctx context.Context) {
			began := l.History.Now()
			got, err := kadm.NewClient(ends).ListEndOffsets(ctx, l.Topic)
			if err != nil {
				return
			}
			got.Each(func(o kadm.ListedOffset) {
				if o.Err == nil {
					l.History.Add(history.Op{Began: began, Process: process, Type: history.OK, F: history.Latest, Ops: []history.Mop{{Key: key(o.Topic, o.Partition), Offset: o.Offset}}})
				}
			})
		})
	})
	l.background(func(process int) {
		defer groups.Close()
		group, next := "of-"+l.Topic, int64(0)
		l.everySome(ctx, func(ctx context.Context) {
			next++
			var want kadm.Offsets
			want.Add(kadm.Offset{Topic: l.Topic, Partition: int32(next) % partitions, At: next, LeaderEpoch: -1})
			k := group + "/" + key(l.Topic, int32(next)%partitions)
			op := history.Op{Began: l.History.Now(), Process: process, Type: history.OK, F: history.Commit, Ops: []history.Mop{{Key: k, Offset: next}}}
			done, err := kadm.NewClient(groups).CommitOffsets(ctx, group, want)
			if err != nil || done.Error() != nil {
				op.Type = history.Info
			}
			l.History.Add(op)
			began := l.History.Now()
			got, err := kadm.NewClient(groups).FetchOffsets(ctx, group)
			if err != nil || got.Error() != nil {
				return
			}
			got.Each(func(o kadm.OffsetResponse) {
				l.History.Add(history.Op{Began: began, Process: process, Type: history.OK, F: history.Fetched, Ops: []history.Mop{{Key: group + "/" + key(o.Topic, o.Partition), Offset: o.At}}})
			})
		})
	})
}

// everySome calls f ten times a second at most.
func (l *Load) everySome(ctx context.Context, f func(context.Context)) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		limited, cancel := context.WithTimeout(ctx, 20*time.Second)
		f(limited)
		cancel()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Fill writes n incompressible records of a size, to the partitions in turn; they are looked for like all others.
func (l *Load) Fill(t testing.TB, n, size int, partitions int32) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if done := l.FillUntil(t, ctx, n, size, partitions); done < n {
		t.Fatalf("%d of %d records were written", done, n)
	}
}

// FillUntil is Fill until ctx ends or a record was refused for good; it returns how many were acknowledged.
func (l *Load) FillUntil(t testing.TB, ctx context.Context, n, size int, partitions int32) (done int) {
	cl := client(t, l.addrs, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.DefaultProduceTopic(l.Topic))
	defer cl.Close()
	process := int(l.clients.Add(1))
	for ; done < n && ctx.Err() == nil; done++ {
		value, began := l.values.Add(1), l.History.Now()
		r := &kgo.Record{Partition: int32(done) % partitions, Value: payload(value, size)}
		err := cl.ProduceSync(ctx, r).FirstErr()
		l.sent(process, began, value, r, err)
		if err != nil {
			return done
		}
	}
	return done
}

// Count is the number of acknowledged records so far.
func (l *Load) Count() int64 { return l.acked.Load() }

// Failed is the number of records whose producers gave up.
func (l *Load) Failed() int64 { return l.failed.Load() }

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

// Verify reads the topic from the beginning with a fresh client and judges the history.
func (l *Load) Verify(t testing.TB) {
	t.Helper()
	found := l.Judge(t)
	if bad := history.Blamed(found); len(bad) > 0 {
		t.Fatalf("%d violations, the first: %+v\n%s", len(bad), bad[:min(len(bad), 10)], l.keep(t))
	}
}

// Judge is Verify that returns all that was found.
func (l *Load) Judge(t testing.TB) []history.Anomaly {
	t.Helper()
	l.Stop()
	final := history.Mop{Polled: map[string][][2]int64{}}
	read := 0
	for _, s := range ReadAll(t, l.addrs, l.Topic) {
		k := key(l.Topic, s.Partition)
		final.Polled[k] = append(final.Polled[k], [2]int64{s.Offset, valueOf(&kgo.Record{Offset: s.Offset, Value: []byte(s.Value)})})
		read++
	}
	l.History.Add(history.Op{Process: int(l.clients.Add(1)), Type: history.OK, F: history.Final, Ops: []history.Mop{final}})
	ops := l.History.Ops()
	t.Logf("%d records acknowledged, %d of unknown outcome, %d read at the end; %d operations judged", l.acked.Load(), l.failed.Load(), read, len(ops))
	return history.Check(ops)
}

// keep writes the history where it outlives the test and says how to look at it.
func (l *Load) keep(t testing.TB) string {
	f, err := os.CreateTemp("", "chronik-history-*.jsonl")
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if err := history.Write(f, l.History.Ops()); err != nil {
		return err.Error()
	}
	return "go run ./cmd/chronik-check " + f.Name()
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
