package e2e

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Leader finds the node that leads a partition.
func (c *Cluster) Leader(t testing.TB, topic string, partition int32) *Node {
	t.Helper()
	cl := client(t, c.Addrs())
	defer cl.Close()
	var leader int32
	Eventually(t, 20*time.Second, fmt.Sprintf("a leader of %s-%d", topic, partition), func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		m, err := kadm.NewClient(cl).Metadata(ctx, topic)
		if err != nil {
			return err
		}
		p, ok := m.Topics[topic].Partitions[partition]
		if !ok || p.Err != nil || p.Leader < 1 {
			return fmt.Errorf("%+v", m.Topics[topic])
		}
		leader = p.Leader
		return nil
	})
	return c.Nodes[leader-1]
}

// Follower finds a node that does not lead a partition.
func (c *Cluster) Follower(t testing.TB, topic string, partition int32) *Node {
	t.Helper()
	leader := c.Leader(t, topic, partition)
	return c.Nodes[leader.ID%len(c.Nodes)]
}

// Coordinator finds the node that coordinates a group.
func (c *Cluster) Coordinator(t testing.TB, group string) *Node {
	t.Helper()
	cl := client(t, c.Addrs())
	defer cl.Close()
	var id int32
	Eventually(t, 20*time.Second, "a coordinator of "+group, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		req := kmsg.NewPtrFindCoordinatorRequest()
		req.CoordinatorKey, req.CoordinatorKeys = group, []string{group}
		r, err := req.RequestWith(ctx, cl)
		if err != nil {
			return err
		}
		for _, x := range r.Coordinators {
			if x.ErrorCode == 0 {
				id = x.NodeID
				return nil
			}
		}
		return fmt.Errorf("%+v", r)
	})
	return c.Nodes[id-1]
}

// AwaitMetaVoters waits until the metadata log has n voters, none of them behind, and no learner.
func (c *Cluster) AwaitMetaVoters(t testing.TB, n int) {
	t.Helper()
	cl := client(t, c.Addrs())
	defer cl.Close()
	Eventually(t, 30*time.Second, fmt.Sprintf("%d voters of the metadata log", n), func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		req := kmsg.NewPtrDescribeQuorumRequest()
		topic := kmsg.NewDescribeQuorumRequestTopic()
		topic.Topic, topic.Partitions = "__cluster_metadata", []kmsg.DescribeQuorumRequestTopicPartition{{}}
		req.Topics = append(req.Topics, topic)
		r, err := req.RequestWith(ctx, cl)
		if err != nil {
			return err
		}
		if len(r.Topics) != 1 || len(r.Topics[0].Partitions) != 1 {
			return fmt.Errorf("%+v", r)
		}
		p := r.Topics[0].Partitions[0]
		if len(p.CurrentVoters) != n || len(p.Observers) != 0 {
			return fmt.Errorf("%d voters, %d observers, error %d", len(p.CurrentVoters), len(p.Observers), p.ErrorCode)
		}
		for _, v := range p.CurrentVoters {
			if v.LogEndOffset < p.HighWatermark {
				return fmt.Errorf("voter %d is at %d of %d", v.ReplicaID, v.LogEndOffset, p.HighWatermark)
			}
		}
		return nil
	})
}

var metaLeader = regexp.MustCompile(`leader=(\d+) for __meta-0" term=(\d+)`)

// MetaLeader finds the leader of the metadata log in the nodes' own logs.
func (c *Cluster) MetaLeader(t testing.TB) *Node {
	t.Helper()
	leader, newest := 0, 0
	Eventually(t, 20*time.Second, "a leader of __meta", func() error {
		for _, n := range c.Nodes {
			for _, l := range n.Lines() {
				if m := metaLeader.FindStringSubmatch(l); m != nil {
					if term, _ := strconv.Atoi(m[2]); term > newest {
						leader, _ = strconv.Atoi(m[1])
						newest = term
					}
				}
			}
		}
		if leader == 0 {
			return fmt.Errorf("no log line")
		}
		return nil
	})
	return c.Nodes[leader-1]
}

// AwaitInSync waits until all replicas of a topic are in sync.
func (c *Cluster) AwaitInSync(t testing.TB, topic string) {
	t.Helper()
	cl := client(t, c.Addrs(), kgo.MetadataMaxAge(time.Second))
	defer cl.Close()
	Eventually(t, time.Minute, topic+" in sync", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		m, err := kadm.NewClient(cl).Metadata(ctx, topic)
		if err != nil {
			return err
		}
		for _, p := range m.Topics[topic].Partitions {
			if p.Err != nil || len(p.ISR) < len(p.Replicas) || len(p.OfflineReplicas) > 0 {
				return fmt.Errorf("%+v", p)
			}
		}
		return nil
	})
}

// Dump is what verify-log says of a partition on this node's disk; the node must be stopped.
func (n *Node) Dump(t testing.TB, partition string) string {
	t.Helper()
	out, err := Run(t, time.Minute, "", Binary(t), "verify-log", n.Dir, "--dump", partition)
	if err != nil {
		t.Fatalf("verify-log %s: %v\n%s", n.Dir, err, out)
	}
	return out
}
