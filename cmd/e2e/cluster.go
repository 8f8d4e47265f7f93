package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Cluster is a set of chronik-server processes that form one raft-cluster on this machine.
type Cluster struct {
	Nodes []*Node
	Peer  []int // raft ports
}

// StartCluster starts n nodes with the three-command form of the README, node 1 with --bootstrap, and waits until all
// serve clients.
func StartCluster(t testing.TB, n int, flags ...string) *Cluster {
	t.Helper()
	c := NewCluster(t, n, flags...)
	for _, node := range c.Nodes {
		node.launch(t)
	}
	for _, node := range c.Nodes {
		node.WaitLine(t, readyLine, 30*time.Second)
	}
	return c
}

// NewCluster prepares n nodes without starting them.
func NewCluster(t testing.TB, n int, flags ...string) *Cluster {
	t.Helper()
	ports := freePorts(t, 3*n)
	dir := t.TempDir()
	c := &Cluster{Peer: ports[n : 2*n]}
	for i := range n {
		var peers []string
		for j := range n {
			if j != i {
				peers = append(peers, fmt.Sprintf("%d@localhost:%d", j+1, c.Peer[j]))
			}
		}
		data := filepath.Join(dir, fmt.Sprintf("node-%d", i+1))
		args := append([]string{"--kafka-port", fmt.Sprint(ports[i]), "--metrics-port", fmt.Sprint(ports[2*n+i]), "--advertised-addr", "localhost",
			"--node-id", fmt.Sprint(i + 1), "--data-dir", data}, flags...)
		args = append(args, "raft-cluster", "--raft-addr", fmt.Sprintf("127.0.0.1:%d", c.Peer[i]))
		if n > 1 {
			args = append(args, "--peers", strings.Join(peers, ","))
		}
		if i == 0 {
			args = append(args, "--bootstrap")
		}
		c.Nodes = append(c.Nodes, &Node{ID: i + 1, Addr: fmt.Sprintf("localhost:%d", ports[i]), Dir: data, Args: args})
	}
	return c
}

// Bootstrap is the list of all Kafka addresses.
func (c *Cluster) Bootstrap() string { return strings.Join(c.Addrs(), ",") }

// Addrs are all Kafka addresses.
func (c *Cluster) Addrs() []string {
	var a []string
	for _, n := range c.Nodes {
		a = append(a, n.Addr)
	}
	return a
}
