package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// command runs `chronik-server cluster …` against some nodes; it must succeed and say all of some words.
func (c *Cluster) command(t testing.TB, args []string, words ...string) string {
	t.Helper()
	start := time.Now()
	out, err := Run(t, 2*time.Minute, "", Binary(t), append([]string{"cluster", "--bootstrap-server", c.Bootstrap()}, args...)...)
	t.Logf("cluster %s: %v\n%s", strings.Join(args, " "), time.Since(start).Round(time.Millisecond), out)
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	for _, w := range words {
		if !strings.Contains(out, w) {
			t.Fatalf("%v does not say %q", args, w)
		}
	}
	return out
}

// refusedCommand expects a refusal.
func (c *Cluster) refusedCommand(t *testing.T, args []string, words ...string) {
	t.Helper()
	refused(t, append([]string{"cluster", "--bootstrap-server", c.Bootstrap()}, args...), words...)
}

// status is what `cluster status -o json` tells.
type status struct {
	Nodes []struct {
		ID        int
		Reachable bool
		Leaders   int
		Replicas  int
		Total     int64 `json:"disk_total_bytes"`
		Usable    int64 `json:"disk_usable_bytes"`
	}
	Partitions      int
	UnderReplicated struct{ Count int } `json:"under_replicated"`
	Leaderless      struct{ Count int }
	Reassignments   []any
	Quorum          struct {
		Leader int
		Voters []struct{ ID int }
	}
}

func (c *Cluster) status(t testing.TB) (s status) {
	t.Helper()
	out, err := Run(t, time.Minute, "", Binary(t), "cluster", "status", "--bootstrap-server", c.Bootstrap(), "-o", "json")
	if err == nil {
		err = json.Unmarshal([]byte(out), &s)
	}
	if err != nil {
		t.Fatalf("cluster status: %v\n%s", err, out)
	}
	return s
}

// per lists a count per node.
func (s *status) per() (leaders, replicas []int) {
	for _, n := range s.Nodes {
		leaders, replicas = append(leaders, n.Leaders), append(replicas, n.Replicas)
	}
	return leaders, replicas
}

// TestClusterCommand goes with an operator through everything that `chronik-server cluster` does, under load.
func TestClusterCommand(t *testing.T) {
	c := StartCluster(t, 3)
	CreateTopic(t, c.Addrs(), "ops", 6, 1, nil)
	CreateTopic(t, c.Addrs(), "wide", 3, 3, nil)
	load := StartLoad(t, c.Addrs(), "ops", 2, 100)
	load.Fill(t, 12, 900_000, 6)
	load.AwaitMore(t, 100, 20*time.Second)
	c.AwaitInSync(t, "wide")
	c.AwaitMetaVoters(t, 3)
	cl := client(t, c.Addrs())
	defer cl.Close()
	adm := kadm.NewClient(cl)

	s := c.status(t)
	leaders, replicas := s.per()
	if s.Partitions != 9 || s.UnderReplicated.Count+s.Leaderless.Count+len(s.Reassignments) != 0 || len(s.Quorum.Voters) != 3 || s.Quorum.Leader == 0 ||
		len(leaders) != 3 || leaders[0]+leaders[1]+leaders[2] != 9 || replicas[0]+replicas[1]+replicas[2] != 15 {
		t.Fatalf("%+v", s)
	}
	for _, n := range s.Nodes {
		if !n.Reachable || n.Total <= 0 || n.Usable <= 0 || n.Usable > n.Total {
			t.Fatalf("%+v", n)
		}
	}
	c.command(t, []string{"status"}, "under-replicated: 0", "without a leader: 0", "reassignments under way: 0", "voter", c.Nodes[2].Addr)
	c.command(t, []string{"status", "-o", "yaml"}, "under_replicated:", "leaderless:", "address: "+c.Nodes[0].Addr)

	for _, node := range []int{1, 3, 2} {
		c.command(t, []string{"transfer-leader", "wide-1", fmt.Sprint(node)}, fmt.Sprintf("node %d leads wide-1", node))
		if l := c.Leader(t, "wide", 1); l.ID != node {
			t.Fatalf("node %d leads wide-1, not node %d", l.ID, node)
		}
	}
	c.refusedCommand(t, []string{"transfer-leader", "wide-7", "1"}, "no partition 7", "it has 3")
	c.refusedCommand(t, []string{"transfer-leader", "wyde-0", "1"}, "no topic wyde", "ops, wide")
	c.refusedCommand(t, []string{"transfer-leader", "wide-0", "9"}, "node 9 has no replica of wide-0")

	c.refusedCommand(t, []string{"set-replication-factor", "ops", "4"}, "4 replicas need 4 nodes", "add-node")
	c.command(t, []string{"set-replication-factor", "ops", "3"}, "6 of 6 partitions done")
	c.AwaitInSync(t, "ops")
	load.AwaitMore(t, 50, 20*time.Second)
	c.command(t, []string{"set-replication-factor", "ops", "3"}, "there are 3 replicas already")
	c.refusedCommand(t, []string{"remove-node", "3"}, "topic ops has 3 replicas, and only 2 nodes remain", "set-replication-factor ops 2", "add-node")
	c.refusedCommand(t, []string{"remove-node", "3", "--force"}, "node 3 answers", "--force is for a dead node")
	c.refusedCommand(t, []string{"remove-node", "8"}, "there is no node 8; there are 1, 2, 3")

	for _, topic := range []string{"ops", "wide"} { // everything onto node 1
		n := map[string]int32{"ops": 6, "wide": 3}[topic]
		want := map[int32][]int32{}
		for p := range n {
			reassign(t, adm, topic, p, 1)
			want[p] = []int32{1}
		}
		settled(t, adm, topic, want)
	}
	c.command(t, []string{"rebalance", "--dry-run"}, "6 partitions get another leader", "nothing was done")
	c.even(t, []int{9, 0, 0})
	c.command(t, []string{"rebalance", "--parallel", "2"}, "6 partitions change, 6 replicas are copied", "6 of 6 partitions done")
	c.even(t, []int{3, 3, 3})
	c.command(t, []string{"rebalance"}, "spread evenly over 3 nodes already")
	load.AwaitMore(t, 50, 20*time.Second)

	c.command(t, []string{"add-node", "node-1:5001"}, "chronik-server --node-id 4 --advertised-addr NEW-HOST raft-cluster --raft-addr 0.0.0.0:5001 --join node-1:5001")
	c.command(t, []string{"set-replication-factor", "--all", "2"}, "9 of 9 partitions done", "both nodes must be up")
	c.command(t, []string{"remove-node", "3"}, "node 3 is drained and out of the cluster")
	c.left(t, 9)
	c.Nodes[2].Kill()
	load.AwaitMore(t, 100, 20*time.Second)
	load.Verify(t)
}

