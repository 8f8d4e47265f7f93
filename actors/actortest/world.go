package actortest

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"time"
)

// World is one simulated universe. Not safe for concurrent use.
type World struct {
	Rand  *rand.Rand
	Seed  uint64
	Now   time.Duration // since Epoch
	Steps int
	// Messages counts the actor messages among the steps.
	Messages int
	// Violation is the first broken invariant or BUG; the run ends there.
	Violation error
	// AfterStep is called after every step; invariants hook in here.
	AfterStep func()

	runnable []*mailbox
	timers   timerHeap
	sequence uint64
	hash     uint64
	story    func(string)
}

// Epoch is the wall time at which every simulation begins.
var Epoch = time.UnixMilli(1_700_000_000_000)

// NewWorld returns a universe in which all choices follow from the seed.
func NewWorld(seed uint64) *World {
	return &World{Rand: rand.New(rand.NewPCG(seed, 0x5eed)), Seed: seed, hash: 14695981039346656037}
}

// Tell makes the world tell what happens, line by line (chronik-sim).
func (w *World) Tell(story func(string)) { w.story = story }

func (w *World) telling(format string, args ...any) {
	if w.story != nil {
		w.story(fmt.Sprintf("%12v  ", w.Now) + fmt.Sprintf(format, args...))
	}
}

// Fail records the first violation.
func (w *World) Fail(format string, args ...any) {
	if w.Violation == nil {
		w.Violation = fmt.Errorf("seed %d, step %d, %v: "+format, append([]any{w.Seed, w.Steps, w.Now}, args...)...)
		w.telling("VIOLATION %v", w.Violation)
	}
}

// Hash sums up everything that happened so far: every message and packet with its payload, and when.
func (w *World) Hash() uint64 { return w.hash }

type timer struct {
	at       time.Duration
	sequence uint64
	fire     func()
	off      bool
}

type timerHeap []*timer

func (h timerHeap) Len() int { return len(h) }
func (h timerHeap) Less(i, j int) bool {
	if h[i].at != h[j].at {
		return h[i].at < h[j].at
	}
	return h[i].sequence < h[j].sequence
}
func (h timerHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *timerHeap) Push(x any)   { *h = append(*h, x.(*timer)) }
func (h *timerHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}

// After schedules a step d from now.
func (w *World) After(d time.Duration, fire func()) (cancel func()) {
	w.sequence++
	t := &timer{at: w.Now + max(d, 0), sequence: w.sequence, fire: fire}
	heap.Push(&w.timers, t)
	return func() { t.off = true }
}

// Step runs one message of one runnable actor, picked at random, or, when none is, the next timer. It returns false when
// nothing is left to happen or a violation was found.
func (w *World) Step() bool {
	if w.Violation != nil {
		return false
	}
	if len(w.runnable) == 0 && !w.fireNext() {
		return false
	}
	if n := len(w.runnable); n > 0 {
		i := w.Rand.IntN(n)
		m := w.runnable[i]
		w.runnable[i] = w.runnable[n-1]
		w.runnable[n-1] = nil
		w.runnable = w.runnable[:n-1]
		m.step()
	}
	w.Steps++
	if w.AfterStep != nil {
		w.AfterStep()
	}
	return w.Violation == nil
}

func (w *World) fireNext() bool {
	for len(w.timers) > 0 {
		t := heap.Pop(&w.timers).(*timer)
		if t.off {
			continue
		}
		w.Now = max(w.Now, t.at)
		t.fire()
		return true
	}
	return false
}

// RunFor runs until the virtual clock has advanced by d.
func (w *World) RunFor(d time.Duration) {
	end := w.Now + d
	for w.Violation == nil {
		if len(w.runnable) == 0 {
			for len(w.timers) > 0 && w.timers[0].off {
				heap.Pop(&w.timers)
			}
			if len(w.timers) == 0 || w.timers[0].at > end {
				w.Now = end
				return
			}
		}
		w.Step()
	}
}

// RunUntil runs until the condition holds; false when it does not within the given virtual time.
func (w *World) RunUntil(limit time.Duration, holds func() bool) bool {
	end := w.Now + limit
	for w.Violation == nil && w.Now <= end {
		if holds() {
			return true
		}
		if !w.Step() {
			break
		}
	}
	return holds()
}
