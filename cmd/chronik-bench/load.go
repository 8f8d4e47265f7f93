package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// load describes one run.
type load struct {
	bootstrap, topic      string
	batch, record         int
	connections, inFlight int
	acks                  int16
	rate                  int
	warmUp, duration      time.Duration
	pid                   int
}

// result is what a run measured. Latency is from the intended send (open loop) or the send (closed loop) to the answer.
type result struct {
	Batches       int64   `json:"batches"`
	BatchesPerSec float64 `json:"batches_per_s"`
	MBPerSec      float64 `json:"mb_per_s"`
	P50           float64 `json:"p50_ms"`
	P99           float64 `json:"p99_ms"`
	P999          float64 `json:"p999_ms"`
	Max           float64 `json:"max_ms"`
	CPUPerGB      float64 `json:"cpu_s_per_gb,omitempty"`
	PeakRSS       int64   `json:"peak_rss_bytes,omitempty"`
}

const produceVersion = 7

// target is one partition and the socket address of its leader.
type target struct {
	partition int32
	addr      string
}

func leaders(l load) ([]target, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(l.bootstrap))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	req := kmsg.NewPtrMetadataRequest()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = kmsg.StringPtr(l.topic)
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return nil, err
	}
	addr := map[int32]string{}
	for _, b := range resp.Brokers {
		addr[b.NodeID] = net.JoinHostPort(b.Host, fmt.Sprint(b.Port))
	}
	var ts []target
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if p.Leader < 0 {
				return nil, fmt.Errorf("partition %d of %s has no leader", p.Partition, l.topic)
			}
			ts = append(ts, target{p.Partition, addr[p.Leader]})
		}
	}
	if len(ts) == 0 {
		return nil, fmt.Errorf("topic %s has no partitions", l.topic)
	}
	return ts, nil
}

// run drives the load and measures.
func run(l load) (result, error) {
	ts, err := leaders(l)
	if err != nil {
		return result{}, err
	}
	byLeader := map[string][]int32{}
	var addrs []string
	for _, t := range ts {
		if byLeader[t.addr] == nil {
			addrs = append(addrs, t.addr)
		}
		byLeader[t.addr] = append(byLeader[t.addr], t.partition)
	}
	batch := buildBatch(l.batch, l.record)
	begin := time.Now()
	from, until := begin.Add(l.warmUp), begin.Add(l.warmUp+l.duration)
	var batches atomic.Int64
	var failed atomic.Pointer[error]
	hists := make([]*hdrhistogram.Histogram, l.connections)
	var wg sync.WaitGroup
	var cpu0 float64
	time.AfterFunc(l.warmUp, func() { cpu0, _ = cpuSeconds(l.pid) })
	for i := range l.connections {
		hists[i] = hdrhistogram.New(1, 120_000_000, 3)
		addr := addrs[i%len(addrs)]
		parts := byLeader[addr]
		mine := []int32{}
		for k := i / len(addrs); k < len(parts); k += max(1, l.connections/len(addrs)) {
			mine = append(mine, parts[k])
		}
		if len(mine) == 0 {
			mine = append(mine, parts[i%len(parts)])
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := drive(l, i, addr, mine, batch, from, until, hists[i], &batches); err != nil {
				failed.CompareAndSwap(nil, &err)
			}
		}()
	}
	wg.Wait()
	if e := failed.Load(); e != nil {
		return result{}, *e
	}
	cpu1, rss := cpuSeconds(l.pid)
	all := hdrhistogram.New(1, 120_000_000, 3)
	for _, h := range hists {
		all.Merge(h)
	}
	n := batches.Load()
	secs := l.duration.Seconds()
	ms := func(q float64) float64 { return float64(all.ValueAtQuantile(q)) / 1000 }
	r := result{Batches: n, BatchesPerSec: float64(n) / secs, MBPerSec: float64(n) * float64(len(batch)) / secs / 1e6,
		P50: ms(50), P99: ms(99), P999: ms(99.9), Max: float64(all.Max()) / 1000, PeakRSS: rss}
	if l.pid > 0 && n > 0 {
		r.CPUPerGB = (cpu1 - cpu0) / (float64(n) * float64(len(batch)) / 1e9)
	}
	return r, nil
}

// drive keeps one connection busy: a writer that takes a credit (or waits for its turn in open loop), and a reader that
// pairs answers with sends in order.
func drive(l load, id int, addr string, partitions []int32, batch []byte, from, until time.Time, h *hdrhistogram.Histogram, batches *atomic.Int64) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	frames := make([][]byte, len(partitions))
	for i, p := range partitions {
		frames[i] = produceFrame(l, p, batch)
	}
	depth := l.inFlight
	if l.rate > 0 {
		depth = 4096 // open loop: sends are not held back by answers
	}
	sent := make(chan time.Time, depth)
	credit := make(chan struct{}, depth)
	readErr := make(chan error, 1)
	go func() { readErr <- readAnswers(conn, sent, credit, from, until, h, batches) }()
	var every time.Duration
	next := time.Now()
	if l.rate > 0 {
		every = time.Second * time.Duration(l.connections) / time.Duration(l.rate)
		next = next.Add(every * time.Duration(id) / time.Duration(l.connections))
	}
	for i := id; time.Now().Before(until); i++ {
		stamp := time.Now()
		if l.rate > 0 {
			if d := time.Until(next); d > 0 {
				time.Sleep(d)
			}
			stamp = next
			next = next.Add(every)
		}
		select {
		case credit <- struct{}{}:
		case err := <-readErr:
			return err
		}
		if l.rate == 0 {
			stamp = time.Now()
		}
		sent <- stamp
		if _, err := conn.Write(frames[i%len(frames)]); err != nil {
			return err
		}
	}
	close(sent)
	return <-readErr
}

func readAnswers(conn net.Conn, sent <-chan time.Time, credit <-chan struct{}, from, until time.Time, h *hdrhistogram.Histogram, batches *atomic.Int64) error {
	buf := make([]byte, 64<<10)
	for at := range sent {
		if _, err := io.ReadFull(conn, buf[:4]); err != nil {
			return err
		}
		n := int(binary.BigEndian.Uint32(buf))
		if n > len(buf) {
			return fmt.Errorf("an answer of %d bytes", n)
		}
		if _, err := io.ReadFull(conn, buf[:n]); err != nil {
			return err
		}
		now := time.Now()
		<-credit
		// correlation id, topics(1), name, partitions(1), index, error code
		nameLen := int(binary.BigEndian.Uint16(buf[8:]))
		if code := int16(binary.BigEndian.Uint16(buf[10+nameLen+4+4:])); code != 0 && (code != 6 || now.After(from)) {
			// A leader that was elected a moment ago may still refuse while the run warms up.
			return fmt.Errorf("the broker answered error code %d", code)
		}
		if now.After(from) && now.Before(until) {
			batches.Add(1)
			_ = h.RecordValue(max(1, now.Sub(at).Microseconds()))
		}
	}
	return nil
}
