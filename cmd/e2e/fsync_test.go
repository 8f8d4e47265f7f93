package e2e

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
)

// noFsync makes a node skip every fdatasync: the tests must notice.
const noFsync = "CHRONIK_TEST_UNSAFE_NO_FSYNC=1"

// TestFsync: no answer to a produce leaves a node before an fdatasync that began after the write of its record has returned.
// The same trace of a node that skips every fdatasync must go red.
func TestFsync(t *testing.T) {
	needs(t, "strace")
	run := func(env ...string) map[string]string {
		n := StartStandalone(t)
		n.Kill()
		n.Env = env
		return unsynced(t, n)
	}
	for acks, bad := range run() {
		t.Errorf("acks=%s: %s", acks, bad)
	}
	noticed(t, "a node that syncs nothing", run(noFsync), "1", "all")
}

// TestFsyncCluster: with three nodes acks=all waits for the fdatasync of two, acks=1 for that of the leader.
func TestFsyncCluster(t *testing.T) {
	needs(t, "strace")
	run := func(env ...[]string) map[string]string {
		c := NewCluster(t, 3)
		for i, e := range env {
			c.Nodes[i].Env = e
		}
		return unsynced(t, c.Nodes...)
	}
	for acks, bad := range run() {
		t.Errorf("acks=%s: %s", acks, bad)
	}
	skips := []string{noFsync}
	noticed(t, "a cluster that syncs nothing", run(skips, skips, skips), "1", "all")
	noticed(t, "a cluster of which one node syncs", run(nil, skips, skips), "all")
}

func noticed(t *testing.T, what string, bad map[string]string, acks ...string) {
	t.Helper()
	for _, a := range acks {
		if bad[a] == "" {
			t.Errorf("%s was not noticed with acks=%s", what, a)
		} else {
			t.Logf("%s, acks=%s: %s", what, a, bad[a])
		}
	}
}

// traced is a system call of a node, as strace saw it begin and end. on is the file or socket: a path, or
// TCP:[local->remote].
type traced struct {
	name, on, args string
	begin, end     float64
}

var (
	straceLine    = regexp.MustCompile(`^(\d+) +(\d+\.\d+) (\w+)\((.*?)(?: <unfinished \.\.\.>|\) += +(-?\d+|\?).*<(\d+\.\d+)>)$`)
	straceResumed = regexp.MustCompile(`^(\d+) +(\d+\.\d+) <\.\.\. (\w+) resumed>(.*)\) += +(-?\d+|\?)`)
	straceFile    = regexp.MustCompile(`^\d+<(.*?)>(?:, |,? *$)`)
)

