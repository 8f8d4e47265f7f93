package netio

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"chronik/actors/env"
)

// Clock is the wall clock.
type Clock struct{}

// Now implements env.Clock.
func (Clock) Now() time.Time { return time.Now() }

var began = time.Now()

// Monotonic implements env.Clock.
func (Clock) Monotonic() time.Duration { return time.Since(began) }

// After implements env.Clock.
func (Clock) After(d time.Duration, f func()) (cancel func()) {
	t := time.AfterFunc(d, f)
	return func() { t.Stop() }
}

// Network is TCP.
type Network struct{}

type listener struct{ net.Listener }

func (l listener) Addr() string { return l.Listener.Addr().String() }
func (l listener) Close()       { _ = l.Listener.Close() }

// Listen implements env.Network.
func (Network) Listen(addr string, accept func(env.Socket)) (env.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	go func() {
		pause := 5 * time.Millisecond
		for {
			c, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil { // out of descriptors: try again a little later
				time.Sleep(pause)
				pause = min(2*pause, time.Second)
				continue
			}
			pause = 5 * time.Millisecond
			accept(newSocket(c))
		}
	}()
	return listener{l}, nil
}

// Dial implements env.Network.
func (Network) Dial(addr string, timeout time.Duration, done func(env.Socket, error)) {
	go func() {
		c, err := net.DialTimeout("tcp", addr, timeout)
		if err != nil {
			done(nil, err)
			return
		}
		done(newSocket(c), nil)
	}()
}

// ErrFrameTooLarge closes a connection that announces more than it may send.
var ErrFrameTooLarge = errors.New("frame too large")

// ErrStalled closes a connection whose peer does not take what it asked for.
var ErrStalled = errors.New("the peer does not read its answers")

type outgoing struct {
	parts [][]byte
	size  int
	done  func()
	last  bool // no frame: close behind everything that was queued before
}

type socket struct {
	c      net.Conn
	limits env.SocketLimits
	h      env.Handler
	room   *sync.Cond // of mu: inflight may have gone down

	mu       sync.Mutex
	inflight int
	queue    []outgoing
	queued   int
	writing  bool
	closed   bool
	cause    error
}

func newSocket(c net.Conn) *socket {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetNoDelay(true)
		_ = t.SetKeepAlive(true)
	}
	s := &socket{c: c}
	s.room = sync.NewCond(&s.mu)
	return s
}

func (s *socket) LocalAddr() string  { return s.c.LocalAddr().String() }
func (s *socket) RemoteAddr() string { return s.c.RemoteAddr().String() }

// Start implements env.Socket.
func (s *socket) Start(l env.SocketLimits, h env.Handler) {
	s.limits, s.h = l, h
	go s.read()
}

func (s *socket) read() {
	err := s.readFrames()
	s.fail(err)
	s.mu.Lock()
	err = s.cause
	s.mu.Unlock()
	s.h.Closed(err)
}

// readers are shared by all connections while they are in the middle of frames; an idle connection holds none.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 64<<10) }}

func (s *socket) readFrames() error {
	for {
		var first [1]byte // wait for the next frame without holding a buffer
		if _, err := io.ReadFull(s.c, first[:]); err != nil {
			return err
		}
		r := readers.Get().(*bufio.Reader)
		r.Reset(io.MultiReader(&prefix{b: first[:]}, s.c))
		err := s.readBurst(r)
		r.Reset(nil)
		readers.Put(r)
		if err != nil {
			return err
		}
	}
}

// prefix gives back one byte that was read already.
type prefix struct{ b []byte }

func (p *prefix) Read(b []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.b)
	p.b = p.b[n:]
	return n, nil
}

// readBurst reads frames until the buffer is empty at a frame's end.
func (s *socket) readBurst(r *bufio.Reader) error {
	for {
		if s.limits.ReadTimeout > 0 {
			_ = s.c.SetReadDeadline(time.Now().Add(s.limits.ReadTimeout))
		}
		var head [4]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return err
		}
		n := int(int32(binary.BigEndian.Uint32(head[:])))
		if n < 0 || s.limits.MaxFrame > 0 && n > s.limits.MaxFrame {
			return fmt.Errorf("%w: %d bytes announced, at most %d are taken", ErrFrameTooLarge, n, s.limits.MaxFrame)
		}
		buf := getBuffer(n)
		if _, err := io.ReadFull(r, buf); err != nil {
			putBuffer(buf)
			return err
		}
		if s.limits.ReadTimeout > 0 {
			_ = s.c.SetReadDeadline(time.Time{})
		}
		if !s.admit() {
			putBuffer(buf)
			return net.ErrClosed
		}
		s.h.Frame(env.Frame{Payload: buf, Free: func() { putBuffer(buf) }})
		if r.Buffered() == 0 {
			return nil
		}
	}
}

