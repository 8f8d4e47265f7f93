package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var build struct {
	once sync.Once
	path string
	err  error
}

// Binary builds chronik-server once per test process (CHRONIK_BINARY names a ready one) and returns its path.
func Binary(t testing.TB) string {
	t.Helper()
	build.once.Do(func() {
		if p := os.Getenv("CHRONIK_BINARY"); p != "" {
			build.path = p
			return
		}
		dir, err := os.MkdirTemp("", "chronik-e2e")
		if err != nil {
			build.err = err
			return
		}
		build.path = filepath.Join(dir, "chronik-server")
		out, err := exec.Command("go", "build", "-o", build.path, "chronik/cmd/chronik-server").CombinedOutput()
		if err != nil {
			build.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if build.err != nil {
		t.Fatalf("building chronik-server: %v", build.err)
	}
	return build.path
}

// needs skips the test when a program is missing; in CI (CHRONIK_CI=1) it fails instead.
func needs(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			unavailable(t, p+" is not installed")
		}
	}
}

func unavailable(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CHRONIK_CI") != "" {
		t.Fatalf("%s (a skip is a failure in CI)", why)
	}
	t.Skip(why)
}

// freePorts returns n ports that were free a moment ago, outside of the range that the kernel hands to outgoing connections
// where possible.
func freePorts(t testing.TB, n int) []int {
	t.Helper()
	var ls []net.Listener
	var ports []int
	for tries := 0; len(ports) < n; tries++ {
		port := 10000 + rand.IntN(20000)
		if tries > 1000 {
			port = 0 // whatever the kernel has
		}
		l, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
		if err != nil {
			if tries > 2000 {
				t.Fatal(err)
			}
			continue
		}
		ls = append(ls, l)
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	for _, l := range ls {
		l.Close()
	}
	return ports
}

// Process is a running program whose output is kept line by line.
type Process struct {
	Name string
	Cmd  *exec.Cmd

	mu    sync.Mutex
	cond  *sync.Cond
	lines []string
	ended bool
	err   error
	done  chan struct{}
}

// Start runs a program; it is killed at the end of the test.
func Start(t testing.TB, name, dir string, env []string, program string, args ...string) *Process {
	t.Helper()
	p := &Process{Name: name, Cmd: exec.Command(program, args...), done: make(chan struct{})}
	p.cond = sync.NewCond(&p.mu)
	p.Cmd.Dir = dir
	p.Cmd.Env = append(os.Environ(), env...)
	p.Cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	r, w := io.Pipe()
	p.Cmd.Stdout, p.Cmd.Stderr = w, w
	if err := p.Cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", name, err)
	}
	go func() {
		sc := bufio.NewScanner(r)
		sc.Buffer(make([]byte, 64<<10), 16<<20)
		for sc.Scan() {
			p.mu.Lock()
			p.lines = append(p.lines, sc.Text())
			p.cond.Broadcast()
			p.mu.Unlock()
		}
	}()
	go func() {
		err := p.Cmd.Wait()
		w.Close()
		p.mu.Lock()
		p.ended, p.err = true, err
		p.cond.Broadcast()
		p.mu.Unlock()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.Kill()
		for i, l := range p.Lines() { // of a binary that was built with -race
			if strings.Contains(l, "WARNING: DATA RACE") {
				all := p.Lines()
				t.Errorf("%s:\n%s", name, strings.Join(all[i:min(len(all), i+60)], "\n"))
				break
			}
		}
		if t.Failed() {
			t.Logf("---- last output of %s ----\n%s", name, strings.Join(p.Tail(60), "\n"))
		}
	})
	return p
}

// Lines returns all output so far.
func (p *Process) Lines() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.lines...)
}

// Tail returns the last n lines.
func (p *Process) Tail(n int) []string {
	l := p.Lines()
	if len(l) > n {
		l = l[len(l)-n:]
	}
	return l
}

