package actors

import (
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync/atomic"

	"github.com/VictoriaMetrics/metrics"
	"github.com/asynkron/protoactor-go/actor"
)

// throughput is how many messages an actor handles before others get their turn.
const throughput = 40

// pool runs non-blocking actors on a fixed number of workers. Its queue is bounded only by the number of actors: each is
// in it at most once.
type pool struct{ work chan func() }

func newPool(workers int) *pool {
	p := &pool{make(chan func(), 1<<16)}
	for range workers {
		go func() {
			for f := range p.work {
				f()
			}
		}()
	}
	return p
}

// Schedule implements actor.Dispatcher.
func (p *pool) Schedule(f func()) {
	select {
	case p.work <- f:
	default:
		go f() // more than 65,536 actors are runnable at once: the scheduler of Go takes the rest
	}
}

// Throughput implements actor.Dispatcher.
func (p *pool) Throughput() int { return throughput }

// own runs each activation on a goroutine: for actors that block.
type own struct{}

// Schedule implements actor.Dispatcher.
func (own) Schedule(f func()) { go f() }

// Throughput implements actor.Dispatcher.
func (own) Throughput() int { return 1 << 20 }

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
	shared := newPool(2 * runtime.GOMAXPROCS(0))
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
