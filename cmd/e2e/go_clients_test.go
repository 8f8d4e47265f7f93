package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestFranzGo uses the newest version of every API: every codec, a group of three that rebalances, commits that survive a
// restart of the broker, admin calls.
func TestFranzGo(t *testing.T) {
	n := StartStandalone(t)
	addrs := []string{n.Addr}
	CreateTopic(t, addrs, "fg", 6, 1, nil)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	want := map[string]bool{}
	for i, codec := range []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()} {
		p := client(t, addrs, kgo.ProducerBatchCompression(codec), kgo.DefaultProduceTopic("fg"))
		for j := range 100 {
			v := fmt.Sprintf("codec %d record %d", i, j)
			want[v] = true
			p.Produce(ctx, &kgo.Record{Key: fmt.Append(nil, j), Value: []byte(v), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("x")}}}, func(_ *kgo.Record, err error) {
				if err != nil {
					t.Error(err)
				}
			})
		}
		if err := p.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		p.Close()
	}
	member := func() *kgo.Client {
		return client(t, addrs, kgo.ConsumerGroup("fgg"), kgo.ConsumeTopics("fg"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(),
			kgo.Balancers(kgo.CooperativeStickyBalancer()))
	}
	a := member()
	got := map[string]bool{}
	drain := func(cl *kgo.Client, until int) {
		for len(got) < until {
			fs := cl.PollFetches(ctx)
			if ctx.Err() != nil {
				t.Fatalf("%d of %d records; %v", len(got), until, fs.Errors())
			}
			fs.EachRecord(func(r *kgo.Record) { got[string(r.Value)] = true })
			if err := cl.CommitUncommittedOffsets(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	drain(a, len(want))
	for v := range want {
		if !got[v] {
			t.Fatalf("%q was not consumed", v)
		}
	}
	b, c := member(), member()
	admin := kadm.NewClient(a)
	Eventually(t, time.Minute, "three members share six partitions", func() error {
		for _, cl := range []*kgo.Client{a, b, c} {
			poll, stop := context.WithTimeout(ctx, 50*time.Millisecond)
			cl.PollFetches(poll)
			stop()
		}
		d, err := admin.DescribeGroups(ctx, "fgg")
		if err != nil {
			return err
		}
		g := d["fgg"]
		total := 0
		for _, m := range g.Members {
			if x, ok := m.Assigned.AsConsumer(); ok {
				for _, t := range x.Topics {
					if len(t.Partitions) != 2 {
						return fmt.Errorf("%d partitions in one hand", len(t.Partitions))
					}
					total += len(t.Partitions)
				}
			}
		}
		if g.State != "Stable" || len(g.Members) != 3 || total != 6 {
			return fmt.Errorf("%s with %d members, %d partitions", g.State, len(g.Members), total)
		}
		return nil
	})
	a.Close()
	b.Close()
	c.Close()
	n.Kill()
	n.Restart(t)
	d := client(t, addrs)
	defer d.Close()
	admin = kadm.NewClient(d)
	Eventually(t, 30*time.Second, "committed offsets after a restart", func() error {
		offsets, err := admin.FetchOffsets(ctx, "fgg")
		if err != nil {
			return err
		}
		sum := int64(0)
		offsets.Each(func(o kadm.OffsetResponse) { sum += o.At })
		if sum != int64(len(want)) {
			return fmt.Errorf("they sum up to %d, not %d", sum, len(want))
		}
		return nil
	})
	if _, err := admin.DeleteGroups(ctx, "fgg"); err != nil {
		t.Fatal(err)
	}
	if r, err := admin.DeleteTopics(ctx, "fg"); err != nil || r.Error() != nil {
		t.Fatal(err, r.Error())
	}
}

// TestSarama uses old versions.
func TestSarama(t *testing.T) {
	n := StartStandalone(t)
	for _, version := range []sarama.KafkaVersion{sarama.V1_0_0_0, sarama.V2_1_0_0, sarama.MaxVersion} {
		topic := "sarama-" + version.String()
		cfg := sarama.NewConfig()
		cfg.Version = version
		cfg.Producer.Return.Successes = true
		cfg.Producer.RequiredAcks = sarama.WaitForAll
		cfg.Consumer.Offsets.Initial = sarama.OffsetOldest
		admin, err := sarama.NewClusterAdmin([]string{n.Addr}, cfg)
		if err != nil {
			t.Fatalf("%v: %v", version, err)
		}
		if err := admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 3, ReplicationFactor: 1}, false); err != nil {
			t.Fatalf("%v: %v", version, err)
		}
		codecs := []sarama.CompressionCodec{sarama.CompressionNone, sarama.CompressionGZIP, sarama.CompressionSnappy, sarama.CompressionLZ4}
		if version.IsAtLeast(sarama.V2_1_0_0) {
			codecs = append(codecs, sarama.CompressionZSTD)
		}
		want := 0
		for _, codec := range codecs {
			cfg.Producer.Compression = codec
			p, err := sarama.NewSyncProducer([]string{n.Addr}, cfg)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 20 {
				if _, _, err := p.SendMessage(&sarama.ProducerMessage{Topic: topic, Key: sarama.StringEncoder(fmt.Sprint(i)), Value: sarama.StringEncoder(fmt.Sprint(codec, i))}); err != nil {
					t.Fatalf("%v %v: %v", version, codec, err)
				}
				want++
			}
			p.Close()
		}
		g, err := sarama.NewConsumerGroup([]string{n.Addr}, "sg-"+version.String(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		h := &saramaHandler{got: make(chan string, 1000)}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		go func() {
			for ctx.Err() == nil {
				_ = g.Consume(ctx, []string{topic}, h)
			}
		}()
		for range want {
			select {
			case <-h.got:
			case <-ctx.Done():
				t.Fatalf("%v: not everything was consumed", version)
			}
		}
		cancel()
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		groups, err := admin.ListConsumerGroups()
		if _, ok := groups["sg-"+version.String()]; err != nil || !ok {
			t.Fatalf("%v: %v %v", version, groups, err)
		}
		if err := admin.DeleteTopic(topic); err != nil {
			t.Fatal(err)
		}
		admin.Close()
	}
}

type saramaHandler struct{ got chan string }

func (saramaHandler) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (saramaHandler) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (h *saramaHandler) ConsumeClaim(s sarama.ConsumerGroupSession, c sarama.ConsumerGroupClaim) error {
	for {
		select {
		case m, ok := <-c.Messages():
			if !ok {
				return nil
			}
			s.MarkMessage(m, "")
			h.got <- string(m.Value)
		case <-s.Context().Done():
			return nil
		}
	}
}