// WaitLine waits until some line, past or future, matches and returns it; it fails the test after the timeout or when the
// program ends first.
func (p *Process) WaitLine(t testing.TB, pattern string, timeout time.Duration) string {
	t.Helper()
	line, err := p.Await(pattern, timeout)
	if err != nil {
		t.Fatalf("%s: waiting for %q: %v\nlast output:\n%s", p.Name, pattern, err, strings.Join(p.Tail(40), "\n"))
	}
	return line
}

// Await is WaitLine with an error.
func (p *Process) Await(pattern string, timeout time.Duration) (string, error) {
	re := regexp.MustCompile(pattern)
	expired := false
	timer := time.AfterFunc(timeout, func() {
		p.mu.Lock()
		expired = true
		p.cond.Broadcast()
		p.mu.Unlock()
	})
	defer timer.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := 0; ; {
		for ; i < len(p.lines); i++ {
			if re.MatchString(p.lines[i]) {
				return p.lines[i], nil
			}
		}
		if p.ended {
			return "", fmt.Errorf("it ended: %v", p.err)
		}
		if expired {
			return "", errors.New("timeout")
		}
		p.cond.Wait()
	}
}

// Kill is kill -9, and waits for the end.
func (p *Process) Kill() {
	_ = p.Cmd.Process.Kill()
	<-p.done
}

// Signal sends a signal without waiting.
func (p *Process) Signal(s syscall.Signal) { _ = p.Cmd.Process.Signal(s) }

// WaitExit waits for the program's end and returns its exit code; it fails the test after the timeout.
func (p *Process) WaitExit(t testing.TB, timeout time.Duration) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(timeout):
		t.Fatalf("%s did not end within %v\n%s", p.Name, timeout, strings.Join(p.Tail(40), "\n"))
	}
	return p.Cmd.ProcessState.ExitCode()
}

// Eventually polls a condition under a deadline.
func Eventually(t testing.TB, timeout time.Duration, what string, cond func() error) {
	t.Helper()
	deadline := time.Now().Add(timeout)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := cond()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s not within %v: %v", what, timeout, err)
		}
		<-tick.C
	}
}

// Run runs a program to its end and returns its output; in is its standard input.
func Run(t testing.TB, timeout time.Duration, in string, program string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Stdin = strings.NewReader(in)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return "", err
	}
	timer := time.AfterFunc(timeout, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	if !timer.Stop() && err != nil {
		err = fmt.Errorf("killed after %v: %w", timeout, err)
	}
	return out.String(), err
}

// Node is a running chronik-server.
type Node struct {
	*Process
	ID   int
	Addr string // Kafka address, localhost:port
	Dir  string // data directory
	Args []string
	Env  []string
}

// StartStandalone runs a standalone broker on free ports and a fresh directory, and waits until it is ready.
func StartStandalone(t testing.TB, flags ...string) *Node {
	t.Helper()
	ports := freePorts(t, 2)
	dir := filepath.Join(t.TempDir(), "data")
	n := &Node{ID: 1, Addr: fmt.Sprintf("localhost:%d", ports[0]), Dir: dir,
		Args: append([]string{"--kafka-port", fmt.Sprint(ports[0]), "--metrics-port", fmt.Sprint(ports[1]), "--data-dir", dir}, flags...)}
	n.Restart(t)
	return n
}

// readyLine is what a node prints once Kafka clients can connect.
const readyLine = `Kafka clients: `

// Restart starts the node (again) with its own arguments and waits until it listens.
func (n *Node) Restart(t testing.TB) {
	t.Helper()
	n.launch(t)
	n.WaitLine(t, readyLine, 30*time.Second)
}

func (n *Node) launch(t testing.TB) {
	t.Helper()
	n.Process = Start(t, fmt.Sprintf("chronik-%d", n.ID), t.TempDir(), n.Env, Binary(t), n.Args...)
}
