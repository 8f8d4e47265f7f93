package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"chronik/actors"
)

// tuneRuntime fits Go's runtime to what a broker does. The environment variables GOMAXPROCS and GOGC win.
func tuneRuntime() {
	if os.Getenv("GOMAXPROCS") == "" {
		giveDisksTheirThreads()
	}
	if os.Getenv("GOGC") == "" {
		go spaceCollections(time.NewTicker(time.Second).C)
	}
}

// giveDisksTheirThreads lets as many threads run Go code as there are CPUs, and some more for the actors that write to disks: the
// runtime takes a processor back from a blocked system call only after a while, in which requests would wait. Beside a
// saturated log that gave 10 to 15 % more on two CPUs.
func giveDisksTheirThreads() { runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + actors.DiskThreads) }

const (
	// headroom is how much a busy broker allocates between two garbage collections at least, in bytes. What lives is small and
	// what passes through is much, so that without it a collection is always under way: 15 % of the CPU time in user space.
	headroom = 128 << 20
	// busyFrom is how much must have been allocated in a second for that to matter, and calmAfter how many seconds without it
	// until the memory goes back to the system.
	busyFrom  = 8 << 20
	calmAfter = 10
)

// spaceCollections sets the garbage collector's pace once a tick: by headroom while the broker is busy, by Go's default when not.
func spaceCollections(ticks <-chan time.Time) {
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}}
	var last uint64
	calm := 0
	for range ticks {
		metrics.Read(samples)
		allocated, live := samples[0].Value.Uint64(), samples[1].Value.Uint64()
		calm++
		if allocated-last >= busyFrom {
			calm = 0
			debug.SetGCPercent(spacing(live))
		}
		if calm == calmAfter {
			debug.SetGCPercent(100)
			debug.FreeOSMemory()
		}
		last = allocated
	}
}

// spacing is the GC percentage that leaves headroom over what lives.
func spacing(live uint64) int { return int(max(100, 100*headroom/max(live, 1<<20))) }
