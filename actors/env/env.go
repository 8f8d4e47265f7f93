// Package env is what the actors are given instead of the world: clock, randomness, network, file system, logger.
// Production hands in the real ones (package actors/netio and wal/vfs), the simulation its own (actors/actortest).
//
// Invariants: (1) nothing here blocks the caller; (2) callbacks of a socket run one at a time, in order, and only post
// messages; (3) a buffer handed to Send is not changed afterwards.
package env

import (
	"log/slog"
	"math/rand/v2"
	"time"

	"chronik/wal/vfs"
)

// Clock tells the wall time. Logic that must be replayed alike on all replicas never calls it: leaders put the time
// into what they propose. Time passes for actors as Tick messages.
type Clock interface {
	Now() time.Time
	// Monotonic is the time since some moment in the past; it never jumps. Everything that waits uses it.
	Monotonic() time.Duration
	// After calls f once, d from now, on some goroutine (production) or as a simulation step; f only posts messages.
	After(d time.Duration, f func()) (cancel func())
}

// Env is everything an actor may touch outside its own state and mailbox.
type Env struct {
	Clock   Clock
	Rand    *rand.Rand // single owner: the actor that it was handed to; take a new one from NewRand for a child
	NewRand func() *rand.Rand
	Network Network
	FS      vfs.FS
	Log     *slog.Logger
	// Fatal ends the process (production: log, exit 1; simulation: marks the node crashed and fails the run when the
	// text starts with BUG:). It does not return in production.
	Fatal func(text string)
}

// Network opens listeners and connections. Both Kafka clients and peer links use it: frames with a 4-byte big-endian
// length prefix (not part of the payload).
type Network interface {
	// Listen calls accept for every new connection until the listener is closed.
	Listen(addr string, accept func(Socket)) (Listener, error)
	// Dial reports once through done, from another goroutine; nil socket on error.
	Dial(addr string, timeout time.Duration, done func(Socket, error))
}

// Listener is an open port.
type Listener interface {
	Addr() string // host:port as bound
	Close()
}

// SocketLimits bound what a peer can make us hold.
type SocketLimits struct {
	MaxFrame    int           // a longer frame closes the connection with ErrFrameTooLarge before allocation
	MaxInflight int           // frames delivered and not yet released; reading stops beyond it
	MaxQueued   int           // bytes waiting to be written; Send beyond it closes the connection as stalled
	ReadTimeout time.Duration // no complete frame within it after its first byte: closed; 0 = none
	// WriteTimeout closes a connection whose peer takes nothing for that long; 0 = none.
	WriteTimeout time.Duration
}

// Handler receives what arrives. Its methods run on the socket's own goroutine, one at a time, and only post messages.
type Handler interface {
	// Frame hands over one payload; it belongs to the receiver until Release.
	Frame(f Frame)
	// Closed is called once, last.
	Closed(err error)
}

// Frame is a received payload in a pooled buffer.
type Frame struct {
	Payload []byte
	Free    func() // gives the buffer back to its pool; call at most once, nil when not pooled
}

// Socket is one connection. All methods are safe from any goroutine.
type Socket interface {
	// Start begins reading; call once.
	Start(l SocketLimits, h Handler)
	// Send queues one frame; the length prefix is added. done (may be nil) is called after the last byte was given to
	// the kernel or the connection died. It never blocks. Order is kept.
	Send(parts [][]byte, done func())
	// Release allows one more frame to be read (see MaxInflight).
	Release()
	Close()
	LocalAddr() string
	RemoteAddr() string
}
