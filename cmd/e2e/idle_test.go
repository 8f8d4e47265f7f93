package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

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
	for i := range 10 {
		CreateTopic(t, []string{n.Addr}, fmt.Sprintf("idle-%d", i), 1000, 1, nil)
	}
	resting(t, n)
	idle(t, 10*time.Second, n)
	n.Kill()
	n.Restart(t)
	resting(t, n)
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
