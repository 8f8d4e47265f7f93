package api

import (
	"sync/atomic"

	"github.com/VictoriaMetrics/metrics"
	"github.com/asynkron/protoactor-go/actor"
)

// Shared is what all connections of a node share: counters and bounds. Safe from any goroutine.
type Shared struct {
	// ProducerIDs is the actor of package producerid.
	ProducerIDs *actor.PID

	sessionCount  atomic.Int64 // fetch sessions
	sessionIDs    atomic.Int32 // the last one given out
	coldBytes     atomic.Int64 // bytes read from segments and not sent yet
	nextComplaint atomic.Int64 // monotonic: see noLeader

	recordsIn, recordsOut     *metrics.Counter
	recordBytesIn, recordByte *metrics.Counter
}

// NewShared is made once per node; set gets the counters of records.
func NewShared(set *metrics.Set, producerIDs *actor.PID) *Shared {
	s := &Shared{ProducerIDs: producerIDs}
	s.recordsIn = set.GetOrCreateCounter("chronik_records_received_total")
	s.recordsOut = set.GetOrCreateCounter("chronik_records_sent_total")
	s.recordBytesIn = set.GetOrCreateCounter("chronik_record_bytes_received_total")
	s.recordByte = set.GetOrCreateCounter("chronik_record_bytes_sent_total")
	set.GetOrCreateGauge("chronik_fetch_sessions", func() float64 { return float64(s.sessionCount.Load()) })
	return s
}

// maxColdBytes bounds what the answers of a node hold of segments at a time; beyond it a fetch gets the one batch that
// it cannot do without (KIP-74) and no more.
const maxColdBytes = 256 << 20

// take adds n to a counter unless that would exceed limit.
func take(counter *atomic.Int64, n, limit int64) bool {
	if counter.Add(n) > limit {
		counter.Add(-n)
		return false
	}
	return true
}
