package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// figures is what chronik-bench prints.
type figures struct {
	BatchesPerSec float64 `json:"batches_per_s"`
	MBPerSec      float64 `json:"mb_per_s"`
	P50           float64 `json:"p50_ms"`
	P99           float64 `json:"p99_ms"`
	CPUPerGB      float64 `json:"cpu_s_per_gb"`
	PeakRSS       int64   `json:"peak_rss_bytes"`
}

func benchBinary(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "chronik-bench")
	if out, err := exec.Command("go", "build", "-o", path, "chronik/cmd/chronik-bench").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

func drive(t testing.TB, bench, addr string, pid int, args ...string) figures {
	t.Helper()
	out, err := Run(t, 5*time.Minute, "", bench, append([]string{"produce", "--bootstrap", addr, "--pid", fmt.Sprint(pid)}, args...)...)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var f figures
	if err := json.Unmarshal([]byte(out), &f); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	return f
}

func median(v []float64) float64 {
	s := slices.Clone(v)
	slices.Sort(s)
	return s[len(s)/2]
}

// TestBench compares us with Apache Kafka 4.3.1 in one run, alternating, by chronik-bench: CHRONIK_BENCH names the number of
// rounds (off by default). The floor is CHRONIK_BENCH_FLOOR (0.95) times Kafka's throughput, median of the rounds, with
// Kafka's defaults (no fsync) against our fsync before every acknowledgement.
func TestBench(t *testing.T) {
	rounds := 0
	fmt.Sscan(os.Getenv("CHRONIK_BENCH"), &rounds)
	if rounds == 0 {
		t.Skip("set CHRONIK_BENCH=5 (rounds) to compare with Apache Kafka")
	}
	floor := 0.95
	fmt.Sscan(os.Getenv("CHRONIK_BENCH_FLOOR"), &floor)
	seconds := 5
	fmt.Sscan(os.Getenv("CHRONIK_BENCH_SECONDS"), &seconds)
	bench := benchBinary(t)
	ours := StartStandalone(t)
	kafka := StartKafka(t, "1g")
	t.Logf("ours:  %s", strings.Join(ours.Cmd.Args, " "))
	t.Logf("kafka: %s", strings.Join(kafka.Cmd.Args, " "))
	for _, parts := range []int32{1, 6, 100} {
		topic := fmt.Sprintf("bench-%d", parts)
		CreateTopic(t, []string{ours.Addr}, topic, parts, 1, nil)
		CreateTopic(t, []string{kafka.Addr}, topic, parts, 1, nil)
		for _, size := range []int{1024, 16384, 65536} {
			args := []string{"--topic", topic, "--batch", fmt.Sprint(size), "--duration", fmt.Sprintf("%ds", seconds)}
			var a, b []figures
			for range rounds {
				a = append(a, drive(t, bench, ours.Addr, ours.Cmd.Process.Pid, args...))
				b = append(b, drive(t, bench, kafka.Addr, kafka.Cmd.Process.Pid, args...))
			}
			pick := func(f []figures, g func(figures) float64) float64 {
				var v []float64
				for _, x := range f {
					v = append(v, g(x))
				}
				return median(v)
			}
			mb := func(x figures) float64 { return x.MBPerSec }
			p99 := func(x figures) float64 { return x.P99 }
			cpu := func(x figures) float64 { return x.CPUPerGB }
			ratio := pick(a, mb) / pick(b, mb)
			t.Logf("%3d partitions %6d B batches: ours %7.1f MB/s p99 %6.1f ms %5.1f CPU-s/GB | Kafka %7.1f MB/s p99 %6.1f ms %5.1f CPU-s/GB | ratio %.2f",
				parts, size, pick(a, mb), pick(a, p99), pick(a, cpu), pick(b, mb), pick(b, p99), pick(b, cpu), ratio)
			if ratio < floor {
				t.Errorf("%d partitions, %d bytes: %.2f of Kafka's throughput is below the floor of %.2f", parts, size, ratio, floor)
			}
		}
	}
}