func readTrace(t testing.TB, name string) []traced {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []traced
	open := map[string]traced{}
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 16<<20)
	for sc.Scan() {
		if m := straceLine.FindStringSubmatch(sc.Text()); m != nil {
			at, _ := strconv.ParseFloat(m[2], 64)
			c := traced{name: m[3], args: m[4], begin: at}
			if file := straceFile.FindStringSubmatch(c.args); file != nil {
				c.on = file[1]
			}
			if m[6] == "" {
				open[m[1]] = c
				continue
			}
			took, _ := strconv.ParseFloat(m[6], 64)
			c.end = at + took
			all = append(all, c)
		} else if m := straceResumed.FindStringSubmatch(sc.Text()); m != nil {
			if c, ok := open[m[1]]; ok {
				c.end, _ = strconv.ParseFloat(m[2], 64)
				c.args += m[4] // what was read is only known now
				all = append(all, c)
				delete(open, m[1])
			}
		}
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// children lists the processes that a process started.
func children(pid int) (out []int) {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for _, f := range strings.Fields(string(b)) {
		if n, err := strconv.Atoi(f); err == nil {
			out = append(out, n)
		}
	}
	return out
}

// launchTraced starts the node under strace and returns the name of the trace.
func (n *Node) launchTraced(t *testing.T) string {
	t.Helper()
	trace := filepath.Join(t.TempDir(), "trace")
	n.Process = Start(t, fmt.Sprintf("traced-%d", n.ID), t.TempDir(), n.Env, "strace", append([]string{"-f", "--seccomp-bpf", "-yy", "-ttt", "-T", "-s", "4096",
		"-e", "trace=pwrite64,pwritev,pwritev2,read,readv,recvfrom,recvmsg,writev,write,sendto,sendmsg,fdatasync,fsync", "-o", trace, Binary(t)}, n.Args...)...)
	t.Cleanup(func() { n.signalTraced(syscall.SIGKILL) }) // a node outlives its strace
	return trace
}

func (n *Node) signalTraced(s syscall.Signal) {
	for _, pid := range children(n.Cmd.Process.Pid) {
		_ = syscall.Kill(pid, s)
	}
}

// produced is an acknowledged record whose value is nowhere else.
type produced struct{ acks, value string }

// unsynced runs nodes under strace, writes to a topic with a replica on each, and says for each kind of acks which answer
// left too early, if any did.
func unsynced(t *testing.T, nodes ...*Node) map[string]string {
	t.Helper()
	var names, addrs []string
	for _, n := range nodes {
		names, addrs = append(names, n.launchTraced(t)), append(addrs, n.Addr)
	}
	for _, n := range nodes {
		n.WaitLine(t, readyLine, 30*time.Second)
	}
	CreateTopic(t, addrs, "synced", 1, int16(len(nodes)), nil)
	sent := produceBoth(t, addrs)
	for _, n := range nodes {
		n.signalTraced(syscall.SIGTERM)
	}
	var traces [][]traced
	for i, n := range nodes {
		n.WaitExit(t, 20*time.Second)
		traces = append(traces, readTrace(t, names[i]))
	}
	bad := map[string]string{}
	for i, p := range sent {
		leader, asked, answer := answered(nodes, traces, p.value)
		if leader < 0 {
			t.Fatalf("the answer to %s is not in the traces", p.value)
		}
		var on []int
		for k, n := range nodes {
			if syncedBefore(traces[k], p.value, answer) {
				on = append(on, n.ID)
			}
		}
		enough := len(on) > len(nodes)/2
		if p.acks == "1" {
			enough = syncedBefore(traces[leader], p.value, answer)
		}
		if !enough && bad[p.acks] == "" {
			bad[p.acks] = fmt.Sprintf("record %d came to node %d at %.6f, its answer left at %.6f, synced before only on %v", i, nodes[leader].ID, asked, answer, on)
		}
	}
	return bad
}

func produceBoth(t *testing.T, addrs []string) (sent []produced) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, k := range []struct {
		name string
		acks kgo.Acks
	}{{"1", kgo.LeaderAck()}, {"all", kgo.AllISRAcks()}} {
		cl := client(t, addrs, kgo.RequiredAcks(k.acks), kgo.DisableIdempotentWrite(), kgo.DefaultProduceTopic("synced"),
			kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MaxVersions(kversion.V3_0_0())) // topics by name
		for i := range 20 {
			v := fmt.Sprintf("value-%s-%d-%d", k.name, i, time.Now().UnixNano())
			if err := cl.ProduceSync(ctx, kgo.StringRecord(v)).FirstErr(); err != nil {
				t.Fatal(err)
			}
			sent = append(sent, produced{k.name, v})
		}
		cl.Close()
	}
	return sent
}

// answered finds when a record came in on a node's Kafka port and when its answer began to leave on the same connection,
// where the client has only this one request in flight. What nodes send each other goes over other ports. Of a request
// that was repeated the last counts: only that was acknowledged.
func answered(nodes []*Node, traces [][]traced, value string) (leader int, asked, answer float64) {
	leader = -1
	for i, n := range nodes {
		_, port, _ := net.SplitHostPort(n.Addr)
		var from *traced
		for k := range traces[i] {
			c := &traces[i][k]
			switch c.name {
			case "read", "readv", "recvfrom", "recvmsg":
				if strings.Contains(c.on, ":"+port+"->") && strings.Contains(c.args, value) && c.end > asked {
					from = c
				}
			case "write", "writev", "sendto", "sendmsg":
				if from != nil && c.on == from.on && c.begin >= from.end && strings.Contains(c.args, "synced") {
					leader, asked, answer, from = i, from.end, c.begin, nil
				}
			}
		}
	}
	return leader, asked, answer
}

// syncedBefore says whether a node wrote the value to its log and an fdatasync of the same file began after that write and
// ended in time.
func syncedBefore(calls []traced, value string, answer float64) bool {
	for _, w := range calls {
		if !strings.HasPrefix(w.name, "pwrite") || !strings.Contains(w.on, "/wal/") || !strings.Contains(w.args, value) {
			continue
		}
		for _, c := range calls {
			if (c.name == "fdatasync" || c.name == "fsync") && c.on == w.on && c.begin >= w.end && c.end <= answer {
				return true
			}
		}
	}
	return false
}
