package e2e

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// inSync says whether every partition of a topic has all its replicas in sync.
func (c *Cluster) inSync(t testing.TB, topic string) bool {
	t.Helper()
	cl := client(t, c.Addrs())
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	m, err := kadm.NewClient(cl).Metadata(ctx, topic)
	if err != nil {
		return false
	}
	for _, p := range m.Topics[topic].Partitions {
		if len(p.ISR) != len(p.Replicas) {
			return false
		}
	}
	return len(m.Topics[topic].Partitions) > 0
}

// sizeOf adds up the files under a directory, in bytes.
func sizeOf(t testing.TB, dir string) (n int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // a segment that is being replaced
			return nil
		}
		if err == nil && d.Type().IsRegular() {
			var i fs.FileInfo
			if i, err = d.Info(); err == nil {
				n += i.Size()
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestBulkCatchUp: a node whose directory was lost fetches everything again while others are written to: their clients and the
// memory of all nodes hardly notice. CHRONIK_CATCHUP_GB says how much there is to fetch (0.5).
func TestBulkCatchUp(t *testing.T) {
	gb := 0.5
	if s := os.Getenv("CHRONIK_CATCHUP_GB"); s != "" {
		var err error
		if gb, err = strconv.ParseFloat(s, 64); err != nil {
			t.Fatal(err)
		}
	}
	c := StartCluster(t, 3)
	for _, topic := range []string{"bulk", "live"} {
		CreateTopic(t, c.Addrs(), topic, 3, 3, nil)
		c.AwaitInSync(t, topic)
	}
	lost := c.Nodes[2]
	lost.Kill()
	if err := os.RemoveAll(lost.Dir); err != nil {
		t.Fatal(err)
	}
	for _, topic := range []string{"bulk", "live"} {
		for p := range int32(3) {
			c.Leader(t, topic, p)
		}
	}
	bench, addr := benchBinary(t), c.Nodes[0].Addr
	for written := 0.0; written < gb; {
		drive(t, bench, addr, c.Nodes[0].Cmd.Process.Pid, "--topic", "bulk", "--batch", "262144", "--duration", "1s", "--warm-up", "0s")
		written = float64(sizeOf(t, c.Nodes[0].Dir+"/segments")) / 1e9
	}
	live := func() figures {
		return drive(t, bench, addr, c.Nodes[0].Cmd.Process.Pid, "--topic", "live", "--batch", "16384", "--rate", "200", "--duration", "4s")
	}
	before := median([]float64{live().P99, live().P99, live().P99})
	from := time.Now()
	lost.Restart(t)
	var during []float64
	for !c.inSync(t, "bulk") || len(during) == 0 {
		during = append(during, live().P99)
		if time.Since(from) > 30*time.Minute {
			t.Fatal("it never catches up")
		}
	}
	took := time.Since(from)
	gb = float64(sizeOf(t, lost.Dir+"/segments")) / 1e9
	t.Logf("%.2f GB fetched again in %v (%.0f MB/s); the 99th percentile of acks was %.1f ms before and %.1f ms meanwhile (median of %d)", gb,
		took.Round(time.Second), gb*1000/took.Seconds(), before, median(during), len(during))
	if median(during) > 3*before+5 {
		t.Error("clients notice more than three times their latency")
	}
	for _, n := range c.Nodes {
		peak := procField(t, n.Cmd.Process.Pid, "status", `VmHWM:\s+(\d+) kB`) << 10
		t.Logf("node %d: %d MiB at its peak", n.ID, peak>>20)
		if peak > 1500<<20 {
			t.Errorf("node %d took %d MiB", n.ID, peak>>20)
		}
	}
	c.AwaitInSync(t, "live")
	c.StopAll(t)
	for p := range 3 {
		c.SameOnDisk(t, fmt.Sprintf("bulk-%d", p))
	}
}