// even waits for the numbers of leaders and of replicas per node.
func (c *Cluster) even(t testing.TB, want []int) {
	t.Helper()
	Eventually(t, 20*time.Second, fmt.Sprintf("%v leaders and replicas", want), func() error {
		s := c.status(t)
		if leaders, replicas := s.per(); !slices.Equal(leaders, want) || !slices.Equal(replicas, want) {
			return fmt.Errorf("leaders %v, replicas %v", leaders, replicas)
		}
		return nil
	})
}

// left waits until nodes 1 and 2 are all that there is, with two replicas of every partition.
func (c *Cluster) left(t testing.TB, partitions int) {
	t.Helper()
	Eventually(t, 20*time.Second, "node 3 is out", func() error {
		s := c.status(t)
		if _, replicas := s.per(); !slices.Equal(replicas, []int{partitions, partitions}) || len(s.Quorum.Voters) != 2 {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
}

// TestClusterDeadNode: a node that is dead for good is taken out with --force; what only it has keeps it in.
func TestClusterDeadNode(t *testing.T) {
	c := StartCluster(t, 3)
	CreateTopic(t, c.Addrs(), "safe", 3, 3, nil)
	CreateTopic(t, c.Addrs(), "alone", 3, 1, nil)
	load := StartLoad(t, c.Addrs(), "safe", 2, 100)
	load.AwaitMore(t, 100, 20*time.Second)
	c.AwaitInSync(t, "safe")
	c.AwaitMetaVoters(t, 3)
	c.Nodes[2].Kill()
	c.refusedCommand(t, []string{"remove-node", "3"}, "node 3 does not answer", "remove-node 3 --force")
	c.refusedCommand(t, []string{"rebalance"}, "node 3 does not answer", "remove-node 3 --force")
	out, err := Run(t, time.Minute, "", Binary(t), "cluster", "remove-node", "3", "--force", "--bootstrap-server", c.Bootstrap())
	if err == nil || !strings.Contains(out, "3 partitions lose redundancy") || !strings.Contains(out, "3 of 3 partitions done") ||
		!strings.Contains(out, "node 3 is not taken out: 1 partitions have no leader without it") || !strings.Contains(out, "alone-") {
		t.Fatalf("%v\n%s", err, out)
	}
	s := c.status(t)
	if len(s.Nodes) != 3 || s.Nodes[2].Reachable || s.Leaderless.Count != 1 || s.Nodes[2].Replicas != 1 {
		t.Fatalf("%+v", s)
	}
	cl := client(t, c.Addrs())
	defer cl.Close()
	Eventually(t, 20*time.Second, "the topic is deleted", func() error {
		s := c.status(t)
		if s.Partitions == 3 {
			return nil
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_, err := kadm.NewClient(cl).DeleteTopics(ctx, "alone")
		return fmt.Errorf("%d partitions (%v)", s.Partitions, err)
	})
	c.command(t, []string{"remove-node", "3", "--force"}, "node 3 is out of the cluster")
	c.left(t, 3)
	load.AwaitMore(t, 100, 20*time.Second)
	load.Verify(t)
}
