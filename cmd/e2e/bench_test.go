package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/wcharczuk/go-chart/v2"
	"github.com/wcharczuk/go-chart/v2/drawing"
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

// touch writes one record to every partition: Apache Kafka names a leader before that one knows, and the load generator takes no
// refusal.
func touch(t testing.TB, addr, topic string, partitions int32) {
	t.Helper()
	cl := client(t, []string{addr}, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic(topic))
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for p := range partitions {
		if err := cl.ProduceSync(ctx, &kgo.Record{Partition: p, Value: []byte("x")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// deleteTopic deletes a topic of a bench round.
func deleteTopic(t testing.TB, addr, topic string) {
	t.Helper()
	cl := client(t, []string{addr})
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	r, err := kadm.NewClient(cl).DeleteTopics(ctx, topic)
	if err == nil {
		err = r.Error()
	}
	if err != nil {
		t.Fatalf("deleting %s at %s: %v", topic, addr, err)
	}
}

// fullForm is the number of rounds from which on each work has to keep the floor.
const fullForm = 5

// competitor is one of the brokers that are compared.
type competitor struct {
	name string
	addr string
	pid  int
}

// measured is one row of the table: a work, and the rounds of each competitor.
type measured struct {
	work   string
	rounds map[string][]figures
}

// ratio is our throughput as a part of that of Kafka's defaults.
func (m measured) ratio() float64 {
	return pick(m.rounds["chronik"], mb) / pick(m.rounds["kafka"], mb)
}

func pick(f []figures, g func(figures) float64) float64 {
	var v []float64
	for _, x := range f {
		v = append(v, g(x))
	}
	return median(v)
}

func mb(x figures) float64 { return x.MBPerSec }

// TestBench compares us with Apache Kafka 4.3.1 in one run, alternating: with Kafka's shipped configuration (no fsync) and with
// flush.messages=1, by chronik-bench (prebuilt batches) and by the official perf tools. CHRONIK_BENCH names the number of rounds
// (off by default). The floor is CHRONIK_BENCH_FLOOR (0.95) times the throughput of Kafka's defaults, with our fsync before every
// acknowledgement: for every work, median of the rounds, when there are five or more; for the median of all works in the short
// form, whose single rounds are noise. The table and a plot go to CHRONIK_BENCH_OUT (a folder), when set.
func TestBench(t *testing.T) {
	rounds := 0
	fmt.Sscan(os.Getenv("CHRONIK_BENCH"), &rounds)
	if rounds == 0 {
		t.Skip("set CHRONIK_BENCH=5 (rounds) to compare with Apache Kafka")
	}
	floor, seconds := 0.95, 5
	fmt.Sscan(os.Getenv("CHRONIK_BENCH_FLOOR"), &floor)
	fmt.Sscan(os.Getenv("CHRONIK_BENCH_SECONDS"), &seconds)
	bench := benchBinary(t)
	Binary(t)
	began := time.Now()
	ours := StartStandalone(t)
	started := time.Since(began)
	idle := rss(t, ours.Cmd.Process.Pid)
	t.Logf("ours: first listening %v after the start of the process, %d MiB of memory", started.Round(time.Millisecond), idle>>20)
	if started > 500*time.Millisecond {
		t.Errorf("start-up took %v", started)
	}
	if idle > 64<<20 {
		t.Errorf("an idle broker takes %d MiB", idle>>20)
	}
	plain, synced := StartKafka(t, "1g"), StartKafka(t, "1g", "log.flush.interval.messages=1")
	all := []competitor{{"chronik", ours.Addr, ours.Cmd.Process.Pid}, {"kafka", plain.Addr, plain.Cmd.Process.Pid}, {"kafka, flush.messages=1", synced.Addr, synced.Cmd.Process.Pid}}
	t.Logf("ours:  %s", strings.Join(ours.Cmd.Args, " "))
	t.Logf("kafka: %s", strings.Join(plain.Cmd.Args, " "))
	var table []measured
	var ratios []float64
	// Each round has a topic of its own, which goes after it: what all rounds together write is more than a disk may hold.
	compare := func(work string, partitions int32, run func(c competitor, topic string) figures) {
		m := measured{work, map[string][]figures{}}
		for i := range rounds {
			for _, c := range all {
				topic := fmt.Sprintf("bench-%d-%d", len(table), i)
				now := "0"
				CreateTopic(t, []string{c.addr}, topic, partitions, 1, map[string]*string{"file.delete.delay.ms": &now})
				touch(t, c.addr, topic, partitions)
				m.rounds[c.name] = append(m.rounds[c.name], run(c, topic))
				deleteTopic(t, c.addr, topic)
			}
		}
		table = append(table, m)
		line := fmt.Sprintf("%-34s", work)
		for _, c := range all {
			f := m.rounds[c.name]
			line += fmt.Sprintf(" | %s %.1f MB/s p50 %.1f p99 %.1f ms %.1f CPU-s/GB %d MiB", c.name, pick(f, mb), pick(f, func(x figures) float64 { return x.P50 }),
				pick(f, func(x figures) float64 { return x.P99 }), pick(f, func(x figures) float64 { return x.CPUPerGB }), int64(pick(f, func(x figures) float64 { return float64(x.PeakRSS) }))>>20)
		}
		ratio := m.ratio()
		t.Logf("%s | ratio %.2f", line, ratio)
		ratios = append(ratios, ratio)
		if rounds >= fullForm && ratio < floor {
			t.Errorf("%s: %.2f of Kafka's throughput is below the floor of %.2f", work, ratio, floor)
		}
	}
	for _, parts := range []int32{1, 6, 100} {
		for _, size := range []int{1024, 16384} {
			compare(fmt.Sprintf("%d partitions, batches of %d", parts, size), parts, func(c competitor, topic string) figures {
				return drive(t, bench, c.addr, c.pid, "--topic", topic, "--batch", fmt.Sprint(size), "--duration", fmt.Sprintf("%ds", seconds))
			})
		}
		compare(fmt.Sprintf("%d partitions, Java perf tool", parts), parts, func(c competitor, topic string) figures { return javaPerf(t, c, topic, seconds, rounds >= fullForm) })
	}
	t.Logf("median of all works: %.2f of Kafka's throughput", median(ratios))
	if median(ratios) < floor {
		t.Errorf("the median of all works, %.2f of Kafka's throughput, is below the floor of %.2f", median(ratios), floor)
	}
	syncs := metric(t, ours, "chronik_wal_rounds_total")
	t.Logf("our log was written and synced %d times", syncs)
	report(t, table, all)
}

var perfLine = regexp.MustCompile(`records sent, ([\d.]+) records/sec \(([\d.]+) MB/sec\), ([\d.]+) ms avg latency.*?(\d+) ms 50th, .*?(\d+) ms 99th`)

// javaPerf runs kafka-producer-perf-test: records of 1 KB, acks=all, as fast as it goes. In the full form as many records as are
// measured are sent before (KIP-1052), or the tool measures how its own virtual machine warms up.
func javaPerf(t testing.TB, c competitor, topic string, seconds int, warm bool) figures {
	t.Helper()
	before, records, warmUp := cpu(t, c.pid), 40_000*seconds, 0
	if warm {
		records, warmUp = 120_000*seconds, 60_000*seconds
	}
	out, err := Java(t, 5*time.Minute, "", "kafka-producer-perf-test", "--topic", topic, "--num-records", fmt.Sprint(records), "--warmup-records", fmt.Sprint(warmUp), "--record-size", "1024", "--throughput", "-1",
		"--bootstrap-server", c.addr, "--command-property", "acks=all")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	all := perfLine.FindAllStringSubmatch(out, -1)
	if len(all) == 0 {
		t.Fatalf("no result in\n%s", out)
	}
	m := all[len(all)-1]
	number := func(s string) float64 { v, _ := strconv.ParseFloat(s, 64); return v }
	f := figures{MBPerSec: number(m[2]) * 1.048576, P50: number(m[4]), P99: number(m[5]), PeakRSS: procField(t, c.pid, "status", `VmHWM:\s+(\d+) kB`) << 10}
	f.CPUPerGB = float64(cpu(t, c.pid)-before) / 100 / (float64(records) * 1024 / 1e9)
	return f
}

// metric reads one number from a node's /metrics.
func metric(t testing.TB, n *Node, name string) int64 {
	t.Helper()
	for i, a := range n.Args {
		if a != "--metrics-port" {
			continue
		}
		r, err := http.Get("http://localhost:" + n.Args[i+1] + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		b, _ := io.ReadAll(r.Body)
		if m := regexp.MustCompile(`(?m)^` + name + ` (\d+)`).FindSubmatch(b); m != nil {
			v, _ := strconv.ParseInt(string(m[1]), 10, 64)
			return v
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// report writes the table and the plot.
func report(t testing.TB, table []measured, all []competitor) {
	dir := os.Getenv("CHRONIK_BENCH_OUT")
	if dir == "" {
		return
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var md strings.Builder
	fmt.Fprintf(&md, "One run of `task bench` on %d CPUs: medians of %d rounds, 1 node, acks=all. The ratio is our throughput, with a sync before each\nacknowledgement, to that of Kafka's defaults, without.\n\n", runtime.NumCPU(), len(table[0].rounds[all[0].name]))
	md.WriteString("| Work | ratio |")
	for _, c := range all {
		fmt.Fprintf(&md, " %s MB/s | p99 ms | CPU-s/GB |", c.name)
	}
	md.WriteString("\n|---|---|" + strings.Repeat("---|", 3*len(all)) + "\n")
	chartOf := chart.BarChart{Title: "MB/s", Height: 480, Width: 1800, BarWidth: 28, Background: chart.Style{Padding: chart.Box{Top: 40, Bottom: 120}},
		XAxis: chart.Style{TextRotationDegrees: 75, FontSize: 7}}
	colors := []string{"2a6fdb", "c9c9c9", "8a8a8a"}
	for _, m := range table {
		fmt.Fprintf(&md, "| %s | %.2f |", m.work, m.ratio())
		for i, c := range all {
			f := m.rounds[c.name]
			fmt.Fprintf(&md, " %.1f | %.1f | %.1f |", pick(f, mb), pick(f, func(x figures) float64 { return x.P99 }), pick(f, func(x figures) float64 { return x.CPUPerGB }))
			color := drawing.ColorFromHex(colors[i])
			chartOf.Bars = append(chartOf.Bars, chart.Value{Value: pick(f, mb), Label: m.work + ": " + c.name, Style: chart.Style{FillColor: color, StrokeColor: color}})
		}
		md.WriteString("\n")
	}
	md.WriteString("\n![MB/s](plot.svg)\n")
	if err := os.WriteFile(filepath.Join(dir, "README.md"), []byte(md.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "plot.svg"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := chartOf.Render(chart.SVG, f); err != nil {
		t.Fatal(err)
	}
}
