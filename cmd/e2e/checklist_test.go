package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestChecklist walks through what an operator checks of a new cluster, with the official Java tools against three real
// processes: it forms, a topic that is used is created everywhere, its data is replicated, and every node can be killed.
func TestChecklist(t *testing.T) {
	classpath(t)
	c := StartCluster(t, 3)
	for _, n := range c.Nodes {
		n.WaitLine(t, fmt.Sprintf(`Raft clustering enabled on node %d`, n.ID), 10*time.Second)
		n.WaitLine(t, `ready\(\) HAS_READY for __meta-0: raft_state=`, 20*time.Second)
		n.WaitLine(t, `leader=\d for __meta-0`, 20*time.Second)
	}
	var want []string
	for i := range 200 {
		want = append(want, fmt.Sprintf("message %d", i))
	}
	if out, err := Java(t, time.Minute, strings.Join(want, "\n")+"\n", "kafka-console-producer", "--bootstrap-server", c.Bootstrap(), "--topic", "checked"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, n := range c.Nodes {
		n.WaitLine(t, `Topic creation callback fired for 'checked'`, 10*time.Second)
		n.WaitLine(t, `Successfully created Raft replica for checked-0 with 2 peers`, 10*time.Second)
		n.WaitLine(t, `leader=\d for checked-0`, 10*time.Second)
	}
	out, err := Java(t, time.Minute, "", "kafka-console-consumer", "--bootstrap-server", c.Bootstrap(), "--topic", "checked", "--from-beginning",
		"--max-messages", fmt.Sprint(len(want)), "--timeout-ms", "30000")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got := strings.Join(lines(out), "\n")
	for _, w := range want {
		if strings.Count(got+"\n", w+"\n") != 1 {
			t.Fatalf("%q was consumed %d times:\n%s", w, strings.Count(got+"\n", w+"\n"), got)
		}
	}
	for _, n := range c.Nodes {
		for _, l := range n.Lines() {
			if strings.Contains(l, "replica not found") || strings.Contains(l, "No address for peer 0") {
				t.Errorf("node %d: %s", n.ID, l)
			}
		}
	}
	c.StopAll(t)
	c.SameOnDisk(t, "checked-0")
}

// StopAll ends all nodes as an operator does; each exits with 0 within 5 seconds.
func (c *Cluster) StopAll(t testing.TB) {
	t.Helper()
	for _, n := range c.Nodes {
		n.Signal(syscall.SIGTERM)
	}
	for _, n := range c.Nodes {
		if code := n.WaitExit(t, 5*time.Second); code != 0 {
			t.Fatalf("node %d exited with %d", n.ID, code)
		}
	}
}

// SameOnDisk compares what the stopped nodes have of a partition, record by record, up to the least high watermark.
func (c *Cluster) SameOnDisk(t testing.TB, partition string) {
	t.Helper()
	var first []string
	for _, n := range c.Nodes {
		var rows []string
		for _, l := range strings.Split(n.Dump(t, partition), "\n") {
			if row, _, ok := strings.Cut(l, " where "); ok && strings.HasPrefix(row, "batch ") {
				rows = append(rows, row)
			}
		}
		if len(rows) == 0 {
			t.Fatalf("node %d has nothing of %s", n.ID, partition)
		}
		if first == nil {
			first = rows
			continue
		}
		both := min(len(first), len(rows))
		for i := range both {
			if first[i] != rows[i] {
				t.Fatalf("%s differs on node %d:\n%s\n%s", partition, n.ID, first[i], rows[i])
			}
		}
	}
}

// TestFailover kills, in separate runs, the leader of the metadata, the leader of the partition, the coordinator of the
// group and a follower, while the official verifiable producer and consumer run: the next record is acknowledged within two
// seconds, and every acknowledged record is there exactly once. CHRONIK_FAILOVERS sets the kills per role (3).
func TestFailover(t *testing.T) {
	classpath(t)
	kills := 3
	if n, err := strconv.Atoi(os.Getenv("CHRONIK_FAILOVERS")); err == nil {
		kills = n
	}
	c := StartCluster(t, 3)
	CreateTopic(t, c.Addrs(), "failover", 1, 3, nil)
	producer := StartJava(t, "kafka-verifiable-producer", "--bootstrap-server", c.Bootstrap(), "--topic", "failover", "--throughput", "500", "--acks", "-1")
	consumer := StartJava(t, "kafka-verifiable-consumer", "--bootstrap-server", c.Bootstrap(), "--topic", "failover", "--group-id", "watchers", "--verbose")
	producer.WaitLine(t, `producer_send_success`, time.Minute)
	consumer.WaitLine(t, `record_data`, time.Minute)
	roles := []struct {
		name string
		find func() *Node
	}{
		{"leader of __meta", func() *Node { return c.MetaLeader(t) }},
		{"leader of the partition", func() *Node { return c.Leader(t, "failover", 0) }},
		{"coordinator", func() *Node { return c.Coordinator(t, "watchers") }},
		{"follower", func() *Node { return c.Follower(t, "failover", 0) }},
	}
	for _, role := range roles {
		worst := time.Duration(0)
		for range kills {
			c.AwaitInSync(t, "failover")
			c.AwaitInSync(t, "__consumer_offsets")
			victim := role.find()
			mark := len(producer.Lines())
			victim.Kill()
			took := nextSuccess(t, producer, mark, time.Now())
			worst = max(worst, took)
			if took > 2*time.Second {
				t.Errorf("%v until the next acknowledgement after the %s was killed", took, role.name)
			}
			victim.Restart(t)
		}
		t.Logf("%s: %d kills, longest wait for the next acknowledgement %v", role.name, kills, worst)
	}
	producer.Signal(syscall.SIGTERM)
	producer.WaitExit(t, 30*time.Second)
	acked := map[string]int{}
	for _, l := range producer.Lines() {
		if e := event(l); e.Name == "producer_send_success" {
			acked[e.Value] = 0
		}
	}
	for _, s := range ReadAll(t, c.Addrs(), "failover") {
		if n, ok := acked[s.Value]; ok {
			acked[s.Value] = n + 1
		}
	}
	for v, n := range acked {
		if n != 1 {
			t.Fatalf("the acknowledged record %q is there %d times", v, n)
		}
	}
	t.Logf("%d acknowledged records, each there once", len(acked))
	Eventually(t, time.Minute, "the group has consumed everything", func() error {
		seen := map[string]bool{}
		for _, l := range consumer.Lines() {
			if e := event(l); e.Name == "record_data" {
				seen[e.Value] = true
			}
		}
		for v := range acked {
			if !seen[v] {
				return fmt.Errorf("%q is missing, %d of %d seen", v, len(seen), len(acked))
			}
		}
		return nil
	})
	c.StopAll(t)
	c.SameOnDisk(t, "failover-0")
}

type toolEvent struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func event(line string) (e toolEvent) {
	if strings.HasPrefix(line, "{") {
		_ = json.Unmarshal([]byte(line), &e)
	}
	return e
}

// nextSuccess waits for an acknowledgement that the producer printed after a kill. What was acknowledged before it may still
// be on its way through the pipe: the first lines within a moment do not count.
func nextSuccess(t testing.TB, p *Process, mark int, killed time.Time) time.Duration {
	t.Helper()
	var took time.Duration
	Eventually(t, 30*time.Second, "an acknowledgement after the kill", func() error {
		for _, l := range p.Lines()[mark:] {
			var e struct {
				Name      string `json:"name"`
				Timestamp int64  `json:"timestamp"`
			}
			if !strings.Contains(l, "producer_send_success") || json.Unmarshal([]byte(l), &e) != nil {
				continue
			}
			if at := time.UnixMilli(e.Timestamp); at.After(killed) {
				took = at.Sub(killed)
				return nil
			}
		}
		return fmt.Errorf("none yet")
	})
	return took
}

// TestRollingRestart restarts each node in turn, politely, under load: clients see nothing but retriable errors.
func TestRollingRestart(t *testing.T) {
	c := StartCluster(t, 3)
	CreateTopic(t, c.Addrs(), "rolling", 6, 3, nil)
	load := StartLoad(t, c.Addrs(), "rolling", 4, 200)
	load.AwaitMore(t, 300, 20*time.Second)
	worst := time.Duration(0)
	for _, n := range c.Nodes {
		n.Signal(syscall.SIGTERM)
		if code := n.WaitExit(t, 5*time.Second); code != 0 {
			t.Fatalf("node %d exited with %d", n.ID, code)
		}
		worst = max(worst, load.AwaitMore(t, 50, 20*time.Second))
		n.Restart(t)
		c.AwaitInSync(t, "rolling")
	}
	t.Logf("longest wait for 50 acknowledgements beside a stopped node: %v", worst)
	load.Verify(t)
	if load.Failed() > 0 {
		t.Fatalf("%d records failed for good", load.Failed())
	}
}

// TestSpread: 30 partitions on three nodes are led by 8 to 12 each.
func TestSpread(t *testing.T) {
	c := StartCluster(t, 3)
	CreateTopic(t, c.Addrs(), "spread", 30, 3, nil)
	c.AwaitInSync(t, "spread")
	leads := map[int]int{}
	for p := range int32(30) {
		leads[c.Leader(t, "spread", p).ID]++
	}
	for _, n := range c.Nodes {
		if x := leads[n.ID]; x < 8 || x > 12 {
			t.Errorf("node %d leads %d of 30 partitions", n.ID, x)
		}
	}
	t.Log(leads)
}
