package connection

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors"
	"chronik/actors/api"
	"chronik/protocol"
)

// Shared is what all connections of a node share: counters, bounds, metrics. Made once per node; safe from any goroutine.
type Shared struct {
	*api.Shared

	open     atomic.Int64
	decoding atomic.Int64 // bytes that decoded requests may take at most, of large requests only
	complain limiter

	seconds           map[int16]*metrics.Histogram // by API key
	bytesIn, bytesOut *metrics.Counter
	malformed         *metrics.Counter
	refused           *metrics.Counter
}

// NewShared is made once per node. producerIDs is the actor of package producerid.
func NewShared(node *actors.Node, producerIDs *actor.PID) *Shared {
	set := node.Metrics
	if set == nil {
		set = metrics.NewSet()
	}
	s := &Shared{Shared: api.NewShared(set, producerIDs), seconds: map[int16]*metrics.Histogram{}}
	for _, key := range api.Keys() {
		s.seconds[key] = set.GetOrCreateHistogram(fmt.Sprintf(`chronik_request_seconds{api=%q}`, protocol.Name(key)))
	}
	s.bytesIn = set.GetOrCreateCounter("chronik_client_bytes_received_total")
	s.bytesOut = set.GetOrCreateCounter("chronik_client_bytes_sent_total")
	s.malformed = set.GetOrCreateCounter("chronik_requests_malformed_total")
	s.refused = set.GetOrCreateCounter("chronik_connections_refused_total")
	set.GetOrCreateGauge("chronik_connections", func() float64 { return float64(s.open.Load()) })
	return s
}

// Open is the number of connections.
func (s *Shared) Open() int64 { return s.open.Load() }

var errTooMany = errors.New("max.connections is reached")

// limiter lets one log line pass per interval and counts the rest.
type limiter struct {
	next    atomic.Int64 // monotonic
	skipped atomic.Int64
}

const complainEvery = time.Second

// pass says whether a line may be written now, and how many were not since the last.
func (l *limiter) pass(now time.Duration) (skipped int64, ok bool) {
	next := l.next.Load()
	if int64(now) < next || !l.next.CompareAndSwap(next, int64(now+complainEvery)) {
		l.skipped.Add(1)
		return 0, false
	}
	return l.skipped.Swap(0), true
}
