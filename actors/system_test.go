package actors

import (
	"runtime"
	"testing"
	"time"
)

// TestPoolStartsWithWork: what is scheduled before any worker has begun to run is run, though nothing comes after it. On one
// processor a node once started and did nothing.
func TestPoolStartsWithWork(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for range 20 {
		p, done := newPool(2, 1), make(chan struct{})
		p.Schedule(func() { close(done) })
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Fatal("nobody works")
		}
	}
}
