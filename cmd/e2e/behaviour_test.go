package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestAdvertisedIsWhereTheClientConnected: a standalone node that was told no address answers with the one that the client
// used.
func TestAdvertisedIsWhereTheClientConnected(t *testing.T) {
	n := StartStandalone(t)
	_, port, _ := net.SplitHostPort(n.Addr)
	for _, host := range []string{"127.0.0.1", "127.0.0.2", "::1"} {
		addr := net.JoinHostPort(host, port)
		if c, err := net.Dial("tcp", addr); err != nil {
			t.Logf("%s: %v", addr, err)
			continue
		} else {
			c.Close()
		}
		cl := client(t, []string{addr})
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		m, err := kadm.NewClient(cl).BrokerMetadata(ctx)
		if err != nil || len(m.Brokers) != 1 || m.Brokers[0].Host != host || fmt.Sprint(m.Brokers[0].Port) != port {
			t.Errorf("%s: %+v %v", addr, m.Brokers, err)
		}
		d, err := kmsg.NewPtrDescribeClusterRequest().RequestWith(ctx, cl)
		if err != nil || len(d.Brokers) != 1 || d.Brokers[0].Host != host {
			t.Errorf("%s: %+v %v", addr, d, err)
		}
		cancel()
		cl.Close()
	}
}

// TestMetadataQuorumTool: kafka-metadata-quorum describes the log of the metadata, whichever node it asks.
func TestMetadataQuorumTool(t *testing.T) {
	classpath(t)
	c := StartCluster(t, 3)
	c.MetaLeader(t)
	for _, n := range c.Nodes {
		out, err := Java(t, time.Minute, "", "kafka-metadata-quorum", "--bootstrap-server", n.Addr, "describe", "--status")
		if err != nil || !strings.Contains(out, "LeaderId") || !strings.Contains(out, "CurrentVoters") {
			t.Fatalf("%v\n%s", err, out)
		}
		out, err = Java(t, time.Minute, "", "kafka-metadata-quorum", "--bootstrap-server", n.Addr, "describe", "--replication")
		if err != nil || strings.Count(out, "Follower") != 2 || strings.Count(out, "Leader") < 1 {
			t.Fatalf("%v\n%s", err, out)
		}
	}
}

