package api

import "sync/atomic"

// Buffer counts who still reads a received frame. The last one to let go gives it back; safe from any goroutine, since
// replicas let go of batches in their own mailboxes.
type Buffer struct {
	refs atomic.Int32
	free func()
}

// NewBuffer starts with one reader; free is called once, by the last Release.
func NewBuffer(free func()) *Buffer {
	b := &Buffer{free: free}
	b.refs.Store(1)
	return b
}

// Retain adds a reader.
func (b *Buffer) Retain() { b.refs.Add(1) }

// Release ends one reader's interest.
func (b *Buffer) Release() {
	switch n := b.refs.Add(-1); {
	case n == 0:
		if b.free != nil {
			b.free()
		}
	case n < 0:
		panic("BUG: a request's buffer was released more often than retained")
	}
}
