package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// resting waits until no partition replica of a node is ticked any more.
func resting(t *testing.T, nodes ...*Node) {
	t.Helper()
	for _, n := range nodes {
		Eventually(t, 60*time.Second, "replicas at rest", func() error {
			if awake := metric(t, n, "chronik_replicas_awake"); awake > 0 {
				return fmt.Errorf("node %d ticks %d replicas", n.ID, awake)
			}
			return nil
		})
	}
}

// idle measures what nodes use over a while: hundredths of a core and bytes of live heap of the worst one.
func idle(t *testing.T, over time.Duration, nodes ...*Node) {
	t.Helper()
	before := make([]int64, len(nodes))
	for i, n := range nodes {
		before[i] = cpu(t, n.Cmd.Process.Pid)
	}
	<-time.After(over) // what is measured, not waited for
	for i, n := range nodes {
		percent := float64(cpu(t, n.Cmd.Process.Pid)-before[i]) / over.Seconds() // ticks are 10 ms
		t.Logf("node %d: %.2f %% of a core, heap %d MiB, resident %d MiB", n.ID, percent, metric(t, n, "go_memstats_heap_inuse_bytes")>>20, rss(t, n.Cmd.Process.Pid)>>20)
		if percent > 2 { // 1 % on a machine where nothing else runs
			t.Errorf("node %d uses %.2f %% of a core for idle replicas", n.ID, percent)
		}
	}
}

// TestIdleReplicas: 10,000 partitions that nobody uses cost next to nothing, and work at once when somebody does.
func TestIdleReplicas(t *testing.T) {
	n := StartStandalone(t)
	from := time.Now()
	for i := range 10 {
		CreateTopic(t, []string{n.Addr}, fmt.Sprintf("idle-%d", i), 1000, 1, nil)
	}
	created := time.Since(from)
	resting(t, n)
	idle(t, 10*time.Second, n)
	n.Kill()
	from = time.Now()
	n.Restart(t)
	led(t, []string{n.Addr}, "idle-9", 1000)
	restarted := time.Since(from)
	t.Logf("10,000 partitions were created in %v; after kill -9 they are there again in %v", created.Round(time.Millisecond), restarted.Round(time.Millisecond))
	if created > time.Minute || restarted > 5*time.Second {
		t.Error("that is too slow")
	}
	resting(t, n)
}

// led waits until every partition of a topic has a leader, and returns the highest leader epoch.
func led(t *testing.T, addrs []string, topic string, partitions int) (epoch int32) {
	t.Helper()
	cl := client(t, addrs)
	defer cl.Close()
	Eventually(t, 30*time.Second, "leaders of "+topic, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		m, err := kadm.NewClient(cl).Metadata(ctx, topic)
		if err != nil {
			return err
		}
		ps := m.Topics[topic].Partitions
		if len(ps) != partitions {
			return fmt.Errorf("%d of %d partitions", len(ps), partitions)
		}
		epoch = 0
		for _, p := range ps {
			if p.Leader < 0 {
				return fmt.Errorf("partition %d has no leader", p.Partition)
			}
			epoch = max(epoch, p.LeaderEpoch)
		}
		return nil
	})
	return epoch
}

// TestFullRestart: all nodes of a cluster die at once; its groups have leaders again within seconds, and take records.
func TestFullRestart(t *testing.T) {
	const partitions = 300
	c := StartCluster(t, 3)
	CreateTopic(t, c.Addrs(), "many", partitions, 3, nil)
	c.AwaitInSync(t, "many")
	for _, n := range c.Nodes {
		n.Kill()
	}
	from := time.Now()
	for _, n := range c.Nodes {
		n.launch(t)
	}
	for _, n := range c.Nodes {
		n.WaitLine(t, readyLine, 30*time.Second)
	}
	led(t, c.Addrs(), "many", partitions)
	took := time.Since(from)
	t.Logf("%d groups have leaders %v after the start of three nodes", partitions, took.Round(time.Millisecond))
	if took > 5*time.Second {
		t.Errorf("%v is too long", took)
	}
}

// TestIdleCluster: the same for replicas that have followers; a leader that is killed while its groups rest is replaced, and
// all of them take records again.
func TestIdleCluster(t *testing.T) {
	const partitions = 1000
	c := StartCluster(t, 3)
	CreateTopic(t, c.Addrs(), "idle", partitions, 3, nil)
	c.AwaitInSync(t, "idle")
	resting(t, c.Nodes...)
	idle(t, 10*time.Second, c.Nodes...)
	if epoch := led(t, c.Addrs(), "idle", partitions); epoch > 3 {
		t.Errorf("leaders changed while nothing happened: epoch %d", epoch)
	}

	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cl := client(t, c.Addrs(), kgo.DefaultProduceTopic("idle"), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(100*time.Millisecond))
	defer cl.Close()
	write := func() {
		t.Helper()
		var rs []*kgo.Record
		for p := range int32(partitions) {
			rs = append(rs, &kgo.Record{Partition: p, Value: []byte("x")})
		}
		if err := cl.ProduceSync(ctx, rs...).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	write()
	resting(t, c.Nodes...)
	dead := c.Leader(t, "idle", 0)
	from := time.Now()
	dead.Kill()
	write()
	t.Logf("%d partitions take records %v after a node of three was killed", partitions, time.Since(from).Round(time.Millisecond))
	dead.Restart(t)
	c.AwaitInSync(t, "idle")
	resting(t, c.Nodes...)
}