// TestVoters: kafka-metadata-quorum takes a voter out of the metadata log and puts it back, while the cluster works.
func TestVoters(t *testing.T) {
	classpath(t)
	c := StartCluster(t, 3)
	c.AwaitMetaVoters(t, 3)
	CreateTopic(t, c.Addrs(), "voted", 3, 3, nil)
	load := StartLoad(t, c.Addrs(), "voted", 2, 100)
	leader := c.MetaLeader(t)
	meta, err := os.ReadFile(filepath.Join(leader.Dir, "meta.properties"))
	if err != nil {
		t.Fatal(err)
	}
	_, directory, _ := strings.Cut(string(meta), "directory.id=")
	remove := []string{"--bootstrap-server", c.Bootstrap(), "remove-controller", "--controller-id", fmt.Sprint(leader.ID), "--controller-directory-id", strings.TrimSpace(directory)}
	if out, err := Java(t, time.Minute, "", "kafka-metadata-quorum", remove...); err != nil || !strings.Contains(out, "Removed") {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := Java(t, time.Minute, "", "kafka-metadata-quorum", "--bootstrap-server", c.Bootstrap(), "describe", "--replication")
	if err != nil || strings.Count(out, "Follower") != 1 || strings.Count(out, "Observer") != 1 {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := Java(t, time.Minute, "", "kafka-metadata-quorum", remove...); err == nil || !strings.Contains(out, "Cannot remove voter") {
		t.Fatalf("%v\n%s", err, out)
	}
	leader.Kill() // what it is to be outlives its death
	leader.Restart(t)
	add := configFile(t, "process.roles=broker,controller", fmt.Sprintf("node.id=%d", leader.ID), "log.dirs="+leader.Dir,
		"controller.listener.names=CONTROLLER", "listeners=PLAINTEXT://"+leader.Addr+",CONTROLLER://localhost:1")
	if out, err := Java(t, time.Minute, "", "kafka-metadata-quorum", "--command-config", add, "--bootstrap-server", c.Bootstrap(), "add-controller"); err != nil || !strings.Contains(out, "Added") {
		t.Fatalf("%v\n%s", err, out)
	}
	c.AwaitMetaVoters(t, 3)
	load.Verify(t)
}

// TestFetchFromFollower: a consumer that names its rack is sent to the in-sync replica there (KIP-392).
func TestFetchFromFollower(t *testing.T) {
	c := NewCluster(t, 3, "--config", configFile(t, "replica.selector.class=org.apache.kafka.common.replica.RackAwareReplicaSelector"))
	for i, n := range c.Nodes {
		n.Env = []string{fmt.Sprintf("CHRONIK_RACK=rack-%d", i+1)}
		n.launch(t)
	}
	for _, n := range c.Nodes {
		n.WaitLine(t, readyLine, 30*time.Second)
	}
	CreateTopic(t, c.Addrs(), "racked", 1, 3, nil)
	c.AwaitInSync(t, "racked")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	p := client(t, c.Addrs(), kgo.DefaultProduceTopic("racked"))
	defer p.Close()
	for i := range 50 {
		if err := p.ProduceSync(ctx, kgo.StringRecord(fmt.Sprint(i))).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	follower := c.Follower(t, "racked", 0)
	before := metric(t, follower, "chronik_records_sent_total")
	cl := client(t, c.Addrs(), kgo.ConsumeTopics("racked"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.Rack(fmt.Sprintf("rack-%d", follower.ID)))
	defer cl.Close()
	got := 0
	for got < 50 {
		fs := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("%d of 50 records; %v", got, fs.Errors())
		}
		got += fs.NumRecords()
	}
	if sent := metric(t, follower, "chronik_records_sent_total") - before; sent < 50 {
		t.Fatalf("the follower in the consumer's rack sent %d of 50 records", sent)
	}
}

// TestTopicConfigs: what a topic config changes, seen from outside.
func TestTopicConfigs(t *testing.T) {
	n := StartStandalone(t, "--config", configFile(t, "log.retention.check.interval.ms=200"))
	addrs := []string{n.Addr}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	set := func(s string) *string { return &s }
	cl := client(t, addrs, kgo.ProducerBatchCompression(kgo.NoCompression()))
	defer cl.Close()
	admin := kadm.NewClient(cl)

	CreateTopic(t, addrs, "small", 1, 1, map[string]*string{"max.message.bytes": set("2000")})
	if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "small", Value: make([]byte, 5000)}).FirstErr(); err == nil {
		t.Error("max.message.bytes: 5000 bytes were taken")
	}
	CreateTopic(t, addrs, "stamped", 1, 1, map[string]*string{"message.timestamp.type": set("LogAppendTime")})
	if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "stamped", Value: []byte("x"), Timestamp: time.Unix(1_000_000, 0)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	reader := client(t, addrs, kgo.ConsumeTopics("stamped"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer reader.Close()
	if rs := reader.PollFetches(ctx).Records(); len(rs) != 1 || time.Since(rs[0].Timestamp) > time.Minute {
		t.Errorf("message.timestamp.type: %+v", rs)
	}
	CreateTopic(t, addrs, "late", 1, 1, map[string]*string{"message.timestamp.before.max.ms": set("1000")})
	if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "late", Value: []byte("x"), Timestamp: time.Now().Add(-time.Hour)}).FirstErr(); err == nil {
		t.Error("message.timestamp.before.max.ms: an old record was taken")
	}
	CreateTopic(t, addrs, "squeezed", 1, 1, map[string]*string{"compression.type": set("zstd")})
	for range 20 {
		if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "squeezed", Value: make([]byte, 100_000)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	Eventually(t, 10*time.Second, "compression.type", func() error {
		dirs, err := admin.DescribeAllLogDirs(ctx, nil)
		if err != nil {
			return err
		}
		size := int64(0)
		dirs.Each(func(d kadm.DescribedLogDir) {
			d.Topics.Each(func(p kadm.DescribedLogDirPartition) {
				if p.Topic == "squeezed" {
					size += p.Size
				}
			})
		})
		if size == 0 || size > 200_000 {
			return fmt.Errorf("2 MB of zeros take %d bytes", size)
		}
		return nil
	})
	CreateTopic(t, addrs, "short", 1, 1, map[string]*string{"retention.bytes": set("3000000"), "segment.bytes": set("1048576")})
	for range 80 {
		if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "short", Value: make([]byte, 100_000)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	starts := func(topic string) int64 {
		o, err := admin.ListStartOffsets(ctx, topic)
		if err != nil {
			t.Fatal(err)
		}
		s, _ := o.Lookup(topic, 0)
		return s.Offset
	}
	Eventually(t, 20*time.Second, "retention.bytes", func() error {
		if s := starts("short"); s < 30 || s >= 80 {
			return fmt.Errorf("the log starts at %d", s)
		}
		return nil
	})
	CreateTopic(t, addrs, "brief", 1, 1, map[string]*string{"retention.ms": set("500")})
	if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "brief", Value: []byte("x")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	Eventually(t, 20*time.Second, "retention.ms", func() error {
		if s := starts("brief"); s != 1 {
			return fmt.Errorf("the log starts at %d", s)
		}
		return nil
	})
	for name, value := range map[string]string{"cleanup.policy": "compact", "unclean.leader.election.enable": "true", "no.such.config": "1", "retention.ms": "soon"} {
		resp, err := admin.CreateTopic(ctx, 1, 1, map[string]*string{name: &value}, "refused-"+strings.ReplaceAll(name, ".", "-"))
		if err == nil || !strings.Contains(fmt.Sprint(err, resp.ErrMessage), name) {
			t.Errorf("%s=%s: %v %q", name, value, err, resp.ErrMessage)
		}
	}
}

// TestDeletedTopicLeaves: the data of a deleted topic goes, also on a node that was down when it was deleted.
func TestDeletedTopicLeaves(t *testing.T) {
	c := StartCluster(t, 3)
	CreateTopic(t, c.Addrs(), "leaves", 3, 3, nil)
	c.AwaitInSync(t, "leaves")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cl := client(t, c.Addrs(), kgo.DefaultProduceTopic("leaves"), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()))
	defer cl.Close()
	for range 72 { // more than 16 MiB a partition, which a replica keeps in memory
		if err := cl.ProduceSync(ctx, kgo.SliceRecord(make([]byte, 900_000))).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	groups := func(n *Node) int {
		list, _ := os.ReadDir(filepath.Join(n.Dir, "segments"))
		return len(list)
	}
	for _, n := range c.Nodes {
		Eventually(t, 20*time.Second, "segments", func() error {
			if groups(n) == 0 {
				return fmt.Errorf("none on node %d", n.ID)
			}
			return nil
		})
	}
	c.Nodes[2].Kill()
	Eventually(t, 20*time.Second, "the topic is deleted", func() error {
		r, err := kadm.NewClient(cl).DeleteTopics(ctx, "leaves")
		if err != nil {
			return err
		}
		return r.Error()
	})
	c.Nodes[2].Restart(t)
	for _, n := range c.Nodes {
		Eventually(t, 20*time.Second, "its data is gone", func() error {
			if g := groups(n); g > 0 {
				return fmt.Errorf("%d groups on node %d", g, n.ID)
			}
			return nil
		})
	}
}
