package e2e

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/protocol/config"
)

// proof shows that a config changes what a node does: a function, or the name of another test, as DIRECTORY.TestName, where that
// needs a clock or replicas in hand.
type proof struct {
	elsewhere string
	run       func(t *testing.T)
}

// standalone runs a node with lines of a config file.
func standalone(t *testing.T, lines ...string) *kgo.Client {
	t.Helper()
	n := StartStandalone(t, "--config", configFile(t, lines...))
	cl := client(t, []string{n.Addr}, kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.AllowAutoTopicCreation(), kgo.RecordDeliveryTimeout(15*time.Second), kgo.UnknownTopicRetries(3))
	t.Cleanup(cl.Close)
	return cl
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func put(t *testing.T, cl *kgo.Client, topic string, size int) error {
	return cl.ProduceSync(within(t), &kgo.Record{Topic: topic, Value: make([]byte, size)}).FirstErr()
}

// partitionsOf counts a topic's partitions.
func partitionsOf(t *testing.T, cl *kgo.Client, topic string) int {
	m, err := kadm.NewClient(cl).Metadata(within(t), topic)
	if err != nil {
		t.Fatal(err)
	}
	return len(m.Topics[topic].Partitions)
}

// join sends one JoinGroup and returns its error code.
func join(t *testing.T, cl *kgo.Client, group, member string, session int32) (int16, string, time.Duration) {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Group, req.MemberID, req.ProtocolType, req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = group, member, "consumer", session, 10_000
	p := kmsg.NewJoinGroupRequestProtocol()
	p.Name = "range"
	req.Protocols = append(req.Protocols, p)
	began := time.Now()
	var resp *kmsg.JoinGroupResponse
	Eventually(t, 30*time.Second, "a coordinator", func() (err error) {
		if resp, err = req.RequestWith(within(t), cl); err == nil && kerr.IsRetriable(kerr.ErrorForCode(resp.ErrorCode)) {
			began = time.Now()
			err = kerr.ErrorForCode(resp.ErrorCode)
		}
		return err
	})
	if resp.ErrorCode == kerr.MemberIDRequired.Code {
		return join(t, cl, group, resp.MemberID, session)
	}
	return resp.ErrorCode, resp.MemberID, time.Since(began)
}

func expect(t *testing.T, what string, code int16, want *kerr.Error) {
	t.Helper()
	if got := kerr.ErrorForCode(code); want == nil && got != nil || want != nil && got != want {
		t.Errorf("%s: %v, wanted %v", what, got, want)
	}
}

var proofs = map[string]proof{
	"auto.create.topics.enable": {run: func(t *testing.T) {
		if err := put(t, standalone(t), "comes", 1); err != nil {
			t.Errorf("by default: %v", err)
		}
		if err := put(t, standalone(t, "auto.create.topics.enable=false"), "comes-not", 1); err == nil {
			t.Error("a topic came from nothing")
		}
	}},
	"auto.leader.rebalance.enable":            {elsewhere: "cmd/e2e.TestLeadersStay"},
	"leader.imbalance.check.interval.seconds": {elsewhere: "cmd/e2e.TestLeadersGoBack"},
	"follower.replication.throttled.rate":     {elsewhere: "cmd/e2e.TestThrottle"},
	"follower.replication.throttled.replicas": {elsewhere: "cmd/e2e.TestThrottle"},
	"leader.replication.throttled.rate":       {elsewhere: "cmd/e2e.TestThrottle"},
	"leader.replication.throttled.replicas":   {elsewhere: "cmd/e2e.TestThrottle"},
	"num.partitions": {run: func(t *testing.T) {
		cl := standalone(t, "num.partitions=7")
		if err := put(t, cl, "seven", 1); err != nil {
			t.Fatal(err)
		}
		if n := partitionsOf(t, cl, "seven"); n != 7 {
			t.Errorf("%d partitions", n)
		}
	}},
	"offsets.topic.num.partitions": {run: func(t *testing.T) {
		cl := standalone(t, "offsets.topic.num.partitions=3", "group.initial.rebalance.delay.ms=0")
		join(t, cl, "g", "", 10_000)
		if n := partitionsOf(t, cl, "__consumer_offsets"); n != 3 {
			t.Errorf("%d partitions", n)
		}
	}},
	"offsets.topic.segment.bytes": {run: func(t *testing.T) {
		cl := standalone(t, "offsets.topic.segment.bytes=2097152", "offsets.topic.num.partitions=1")
		join(t, cl, "g", "", 10_000)
		rs, err := kadm.NewClient(cl).DescribeTopicConfigs(within(t), "__consumer_offsets")
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range rs[0].Configs {
			if c.Key == "segment.bytes" && *c.Value != "2097152" { // what that does: TestRollBySize
				t.Errorf("segment.bytes is %s", *c.Value)
			}
		}
	}},
	"default.replication.factor": {run: func(t *testing.T) {
		c := StartCluster(t, 3, "--config", configFile(t, "default.replication.factor=2", "offsets.topic.replication.factor=1", "offsets.topic.num.partitions=1"))
		cl := client(t, c.Addrs(), kgo.AllowAutoTopicCreation())
		defer cl.Close()
		CreateTopic(t, c.Addrs(), "two", 1, -1, nil)
		join(t, cl, "g", "", 10_000)
		for topic, want := range map[string]int{"two": 2, "__consumer_offsets": 1} { // offsets.topic.replication.factor as well
			m, err := kadm.NewClient(cl).Metadata(within(t), topic)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(m.Topics[topic].Partitions[0].Replicas); n != want {
				t.Errorf("%s has %d replicas", topic, n)
			}
		}
	}},
	"offsets.topic.replication.factor": {elsewhere: "cmd/e2e.TestConfigs"}, // with default.replication.factor
	"fetch.max.bytes": {run: func(t *testing.T) {
		read := func(lines ...string) int {
			cl := standalone(t, lines...)
			for range 4 {
				if err := put(t, cl, "big", 100_000); err != nil {
					t.Fatal(err)
				}
			}
			return len(fetchOnce(t, cl, "big", -1).Topics[0].Partitions[0].RecordBatches)
		}
		if all, some := read(), read("fetch.max.bytes=150000"); all < 400_000 || some > 250_000 || some == 0 {
			t.Errorf("%d bytes by default, %d with the limit", all, some)
		}
	}},
	"max.incremental.fetch.session.cache.slots": {run: func(t *testing.T) {
		session := func(lines ...string) int32 {
			cl := standalone(t, lines...)
			if err := put(t, cl, "sessions", 1); err != nil {
				t.Fatal(err)
			}
			return fetchOnce(t, cl, "sessions", 0).SessionID
		}
		if by, without := session(), session("max.incremental.fetch.session.cache.slots=0"); by == 0 || without != 0 {
			t.Errorf("session %d by default, %d without slots", by, without)
		}
	}},
	"group.initial.rebalance.delay.ms": {run: func(t *testing.T) {
		if _, _, took := join(t, standalone(t, "group.initial.rebalance.delay.ms=0"), "g", "", 10_000); took > time.Second {
			t.Errorf("without delay the first member waited %v", took)
		}
		if _, _, took := join(t, standalone(t, "group.initial.rebalance.delay.ms=1500"), "g", "", 10_000); took < time.Second {
			t.Errorf("the first member waited %v", took)
		}
	}},
	"group.min.session.timeout.ms": {run: func(t *testing.T) {
		code, _, _ := join(t, standalone(t), "g", "", 100)
		expect(t, "by default", code, kerr.InvalidSessionTimeout)
		code, _, _ = join(t, standalone(t, "group.min.session.timeout.ms=50", "group.initial.rebalance.delay.ms=0"), "g", "", 100)
		expect(t, "with a lower limit", code, nil)
	}},
	"group.max.session.timeout.ms": {run: func(t *testing.T) {
		code, _, _ := join(t, standalone(t, "group.max.session.timeout.ms=7000"), "g", "", 8000)
		expect(t, "above the limit", code, kerr.InvalidSessionTimeout)
	}},
	"group.max.size": {run: func(t *testing.T) {
		cl := standalone(t, "group.max.size=1", "group.initial.rebalance.delay.ms=0")
		code, _, _ := join(t, cl, "g", "", 10_000)
		expect(t, "the first member", code, nil)
		code, _, _ = join(t, cl, "g", "", 10_000)
		expect(t, "the second member", code, kerr.GroupMaxSizeReached)
	}},
	"offset.metadata.max.bytes": {run: func(t *testing.T) {
		cl := standalone(t, "offset.metadata.max.bytes=10")
		if err := put(t, cl, "noted", 1); err != nil {
			t.Fatal(err)
		}
		commit := func(metadata string) error {
			var o kadm.Offsets
			o.Add(kadm.Offset{Topic: "noted", At: 1, LeaderEpoch: -1, Metadata: metadata})
			r, err := kadm.NewClient(cl).CommitOffsets(within(t), "g", o)
			if err == nil {
				err = r.Error()
			}
			return err
		}
		if err := commit("ten bytes."); err != nil {
			t.Errorf("ten bytes: %v", err)
		}
		if err := commit("eleven bytes"); err != kerr.OffsetMetadataTooLarge {
			t.Errorf("more: %v", err)
		}
	}},
	"socket.request.max.bytes": {run: func(t *testing.T) {
		n := StartStandalone(t, "--config", configFile(t, "socket.request.max.bytes=5000"))
		c, err := net.Dial("tcp", n.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = c.Write(binary.BigEndian.AppendUint32(nil, 5001))
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err != io.EOF && !strings.Contains(fmt.Sprint(err), "reset") {
			t.Errorf("after a frame that is too large: %v", err)
		}
	}},
	"min.insync.replicas": {run: func(t *testing.T) {
		n := StartStandalone(t)
		cl := client(t, []string{n.Addr}, kgo.DisableIdempotentWrite(), kgo.RecordRetries(1), kgo.RecordDeliveryTimeout(2*time.Second))
		defer cl.Close()
		two := "2"
		r, err := kadm.NewClient(cl).CreateTopic(within(t), 1, 1, map[string]*string{"min.insync.replicas": &two}, "strict")
		if err != nil || r.Err != nil {
			t.Fatal(err, r.Err)
		}
		if err := put(t, cl, "strict", 1); err == nil { // the code: TestMinInsyncReplicas of actors/replica
			t.Error("one replica took what two should have")
		}
	}},
	"message.timestamp.after.max.ms": {run: func(t *testing.T) {
		cl := standalone(t, "log.message.timestamp.after.max.ms=100000")
		for ahead, good := range map[time.Duration]bool{30 * time.Second: true, 30 * time.Minute: false} {
			err := cl.ProduceSync(within(t), &kgo.Record{Topic: "ahead", Value: []byte("x"), Timestamp: time.Now().Add(ahead)}).FirstErr()
			if (err == nil) != good {
				t.Errorf("%v ahead: %v", ahead, err)
			}
		}
	}},
	"segment.ms":    {run: func(t *testing.T) { rolls(t, "segment.ms", "1") }},
	"segment.bytes": {run: func(t *testing.T) { rolls(t, "segment.bytes", "1048576") }},

	"compression.type":                    {elsewhere: "cmd/e2e.TestTopicConfigs"},
	"max.message.bytes":                   {elsewhere: "cmd/e2e.TestTopicConfigs"},
	"message.timestamp.before.max.ms":     {elsewhere: "cmd/e2e.TestTopicConfigs"},
	"message.timestamp.type":              {elsewhere: "cmd/e2e.TestTopicConfigs"},
	"retention.bytes":                     {elsewhere: "cmd/e2e.TestTopicConfigs"},
	"retention.ms":                        {elsewhere: "cmd/e2e.TestTopicConfigs"},
	"log.retention.check.interval.ms":     {elsewhere: "cmd/e2e.TestTopicConfigs"}, // it asks for 200 ms and waits 20 s, the default is 5 minutes
	"max.connections":                     {elsewhere: "cmd/e2e.TestConnectionLimits"},
	"connections.max.idle.ms":             {elsewhere: "cmd/e2e.TestConnectionLimits"},
	"replica.selector.class":              {elsewhere: "cmd/e2e.TestFetchFromFollower"},
	"replica.lag.time.max.ms":             {elsewhere: "actors/replica.TestInSyncNeedsProgress"},
	"producer.id.expiration.ms":           {elsewhere: "actors/replica.TestSilentProducersExpire"},
	"offsets.retention.minutes":           {elsewhere: "actors/group.TestExpiry"},
	"offsets.retention.check.interval.ms": {elsewhere: "actors/group.TestExpiry"},
}

// fetchOnce reads partition 0 from its beginning, with a session epoch: 0 asks for a session, -1 does without.
func fetchOnce(t *testing.T, cl *kgo.Client, topic string, epoch int32) *kmsg.FetchResponse {
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes, req.MaxWaitMillis, req.SessionEpoch = 10<<20, 1000, epoch
	ft := kmsg.NewFetchRequestTopic()
	ft.Topic, ft.TopicID = topic, topicID(t, cl, topic)
	p := kmsg.NewFetchRequestTopicPartition()
	p.PartitionMaxBytes = 10 << 20
	ft.Partitions = append(ft.Partitions, p)
	req.Topics = append(req.Topics, ft)
	resp, err := req.RequestWith(within(t), cl)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func topicID(t *testing.T, cl *kgo.Client, topic string) [16]byte {
	m, err := kadm.NewClient(cl).Metadata(within(t), topic)
	if err != nil {
		t.Fatal(err)
	}
	return m.Topics[topic].ID
}

// rolls writes 3 MB into a topic with a config and expects several segments on disk; by default it is one.
func rolls(t *testing.T, name, value string) {
	n := StartStandalone(t)
	for _, topic := range []string{"one", "several"} {
		var configs map[string]*string
		if topic == "several" {
			configs = map[string]*string{name: &value}
		}
		CreateTopic(t, []string{n.Addr}, topic, 1, 1, configs)
		cl := client(t, []string{n.Addr}, kgo.ProducerBatchCompression(kgo.NoCompression()))
		defer cl.Close()
		segments := func() int {
			most := 0
			dirs, _ := filepath.Glob(filepath.Join(n.Dir, "segments", "*"))
			for _, d := range dirs {
				files, _ := filepath.Glob(filepath.Join(d, "*.log"))
				most = max(most, len(files))
			}
			return most
		}
		for range 60 {
			if err := put(t, cl, topic, 100_000); err != nil {
				t.Fatal(err)
			}
		}
		if configs == nil {
			if segments() > 1 {
				t.Errorf("%d segments by default", segments())
			}
			continue
		}
		Eventually(t, 20*time.Second, "several segments", func() error {
			if segments() < 2 {
				return put(t, cl, topic, 100_000)
			}
			return nil
		})
		Eventually(t, 20*time.Second, "several segments on disk", func() error {
			if got := segments(); got < 2 {
				return fmt.Errorf("%d", got)
			}
			return nil
		})
	}
}

// TestConfigs: every config that is honoured changes what a node does, as clients see it; a new one must come with its proof.
func TestConfigs(t *testing.T) {
	for _, name := range config.Honoured() {
		p, ok := proofs[name]
		switch {
		case !ok:
			t.Errorf("%s is honoured and nothing shows it", name)
		case p.run != nil:
			t.Run(name, p.run)
		default:
			dir, test, _ := strings.Cut(p.elsewhere, ".")
			files, _ := filepath.Glob(filepath.Join(root(), dir, "*_test.go"))
			found := false
			for _, f := range files {
				b, _ := os.ReadFile(f)
				found = found || strings.Contains(string(b), "func "+test+"(t *testing.T)")
			}
			if !found {
				t.Errorf("%s: there is no %s", name, p.elsewhere)
			}
		}
	}
	for name := range proofs {
		if !strings.Contains(" "+strings.Join(config.Honoured(), " ")+" ", " "+name+" ") {
			t.Errorf("%s is not honoured any more", name)
		}
	}
}

// TestBrokerDefaults: a broker config that is a topic config's default shows in every topic, and where it comes from.
func TestBrokerDefaults(t *testing.T) {
	defaults := map[string]string{"log.retention.bytes": "123456789", "log.retention.ms": "77777777", "log.segment.bytes": "2097152", "log.roll.ms": "5555555",
		"message.max.bytes": "300000", "min.insync.replicas": "1", "compression.type": "lz4", "log.message.timestamp.type": "LogAppendTime",
		"log.message.timestamp.after.max.ms": "99999", "log.message.timestamp.before.max.ms": "88888888"}
	var lines []string
	for name, value := range defaults {
		lines = append(lines, name+"="+value)
	}
	cl := standalone(t, lines...)
	adm := kadm.NewClient(cl)
	if _, err := adm.CreateTopic(within(t), 1, 1, nil, "plain"); err != nil {
		t.Fatal(err)
	}
	rs, err := adm.DescribeTopicConfigs(within(t), "plain")
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range defaults {
		topic, seen := config.TopicDefault(name), false
		for _, c := range rs[0].Configs {
			if c.Key != topic {
				continue
			}
			seen = true
			if *c.Value != value || c.Source != kmsg.ConfigSourceStaticBrokerConfig {
				t.Errorf("%s=%s: %s is %s from %v", name, value, topic, *c.Value, c.Source)
			}
		}
		if !seen {
			t.Errorf("%s: topics do not show %s", name, topic)
		}
	}
	// While it runs: the cluster's default moves, and topics follow.
	if _, err := adm.AlterBrokerConfigs(within(t), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "message.max.bytes", Value: kadm.StringPtr("2000")}}); err != nil {
		t.Fatal(err)
	}
	Eventually(t, 20*time.Second, "message.max.bytes", func() error {
		if err := put(t, cl, "plain", 5000); err == nil {
			return fmt.Errorf("5000 bytes were taken")
		}
		return nil
	})
}
