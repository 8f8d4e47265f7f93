package history

import (
	"slices"
	"sync"
	"time"
)

// Recorder collects the operations of clients that run side by side.
type Recorder struct {
	began time.Time
	mu    sync.Mutex
	ops   []Op
}

// NewRecorder begins a history.
func NewRecorder() *Recorder { return &Recorder{began: time.Now()} }

// Now is the time within the history.
func (r *Recorder) Now() int64 { return int64(time.Since(r.began)) + 1 }

// Add takes an operation that has ended; Index and Ended are filled in.
func (r *Recorder) Add(op Op) {
	r.mu.Lock()
	defer r.mu.Unlock()
	op.Index, op.Ended = len(r.ops), r.Now()
	r.ops = append(r.ops, op)
}

// Ops is the history so far.
func (r *Recorder) Ops() []Op {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.ops)
}
