package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// leaders returns leader and leader epoch of each partition, and which of its replicas is preferred.
func (c *Cluster) leaders(t testing.TB, topic string) (leaders, epochs, preferred map[int32]int32, err error) {
	t.Helper()
	cl := client(t, c.Addrs())
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	m, err := kadm.NewClient(cl).Metadata(ctx, topic)
	if err != nil {
		return nil, nil, nil, err
	}
	leaders, epochs, preferred = map[int32]int32{}, map[int32]int32{}, map[int32]int32{}
	for _, p := range m.Topics[topic].Partitions {
		leaders[p.Partition], epochs[p.Partition], preferred[p.Partition] = p.Leader, p.LeaderEpoch, p.Replicas[0]
	}
	return leaders, epochs, preferred, nil
}

// TestLeadersGoBack: when a node is back for a while, leaderships return to the preferred replicas by themselves, once, and
// clients notice nothing.
func TestLeadersGoBack(t *testing.T) {
	c := StartCluster(t, 3, "--config", configFile(t, "leader.imbalance.check.interval.seconds=1"))
	CreateTopic(t, c.Addrs(), "back", 9, 3, nil)
	c.AwaitInSync(t, "back")
	load := StartLoad(t, c.Addrs(), "back", 2, 200)
	asPreferred := func() error {
		leaders, _, preferred, err := c.leaders(t, "back")
		for p, l := range leaders {
			if l != preferred[p] {
				err = fmt.Errorf("partition %d is led by %d, preferred is %d", p, l, preferred[p])
			}
		}
		return err
	}
	Eventually(t, 30*time.Second, "preferred leaders", asPreferred)
	c.Nodes[1].Kill()
	Eventually(t, 30*time.Second, "other leaders", func() error { return c.leadsNothing(t, "back", c.Nodes[1]) })
	c.Nodes[1].Restart(t)
	Eventually(t, 30*time.Second, "preferred leaders again", asPreferred)
	_, before, _, err := c.leaders(t, "back")
	if err != nil {
		t.Fatal(err)
	}
	load.AwaitMore(t, 1000, 30*time.Second) // several checks
	_, after, _, err := c.leaders(t, "back")
	if err != nil || fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("leaders go on moving: epochs %v, then %v (%v)", before, after, err)
	}
	load.Verify(t)
}

// TestLeadersStay: unless they are not to.
func TestLeadersStay(t *testing.T) {
	c := StartCluster(t, 3, "--config", configFile(t, "leader.imbalance.check.interval.seconds=1", "auto.leader.rebalance.enable=false"))
	CreateTopic(t, c.Addrs(), "stay", 6, 3, nil)
	c.AwaitInSync(t, "stay")
	load := StartLoad(t, c.Addrs(), "stay", 2, 200)
	c.Nodes[1].Kill()
	Eventually(t, 30*time.Second, "other leaders", func() error { return c.leadsNothing(t, "stay", c.Nodes[1]) })
	c.Nodes[1].Restart(t)
	c.AwaitInSync(t, "stay")
	load.AwaitMore(t, 1000, 30*time.Second) // several checks
	if err := c.leadsNothing(t, "stay", c.Nodes[1]); err != nil {
		t.Error(err)
	}
	load.Verify(t)
}

// TestSlowDisk: a node whose disk does not answer hands over what it leads; writes go on meanwhile.
func TestSlowDisk(t *testing.T) {
	needs(t, "strace")
	c := StartCluster(t, 3)
	CreateTopic(t, c.Addrs(), "slow", 6, 3, nil)
	c.AwaitInSync(t, "slow")
	load := StartLoad(t, c.Addrs(), "slow", 2, 200)
	load.AwaitMore(t, 200, 20*time.Second)
	victim := c.Leader(t, "slow", 0)
	strace := exec.Command("strace", "-f", "-qq", "-o", filepath.Join(t.TempDir(), "trace"), "-p", fmt.Sprint(victim.Cmd.Process.Pid),
		"-e", "trace=fdatasync", "-e", "inject=fdatasync:delay_enter=2500000")
	if err := strace.Start(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	victim.WaitLine(t, "the disk does not answer", 20*time.Second)
	Eventually(t, 20*time.Second, "leaders elsewhere", func() error { return c.leadsNothing(t, "slow", victim) })
	t.Logf("leads nothing any more after %v", time.Since(began).Round(10*time.Millisecond))
	took := load.AwaitMore(t, 1000, 20*time.Second)
	t.Logf("1000 records in %v beside a disk that takes 2.5 s for a sync", took.Round(10*time.Millisecond))
	_ = strace.Process.Signal(syscall.SIGTERM)
	_ = strace.Wait()
	victim.WaitLine(t, "the disk answers again", 20*time.Second)
	c.AwaitInSync(t, "slow")
	load.Verify(t)
}

func (c *Cluster) leadsNothing(t testing.TB, topic string, n *Node) error {
	leaders, _, _, err := c.leaders(t, topic)
	for p, l := range leaders {
		if l == int32(n.ID) {
			err = fmt.Errorf("node %d leads partition %d", l, p)
		}
	}
	return err
}

// TestFullDiskMovesLeaders: a node whose disk is full hands over what it leads, so that clients can go on; when there is room
// again it catches up.
func TestFullDiskMovesLeaders(t *testing.T) {
	dir := smallDisk(t, "400m")
	c := NewCluster(t, 3)
	c.Nodes[0].moveData(filepath.Join(dir, "data"))
	for _, n := range c.Nodes {
		n.launch(t)
	}
	for _, n := range c.Nodes {
		n.WaitLine(t, readyLine, 30*time.Second)
	}
	CreateTopic(t, c.Addrs(), "room", 6, 3, nil)
	c.AwaitInSync(t, "room")
	load := StartLoad(t, c.Addrs(), "room", 2, 200)
	load.AwaitMore(t, 200, 20*time.Second)
	ballast := filepath.Join(dir, "ballast")
	fill(t, ballast)
	filling, stop := context.WithCancel(context.Background())
	defer stop()
	filled := make(chan struct{})
	go func() {
		defer close(filled)
		load.FillUntil(t, filling, 10_000, 500_000, 6)
	}()
	c.Nodes[0].WaitLine(t, "the disk is full", time.Minute)
	stop()
	<-filled
	Eventually(t, 30*time.Second, "leaders where there is room", func() error { return c.leadsNothing(t, "room", c.Nodes[0]) })
	load.AwaitMore(t, 500, 30*time.Second)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	c.Nodes[0].WaitLine(t, "there is room on the disk again", 30*time.Second)
	c.AwaitInSync(t, "room")
	load.Verify(t)
}
