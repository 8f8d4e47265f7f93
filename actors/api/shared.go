package api

import (
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"
)

// Shared is what all connections of a node share: counters and bounds. Safe from any goroutine.
type Shared struct {
	// ProducerIDs is the actor of package producerid.
	ProducerIDs *actor.PID

	sessions  atomic.Int64 // fetch sessions
	coldBytes atomic.Int64 // bytes read from segments and not sent yet
}

// NewShared is made once per node.
func NewShared(producerIDs *actor.PID) *Shared { return &Shared{ProducerIDs: producerIDs} }

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
