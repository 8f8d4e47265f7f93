package actortest

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"testing"
)

// TestForCommand is what cmd/chronik-sim runs: a process follows a seed only inside a test. CHRONIK_SIM_JOB names first seed, number
// and step; with a number of 1 the story is told too. One line for each seed: its number, figures, trace hash, what is wrong.
func TestForCommand(t *testing.T) {
	var first, seeds, step uint64
	if n, _ := fmt.Sscan(os.Getenv("CHRONIK_SIM_JOB"), &first, &seeds, &step); n < 3 || step == 0 {
		t.Skip("for cmd/chronik-sim")
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	var tell func(string)
	if seeds == 1 {
		tell = func(line string) { fmt.Fprintln(out, line) }
	}
	for s := first; s < first+seeds; s += step {
		t.Run(strconv.FormatUint(s, 10), func(t *testing.T) {
			x, hash, err := Simulate(t, s, tell)
			wrong := ""
			if err != nil {
				wrong = err.Error()
			}
			fmt.Fprintf(out, "SEED %d %d %d %d %d %d %d %d %d %d %016x %q\n", s, x.Messages, x.Faults, x.Lost, x.Elections, x.Acked, x.Read, x.Commits, x.Moves, x.Rebalances, hash, wrong)
			out.Flush()
		})
	}
}
