package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// refused runs the server and expects it to refuse, saying all of some words.
func refused(t *testing.T, args []string, words ...string) {
	t.Helper()
	out, err := Run(t, 10*time.Second, "", Binary(t), args...)
	if err == nil {
		t.Errorf("%v was accepted", args)
	}
	for _, w := range words {
		if !strings.Contains(out, w) {
			t.Errorf("%v: %q is missing in:\n%s", args, w, out)
		}
	}
}

// TestRefusals: what cannot be meant is refused, with the flag at fault and what to do.
func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	raft := func(flags ...string) []string {
		return append([]string{"--data-dir", dir, "--node-id", "1", "--advertised-addr", "localhost", "raft-cluster"}, flags...)
	}
	refused(t, []string{"--data-dir", dir, "--advertised-addr", "localhost", "raft-cluster", "--bootstrap"}, "--node-id")
	refused(t, []string{"--data-dir", dir, "--node-id", "1", "raft-cluster", "--bootstrap"}, "--advertised-addr")
	refused(t, raft("--peers", "nonsense"), "--peers")
	refused(t, raft("--peers", "2@a:1,2@b:1"), "--peers", "2")
	refused(t, raft("--peers", "1@a:1"), "--peers", "1")
	refused(t, []string{"--data-dir", dir, "--advertised-addr", "0.0.0.0"}, "--advertised-addr")
	refused(t, []string{"--data-dir", dir, "--advertised-addr", "localhost:9092", "--advertised-port", "9093"}, "--advertised-port")
	refused(t, []string{"--raft-addr", "0.0.0.0:9192", "raft-cluster", "--node-id", "1"}, "chronik-server --node-id 1", "raft-cluster --raft-addr 0.0.0.0:9192")
	refused(t, []string{"standalone", "--kafka-port", "9092"}, "chronik-server --kafka-port 9092 standalone")
	refused(t, []string{"--kafka-prot", "1"}, "--kafka-port")
	refused(t, []string{"--peers", "2@b:1"}, "multi-node needs raft-cluster")
	refused(t, []string{"--config", configFile(t, "num.partition=3")}, "num.partitions")
	refused(t, []string{"stnadalone"}, "standalone")
	n := StartStandalone(t)
	refused(t, append([]string(nil), n.Args...), "--metrics-port", "in use")
	refused(t, append(append([]string(nil), n.Args...), "--metrics-port", "0"), "given twice")
	other := freePorts(t, 2)
	refused(t, []string{"--kafka-port", fmt.Sprint(other[0]), "--metrics-port", fmt.Sprint(other[1]), "--data-dir", n.Dir}, "--data-dir", "another process")
	port := strings.TrimPrefix(n.Addr, "localhost:")
	refused(t, []string{"--kafka-port", port, "--metrics-port", fmt.Sprint(other[1]), "--data-dir", t.TempDir()}, "--kafka-port", "in use")
	n.Kill()
	refused(t, []string{"--kafka-port", fmt.Sprint(other[0]), "--metrics-port", fmt.Sprint(other[1]), "--node-id", "7", "--data-dir", n.Dir}, "--node-id", "7")
	format := filepath.Join(n.Dir, "format.json")
	b, err := os.ReadFile(format)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(format, []byte(strings.Replace(string(b), `"Version": 1`, `"Version": 99`, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	refused(t, []string{"--kafka-port", fmt.Sprint(other[0]), "--metrics-port", fmt.Sprint(other[1]), "--data-dir", n.Dir}, "--data-dir")
}

// TestStandaloneOnClusterDirectory: a directory of a cluster is not opened as if it were alone.
func TestStandaloneOnClusterDirectory(t *testing.T) {
	c := StartCluster(t, 3)
	c.Nodes[0].WaitLine(t, `leader=\d for __meta-0`, 20*time.Second)
	c.StopAll(t)
	ports := freePorts(t, 2)
	refused(t, []string{"--kafka-port", fmt.Sprint(ports[0]), "--metrics-port", fmt.Sprint(ports[1]), "--data-dir", c.Nodes[0].Dir}, "multi-node needs raft-cluster", "raft-cluster")
}

// readyz is what a node says of itself.
func (n *Node) readyz(t testing.TB) string {
	t.Helper()
	port := ""
	for i, a := range n.Args {
		if a == "--metrics-port" {
			port = n.Args[i+1]
		}
	}
	r, err := http.Get("http://localhost:" + port + "/readyz")
	if err != nil {
		return err.Error()
	}
	defer r.Body.Close()
	b, _ := io.ReadAll(r.Body)
	return strings.TrimSpace(string(b))
}

// TestLoneNodeWaits: it says for whom, and does not end; the others may come later.
func TestLoneNodeWaits(t *testing.T) {
	c := NewCluster(t, 3)
	c.Nodes[1].launch(t)
	c.Nodes[1].WaitLine(t, `waiting for node 1 at localhost:\d+, node 3 at localhost:\d+`, 15*time.Second)
	if why := c.Nodes[1].readyz(t); !strings.Contains(why, "waiting for node 1") {
		t.Fatalf("/readyz: %s", why)
	}
	c.Nodes[0].launch(t)
	c.Nodes[2].launch(t)
	for _, n := range c.Nodes {
		n.WaitLine(t, `leader=\d for __meta-0`, 20*time.Second)
		Eventually(t, 10*time.Second, "ready", func() error {
			if s := n.readyz(t); s != "ready" {
				return fmt.Errorf("%s", s)
			}
			return nil
		})
	}
}

// TestTwoBootstraps and lists that disagree are refused by name on both sides.
func TestTwoBootstraps(t *testing.T) {
	c := NewCluster(t, 3)
	c.Nodes[1].Args = append(c.Nodes[1].Args, "--bootstrap")
	for _, n := range c.Nodes[:2] {
		n.launch(t)
	}
	for _, n := range c.Nodes[:2] {
		n.WaitLine(t, `nodes 1 and 2 both have --bootstrap`, 20*time.Second)
	}
}

func TestPeerListsDisagree(t *testing.T) {
	c := NewCluster(t, 3)
	for i, a := range c.Nodes[1].Args {
		if a == "--peers" {
			c.Nodes[1].Args[i+1] = strings.Split(c.Nodes[1].Args[i+1], ",")[0]
		}
	}
	for _, n := range c.Nodes[:2] {
		n.launch(t)
	}
	for _, n := range c.Nodes[:2] {
		n.WaitLine(t, `peer lists disagree`, 20*time.Second)
	}
}

// TestWipedNode: a node whose directory was wiped under load is admitted anew, without an operator: as somebody else, who votes
// once it has caught up. Then the other two are killed in turn and nothing is missing. Its old directory stays out for good.
func TestWipedNode(t *testing.T) {
	c := StartCluster(t, 3)
	CreateTopic(t, c.Addrs(), "kept", 3, 3, nil)
	load := StartLoad(t, c.Addrs(), "kept", 2, 100)
	load.AwaitMore(t, 100, 20*time.Second)
	load.Fill(t, 60, 900_000, 3)
	c.Nodes[2].Kill()
	old := c.Nodes[2].Dir + "-old"
	if err := os.Rename(c.Nodes[2].Dir, old); err != nil {
		t.Fatal(err)
	}
	c.Nodes[2].Restart(t)
	load.AwaitMore(t, 100, 20*time.Second)
	c.AwaitInSync(t, "kept")
	c.AwaitMetaVoters(t, 3)
	said := false
	for _, n := range c.Nodes[:2] {
		for _, l := range n.Lines() {
			said = said || strings.Contains(l, "its data directory was wiped or replaced")
		}
	}
	if !said {
		t.Error("nobody says that the directory was wiped")
	}
	for _, i := range []int{0, 1} {
		c.Nodes[i].Kill()
		load.AwaitMore(t, 100, 20*time.Second)
		c.Nodes[i].Restart(t)
		c.AwaitInSync(t, "kept")
	}
	load.Verify(t)
	c.Nodes[2].Kill()
	if err := os.RemoveAll(c.Nodes[2].Dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(old, c.Nodes[2].Dir); err != nil {
		t.Fatal(err)
	}
	c.Nodes[2].launch(t)
	c.Nodes[2].WaitLine(t, `an old one stays out`, 20*time.Second)
	Eventually(t, 10*time.Second, "/readyz says so", func() error {
		if s := c.Nodes[2].readyz(t); !strings.Contains(s, "replaced") {
			return fmt.Errorf("%s", s)
		}
		return nil
	})
}

// TestJoin: a cluster of one grows to three while clients run: nodes join by one address, topics get their replicas.
func TestJoin(t *testing.T) {
	c := NewCluster(t, 3)
	for i, n := range c.Nodes {
		at := slices.Index(n.Args, "--peers")
		n.Args = slices.Delete(n.Args, at, at+2)
		if i > 0 {
			n.Args = append(n.Args, "--join", fmt.Sprintf("localhost:%d", c.Peer[0]))
		}
	}
	c.Nodes[0].Restart(t)
	one := []string{c.Nodes[0].Addr}
	CreateTopic(t, one, "grows", 3, 1, nil)
	load := StartLoad(t, c.Addrs(), "grows", 2, 100)
	load.Fill(t, 60, 900_000, 3)
	for _, n := range c.Nodes[1:] {
		n.Restart(t)
		n.WaitLine(t, `leader=\d for __meta-0`, 20*time.Second)
	}
	cl := client(t, c.Addrs())
	defer cl.Close()
	adm := kadm.NewClient(cl)
	for p := range int32(3) {
		reassign(t, adm, "grows", p, p+1, (p+1)%3+1, (p+2)%3+1)
	}
	settled(t, adm, "grows", map[int32][]int32{0: {1, 2, 3}, 1: {2, 3, 1}, 2: {3, 1, 2}})
	c.AwaitMetaVoters(t, 3)
	for _, n := range c.Nodes {
		load.AwaitMore(t, 100, 20*time.Second)
		n.Kill()
		load.AwaitMore(t, 50, 20*time.Second)
		n.Restart(t)
		c.AwaitInSync(t, "grows")
	}
	load.Verify(t)
	c.StopAll(t)
	for p := range 3 {
		c.SameOnDisk(t, fmt.Sprintf("grows-%d", p))
	}
}

// TestSecret: nodes with different secrets do not talk.
func TestSecret(t *testing.T) {
	c := NewCluster(t, 3)
	for i, n := range c.Nodes {
		n.Env = []string{fmt.Sprintf("CHRONIK_CLUSTER_SECRET=secret-%d", i/2)}
		n.launch(t)
	}
	c.Nodes[0].WaitLine(t, `node 3 has another --cluster-secret`, 20*time.Second)
	for _, n := range c.Nodes {
		n.Kill()
		n.Env = []string{"CHRONIK_CLUSTER_SECRET=one"}
		n.launch(t)
	}
	for _, n := range c.Nodes {
		n.WaitLine(t, `leader=\d for __meta-0`, 20*time.Second)
	}
}

// TestCatchUp: a node that was down while far more was written than stays in memory catches up from segments; then the other
// two are killed in turn and nothing is missing.
func TestCatchUp(t *testing.T) {
	c := StartCluster(t, 3)
	configs := map[string]*string{}
	CreateTopic(t, c.Addrs(), "behind", 3, 3, configs)
	c.AwaitInSync(t, "behind")
	c.Nodes[2].Kill()
	bench := benchBinary(t)
	load := StartLoad(t, c.Addrs(), "behind", 2, 200)
	load.AwaitMore(t, 500, 30*time.Second)
	CreateTopic(t, c.Addrs(), "bulk", 3, 3, nil)
	for p := range int32(3) {
		c.Leader(t, "bulk", p)
	}
	if out, err := Run(t, time.Minute, "", bench, "produce", "--bootstrap", c.Nodes[0].Addr, "--topic", "bulk", "--batch", "65536", "--duration", "4s", "--warm-up", "0s"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c.Nodes[2].Restart(t)
	c.Nodes[2].WaitLine(t, `segments copied.*partition=bulk-`, 60*time.Second)
	c.AwaitInSync(t, "behind")
	c.AwaitInSync(t, "bulk")
	for _, n := range c.Nodes[:2] {
		n.Kill()
		load.AwaitMore(t, 100, 30*time.Second)
		n.Restart(t)
		c.AwaitInSync(t, "bulk")
		c.AwaitInSync(t, "behind")
	}
	load.Verify(t)
	c.StopAll(t)
	for p := range 3 {
		c.SameOnDisk(t, fmt.Sprintf("bulk-%d", p))
		c.SameOnDisk(t, fmt.Sprintf("behind-%d", p))
	}
}

// TestChroot: the static binary runs alone in an empty directory.
func TestChroot(t *testing.T) {
	if os.Getuid() != 0 {
		unavailable(t, "chroot needs root")
	}
	dir := t.TempDir()
	if out, err := Run(t, 5*time.Minute, "", "env", "CGO_ENABLED=0", "go", "build", "-trimpath", "-o", filepath.Join(dir, "chronik-server"), "chronik/cmd/chronik-server"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ports := freePorts(t, 2)
	p := Start(t, "chroot", dir, nil, "chroot", dir, "/chronik-server", "--kafka-port", fmt.Sprint(ports[0]), "--metrics-port", fmt.Sprint(ports[1]), "--data-dir", "/data")
	p.WaitLine(t, readyLine, 20*time.Second)
	CreateTopic(t, []string{fmt.Sprintf("localhost:%d", ports[0])}, "alone", 1, 1, nil)
	p.Signal(syscall.SIGTERM)
	if code := p.WaitExit(t, 5*time.Second); code != 0 {
		t.Fatalf("it exited with %d", code)
	}
}
