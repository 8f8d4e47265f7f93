package e2e

import (
	"bufio"
	"context"
	"fmt"
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

// traced is a system call of a node, as strace saw it begin and end.
type traced struct {
	name, args string
	begin, end float64
}

var (
	straceLine    = regexp.MustCompile(`^(\d+) +(\d+\.\d+) (\w+)\((.*?)(?: <unfinished \.\.\.>|\) += +(-?\d+|\?).*<(\d+\.\d+)>)$`)
	straceResumed = regexp.MustCompile(`^(\d+) +(\d+\.\d+) <\.\.\. (\w+) resumed>.* = +(-?\d+|\?)`)
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
				all = append(all, c)
				delete(open, m[1])
			}
		}
	}
	return all
}

// TestFsync: no answer to a produce leaves a node before an fdatasync that began after the write of its record has returned.
// The same trace of a node that skips every fdatasync must go red.
func TestFsync(t *testing.T) {
	needs(t, "strace")
	if bad := unsynced(t, nil); bad != "" {
		t.Fatal(bad)
	}
	if bad := unsynced(t, []string{"CHRONIK_TEST_UNSAFE_NO_FSYNC=1"}); bad == "" {
		t.Fatal("a node that syncs nothing was not noticed")
	} else {
		t.Log("without fdatasync:", bad)
	}
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

// unsynced runs a node under strace and says which answer left too early; "" when none did.
func unsynced(t *testing.T, env []string) string {
	n := StartStandalone(t)
	CreateTopic(t, []string{n.Addr}, "synced", 1, 1, nil)
	n.Kill()
	trace := filepath.Join(t.TempDir(), "trace")
	n.Process = Start(t, "traced", t.TempDir(), env, "strace", append([]string{"-f", "-ttt", "-T", "-s", "65536", "-e", "trace=pwrite64,pwritev,pwritev2,writev,write,sendto,sendmsg,fdatasync,fsync",
		"-o", trace, Binary(t)}, n.Args...)...)
	n.WaitLine(t, readyLine, 30*time.Second)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	type sent struct {
		value string
		acks  string
	}
	var values []sent
	for name, acks := range map[string]kgo.Acks{"leader": kgo.LeaderAck(), "all": kgo.AllISRAcks()} {
		cl := client(t, []string{n.Addr}, kgo.RequiredAcks(acks), kgo.DisableIdempotentWrite(), kgo.DefaultProduceTopic("synced"), kgo.MaxVersions(kversion.V3_0_0())) // topics by name
		for i := range 20 {
			v := fmt.Sprintf("value-%s-%d-%d", name, i, time.Now().UnixNano())
			if err := cl.ProduceSync(ctx, kgo.StringRecord(v)).FirstErr(); err != nil {
				t.Fatal(err)
			}
			values = append(values, sent{v, name})
		}
		cl.Close()
	}
	for _, pid := range children(n.Cmd.Process.Pid) {
		_ = syscall.Kill(pid, syscall.SIGTERM)
	}
	n.WaitExit(t, 20*time.Second)
	calls := readTrace(t, trace)
	for i, v := range values {
		written := -1
		for k, c := range calls {
			if strings.HasPrefix(c.name, "pwrite") && strings.Contains(c.args, v.value) {
				written = k
				break
			}
		}
		if written < 0 {
			t.Fatalf("the write of %s is not in the trace", v.value)
		}
		// The client sends one at a time: the first bytes on a socket after the write are its answer, or a fetch session's of
		// nobody; nothing else is connected.
		answer := -1.0
		for _, c := range calls {
			if (c.name == "write" || c.name == "writev" || c.name == "sendto" || c.name == "sendmsg") && c.begin > calls[written].end && strings.Contains(c.args, "synced") {
				answer = c.begin
				break
			}
		}
		if answer < 0 {
			t.Fatalf("the answer to %s is not in the trace", v.value)
		}
		synced := false
		for _, c := range calls {
			if (c.name == "fdatasync" || c.name == "fsync") && c.begin >= calls[written].begin && c.end <= answer {
				synced = true
				break
			}
		}
		if !synced {
			return fmt.Sprintf("the answer to record %d, acks=%s, left at %.6f; its write ended at %.6f and no fdatasync was between", i, v.acks, answer, calls[written].end)
		}
	}
	return ""
}