// admit waits until another frame may be in flight.
func (s *socket) admit() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.limits.MaxInflight > 0 && s.inflight >= s.limits.MaxInflight && !s.closed {
		s.room.Wait()
	}
	s.inflight++
	return !s.closed
}

// Release implements env.Socket.
func (s *socket) Release() {
	s.mu.Lock()
	s.inflight--
	s.mu.Unlock()
	s.room.Signal()
}

// Send implements env.Socket.
func (s *socket) Send(parts [][]byte, done func()) {
	o := outgoing{parts: parts, done: done}
	for _, p := range parts {
		o.size += len(p)
	}
	s.mu.Lock()
	stalled := s.limits.MaxQueued > 0 && s.queued > 0 && s.queued+o.size > s.limits.MaxQueued
	if s.closed || stalled {
		s.mu.Unlock()
		if stalled {
			s.fail(ErrStalled)
		}
		if done != nil {
			done()
		}
		return
	}
	s.queue = append(s.queue, o)
	s.queued += o.size
	start := !s.writing
	s.writing = true
	s.mu.Unlock()
	if start {
		go s.write()
	}
}

// write sends until the queue is empty: everything that queued up meanwhile leaves with one system call.
func (s *socket) write() {
	var batch []outgoing
	var bufs net.Buffers
	for {
		s.mu.Lock()
		if len(s.queue) == 0 {
			s.writing = false
			s.mu.Unlock()
			return
		}
		batch, s.queue = s.queue, batch[:0]
		dead := s.closed
		s.mu.Unlock()
		bufs = bufs[:0]
		heads := make([]byte, 4*len(batch))
		size := 0
		for i, o := range batch {
			if o.last {
				continue
			}
			head := heads[4*i : 4*i+4]
			binary.BigEndian.PutUint32(head, uint32(o.size))
			bufs = append(bufs, head)
			bufs = append(bufs, o.parts...)
			size += o.size
		}
		if !dead {
			if s.limits.WriteTimeout > 0 {
				_ = s.c.SetWriteDeadline(time.Now().Add(s.limits.WriteTimeout))
			}
			out := bufs
			if _, err := out.WriteTo(s.c); err != nil {
				s.fail(err)
			}
		}
		s.mu.Lock()
		s.queued -= size
		s.mu.Unlock()
		for i := range batch {
			if batch[i].done != nil {
				batch[i].done()
			}
			batch[i] = outgoing{}
		}
	}
}

func (s *socket) fail(err error) {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	if first {
		s.cause = err
	}
	s.mu.Unlock()
	if first {
		_ = s.c.Close()
		s.room.Broadcast()
	}
}

// Close implements env.Socket. What was queued by Send before is given a chance to leave.
func (s *socket) Close() {
	s.mu.Lock()
	idle := !s.writing
	if !idle {
		s.queue = append(s.queue, outgoing{last: true, done: func() { s.fail(net.ErrClosed) }})
	}
	s.mu.Unlock()
	if idle {
		s.fail(net.ErrClosed)
	}
}

// Buffers come in powers of two from 4 KiB to 32 MiB.
const (
	smallest = 12
	largest  = 25
)

var buffers [largest - smallest + 1]sync.Pool

func class(n int) int {
	c := 0
	for n > 1<<(smallest+c) {
		c++
	}
	return c
}

func getBuffer(n int) []byte {
	c := class(n)
	if c >= len(buffers) {
		return make([]byte, n)
	}
	if b, ok := buffers[c].Get().(*[]byte); ok {
		return (*b)[:n]
	}
	return make([]byte, n, 1<<(smallest+c))
}

func putBuffer(b []byte) {
	c := class(cap(b))
	if c < len(buffers) && cap(b) == 1<<(smallest+c) {
		b = b[:cap(b)]
		buffers[c].Put(&b)
	}
}
