package actors

import (
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/asynkron/protoactor-go/actor"
)

// throughput is how many messages an actor handles before others get their turn.
const throughput = 40

// pool runs non-blocking actors on a few workers. Another worker is woken only while fewer than enough run, or when those that
// run are stuck: to hand an actor over to another processor costs more than most messages do, and the sockets, the log and the
// segments need processors too. On two CPUs one worker instead of four gave 15 to 20 % more. The queue is bounded only by the
// number of actors: each is in it at most once.
type pool struct {
	mu      sync.Mutex
	wake    sync.Cond
	work    queue
	enough  int
	idle    int
	running int
	taken   time.Time // when an actor was last taken off the queue
}

// patience is how long actors wait for workers that are busy, before one more is woken.
const patience = 2 * time.Millisecond

func newPool(workers, enough int) *pool {
	p := &pool{enough: enough, running: workers} // they look for work before they rest
	p.wake.L = &p.mu
	for range workers {
		go p.serve()
	}
	return p
}

func (p *pool) serve() {
	p.mu.Lock()
	for {
		for p.work.len() > 0 {
			f := p.work.pop().(func())
			p.taken = time.Now()
			p.mu.Unlock()
			f()
			p.mu.Lock()
		}
		p.running--
		p.idle++
		p.wake.Wait() // whoever wakes this worker counts it
	}
}

// Schedule implements actor.Dispatcher.
func (p *pool) Schedule(f func()) {
	p.mu.Lock()
	p.work.push(f)
	if p.idle > 0 && (p.running < p.enough || time.Since(p.taken) > patience) {
		p.idle--
		p.running++
		p.wake.Signal()
	}
	p.mu.Unlock()
}

// Throughput implements actor.Dispatcher.
func (p *pool) Throughput() int { return throughput }

// own runs each activation on a goroutine: for actors that block.
type own struct{}

// Schedule implements actor.Dispatcher.
func (own) Schedule(f func()) { go f() }

// Throughput implements actor.Dispatcher.
func (own) Throughput() int { return 1 << 20 }

// DiskThreads is how many of the threads that run Go code are meant for the actors that sit in a disk's system calls most of the
// time, the writers of log and segments.
const DiskThreads = 2

var kindNames = [...]string{"broker", "replica", "metadata", "group", "connection", "link", "wal", "segment-writer", "segment-reader"}

func (k Kind) String() string { return kindNames[k] }

var systems atomic.Int64

// NewRuntime returns the production runtime. fatal is called when an actor that must not panic did; it ends the process.
func NewRuntime(set *metrics.Set, log *slog.Logger, fatal func(text string)) *Runtime {
	silent := actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError + 10}))
	})
	system := actor.NewActorSystem(silent)
	system.ProcessRegistry.Address = fmt.Sprintf("node-%d", systems.Add(1))
	threads := runtime.GOMAXPROCS(0)
	shared := newPool(2*threads, max(1, (threads-DiskThreads)/2))
	var depth, peak [len(kindNames)]atomic.Int64
	for k, name := range kindNames {
		set.NewGauge(fmt.Sprintf(`chronik_mailbox_depth{kind=%q}`, name), func() float64 { return float64(depth[k].Load()) })
		set.NewGauge(fmt.Sprintf(`chronik_mailbox_depth_max{kind=%q}`, name), func() float64 { return float64(peak[k].Load()) })
	}
	stop := actor.NewOneForOneStrategy(0, 0, func(any) actor.Directive { return actor.StopDirective })
	return &Runtime{System: system, Props: func(k Kind, produce func() actor.Actor) *actor.Props {
		var d actor.Dispatcher = shared
		if k == KindWAL || k == KindSegmentWriter || k == KindSegmentReader {
			d = own{}
		}
		failed := func(reason, message any) {
			if k == KindConnection {
				log.Error("a connection's actor panicked; the connection is closed", "panic", reason, "message", fmt.Sprintf("%T", message), "stack", string(debug.Stack()))
				return
			}
			fatal(fmt.Sprintf("BUG: %v (in the %s actor, handling %T)\n%s", reason, k, message, debug.Stack()))
		}
		return actor.PropsFromProducer(produce, actor.WithDispatcher(d), actor.WithSupervisor(stop), actor.WithMailbox(func() actor.Mailbox {
			return &mailbox{failed: failed, depth: &depth[k], maxDepth: &peak[k]}
		}))
	}}
}
