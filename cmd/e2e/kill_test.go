package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// TestKillNine kills nodes of a cluster with kill -9 at random moments under load, restarts them at once, and at the end
// compares everything that was acknowledged with everything that is there. CHRONIK_KILLS sets the number of cycles (30).
func TestKillNine(t *testing.T) {
	cycles := 30
	if s := os.Getenv("CHRONIK_KILLS"); s != "" {
		cycles, _ = strconv.Atoi(s)
	} else if testing.Short() {
		cycles = 5
	}
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d, %d cycles", seed, cycles)
	c := StartCluster(t, 3)
	CreateTopic(t, c.Addrs(), "kills", 6, 3, nil)
	load := StartLoad(t, c.Addrs(), "kills", 4, 250)
	load.Observe(t, 6)
	load.AwaitMore(t, 500, 20*time.Second)
	worst := time.Duration(0)
	for i := range cycles {
		victims := []int{rng.IntN(3)}
		switch {
		case i%10 == 9:
			victims = []int{0, 1, 2}
		case i%6 == 5:
			victims = append(victims, (victims[0]+1+rng.IntN(2))%3)
		}
		load.AwaitMore(t, int64(200+rng.IntN(800)), 30*time.Second)
		for _, v := range victims {
			c.Nodes[v].Kill()
		}
		for _, v := range victims {
			c.Nodes[v].launch(t)
		}
		took := load.AwaitMore(t, 1, 30*time.Second)
		worst = max(worst, took)
		for _, v := range victims {
			c.Nodes[v].WaitLine(t, readyLine, 30*time.Second)
		}
	}
	t.Logf("longest wait for the next acknowledgement: %v", worst)
	load.Verify(t)
	c.StopAll(t)
	for p := range 6 {
		c.SameOnDisk(t, fmt.Sprintf("kills-%d", p))
	}
}

// TestStandaloneKillNine does the same to a single node: with one replica an acknowledgement means fsync.
func TestStandaloneKillNine(t *testing.T) {
	n := StartStandalone(t)
	CreateTopic(t, []string{n.Addr}, "kills", 4, 1, nil)
	load := StartLoad(t, []string{n.Addr}, "kills", 4, 250)
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 2))
	for range 8 {
		load.AwaitMore(t, int64(100+rng.IntN(700)), 30*time.Second)
		n.Kill()
		n.Restart(t)
	}
	load.Verify(t)
}
