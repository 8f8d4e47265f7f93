package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// frame puts the length in front.
func frame(payload []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(payload))), payload...)
}

func header(key, version int16, flexible bool) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = binary.BigEndian.AppendUint32(b, 1)
	b = append(b, 0, 1, 'x')
	if flexible {
		b = append(b, 0)
	}
	return b
}

// rss is a process's resident memory, in bytes.
func rss(t testing.TB, pid int) int64 { return procField(t, pid, "status", `VmRSS:\s+(\d+) kB`) << 10 }

func procField(t testing.TB, pid int, file, pattern string) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(pattern).FindSubmatch(b)
	if m == nil {
		t.Fatalf("%s has no %s", file, pattern)
	}
	n, _ := strconv.ParseInt(string(m[1]), 10, 64)
	return n
}

// cpu is the time that a process has used, in clock ticks of 10 ms.
func cpu(t testing.TB, pid int) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+2:]))
	u, _ := strconv.ParseInt(f[11], 10, 64)
	s, _ := strconv.ParseInt(f[12], 10, 64)
	return u + s
}

func descriptors(t testing.TB, pid int) int {
	t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// TestHostileBytes: whatever a stranger sends, the socket is answered or closed, and others are served.
func TestHostileBytes(t *testing.T) {
	n := StartStandalone(t)
	CreateTopic(t, []string{n.Addr}, "fine", 1, 1, nil)
	tagBomb := append(header(18, 3, true), 1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f)
	zeros := append(header(0, 8, false), make([]byte, 8<<20)...)
	attacks := map[string][]byte{
		"tag bomb":            frame(tagBomb),
		"eight MiB of zeros":  frame(zeros),
		"negative length":     {0xff, 0xff, 0xff, 0xff},
		"length beyond limit": {0x7f, 0xff, 0xff, 0xff},
		"unknown key":         frame(header(999, 0, false)),
		"unknown version":     frame(header(0, 99, false)),
		"key of a broker":     frame(header(4, 0, false)),
		"empty frame":         frame(nil),
		"half a header":       frame([]byte{0, 3}),
		"http":                []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"trailing bytes":      frame(append(header(18, 0, false), 1, 2, 3)),
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		b := header(int16(rng.IntN(80)), int16(rng.IntN(14)), rng.IntN(2) == 0)
		for range rng.IntN(200) {
			b = append(b, byte(rng.IntN(256)))
		}
		attacks[fmt.Sprintf("noise %d", i)] = frame(b)
	}
	before := cpu(t, n.Cmd.Process.Pid)
	for name, bytes := range attacks {
		c, err := net.Dial("tcp", n.Addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := c.Write(bytes); err == nil {
			// An answer, or the end; both within the deadline. Some requests are legal by chance and wait for nothing.
			if c, ok := c.(*net.TCPConn); ok {
				_ = c.CloseWrite()
			}
			if _, err := io.Copy(io.Discard, c); err != nil && strings.Contains(err.Error(), "timeout") {
				t.Errorf("%s: neither an answer nor an end", name)
			}
		}
		c.Close()
	}
	if used := cpu(t, n.Cmd.Process.Pid) - before; used > 500 {
		t.Errorf("%d attacks cost %d0 ms of CPU", len(attacks), used)
	}
	if m := rss(t, n.Cmd.Process.Pid); m > 400<<20 {
		t.Errorf("%d MiB of memory after the attacks", m>>20)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cl := client(t, []string{n.Addr}, kgo.DefaultProduceTopic("fine"))
	defer cl.Close()
	if err := cl.ProduceSync(ctx, kgo.StringRecord("still here")).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// TestBadBatches: each gets Kafka's error, and nothing of it is stored.
func TestBadBatches(t *testing.T) {
	n := StartStandalone(t)
	CreateTopic(t, []string{n.Addr}, "strict", 1, 1, nil)
	good := goodBatch()
	change := func(f func(b []byte)) []byte {
		b := bytes.Clone(good)
		f(b)
		return b
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cl := client(t, []string{n.Addr}, kgo.MaxVersions(kversion.V3_0_0())) // topics by name
	defer cl.Close()
	for name, x := range map[string]struct {
		raw  []byte
		want int16
	}{
		"crc":          {change(func(b []byte) { b[17] ^= 1 }), 2},
		"flipped byte": {change(func(b []byte) { b[len(b)-1] ^= 1 }), 2},
		"magic 1":      {change(func(b []byte) { b[16] = 1 }), 87},
		"two batches":  {append(bytes.Clone(good), good...), 87},
		"length":       {change(func(b []byte) { b[11] = 5 }), 2},
		"nothing":      {[]byte{}, 87},
		"cut":          {good[:len(good)-3], 87},
	} {
		req := kmsg.NewPtrProduceRequest()
		req.Version, req.Acks, req.TimeoutMillis = 9, -1, 5000
		topic := kmsg.NewProduceRequestTopic()
		topic.Topic = "strict"
		p := kmsg.NewProduceRequestTopicPartition()
		p.Records = x.raw
		topic.Partitions = append(topic.Partitions, p)
		req.Topics = append(req.Topics, topic)
		r, err := cl.Broker(1).Request(ctx, req)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if code := r.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode; code != x.want {
			t.Errorf("%s: code %d, want %d", name, code, x.want)
		}
	}
	if all := ReadAll(t, []string{n.Addr}, "strict"); len(all) != 0 {
		t.Fatalf("%d records were stored", len(all))
	}
}

func goodBatch() []byte {
	rec := []byte{16, 0, 0, 0, 1, 4, 'o', 'k', 0}
	rec[0] = byte(len(rec)-1) << 1
	b := make([]byte, 61)
	binary.BigEndian.PutUint32(b[8:], uint32(61-12+len(rec)))
	b[16] = 2
	binary.BigEndian.PutUint64(b[27:], uint64(time.Now().UnixMilli()))
	binary.BigEndian.PutUint64(b[35:], uint64(time.Now().UnixMilli()))
	for i := 43; i < 57; i++ {
		b[i] = 0xff
	}
	binary.BigEndian.PutUint32(b[57:], 1)
	b = append(b, rec...)
	binary.BigEndian.PutUint32(b[17:], crc32c(b[21:]))
	return b
}

// TestIdleConnections: 10,000 of them cost little, and nothing once they are gone (CHRONIK_IDLE sets the number).
func TestIdleConnections(t *testing.T) {
	count := 10_000
	if s, err := strconv.Atoi(os.Getenv("CHRONIK_IDLE")); err == nil {
		count = s
	}
	raiseLimit(t, uint64(count)+1000)
	n := StartStandalone(t)
	pid := n.Cmd.Process.Pid
	warm(t, n.Addr, 200) // pools and heap settle
	before, files := rss(t, pid), descriptors(t, pid)
	hello := frame(header(18, 0, false))
	conns := make([]net.Conn, count)
	for i := range conns {
		// The loopback network has many addresses: one has too few ports.
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, byte(1+i/20000), 1)}}
		c, err := d.Dial("tcp", "127.0.0.1:"+strings.TrimPrefix(n.Addr, "localhost:"))
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		conns[i] = c
		if _, err := c.Write(hello); err != nil {
			t.Fatal(err)
		}
		var size [4]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(size[:]))); err != nil {
			t.Fatal(err)
		}
	}
	each := (rss(t, pid) - before) / int64(count)
	used := cpu(t, pid)
	idle := time.NewTimer(3 * time.Second)
	<-idle.C
	used = cpu(t, pid) - used
	t.Logf("%d idle connections: %d bytes each, %d0 ms of CPU in 3 s", count, each, used)
	if each > 40<<10 {
		t.Errorf("an idle connection costs %d bytes", each)
	}
	if used > 30 {
		t.Errorf("idle connections cost %d0 ms of CPU in 3 s", used)
	}
	for _, c := range conns {
		c.Close()
	}
	Eventually(t, 20*time.Second, "descriptors are given back", func() error {
		if now := descriptors(t, pid); now > files+files/20+2 {
			return fmt.Errorf("%d, before %d", now, files)
		}
		return nil
	})
}

// warm opens and closes some connections.
func warm(t *testing.T, addr string, n int) {
	for range n {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
}

// TestConnectionLimits: max.connections and connections.max.idle.ms apply.
func TestConnectionLimits(t *testing.T) {
	n := StartStandalone(t, "--config", configFile(t, "max.connections=5", "connections.max.idle.ms=1000"))
	var conns []net.Conn
	for range 5 {
		c, err := net.Dial("tcp", n.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns = append(conns, c)
	}
	sixth, err := net.Dial("tcp", n.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer sixth.Close()
	for i, c := range append([]net.Conn{sixth}, conns...) {
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err != io.EOF && !strings.Contains(fmt.Sprint(err), "reset") {
			t.Fatalf("connection %d: %v", i, err)
		}
	}
}
