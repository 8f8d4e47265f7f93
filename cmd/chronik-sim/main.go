// Command chronik-sim runs whole clusters in one goroutine, on virtual time, disks and networks (package actors/actortest). A seed
// decides everything that happens, so that a run can be told and repeated:
//
//	go run ./cmd/chronik-sim --seed 42                  tells the story of one seed
//	go run ./cmd/chronik-sim --first 1 --seeds 2000     runs many, on all CPUs, and says which ones fail
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"chronik/actors/actortest"
)

func main() {
	app := &cli.App{
		Name: "chronik-sim", Usage: "runs seeds of the simulation", HideHelpCommand: true, Action: act,
		Flags: []cli.Flag{
			&cli.Uint64Flag{Name: "seed", Usage: "tells the story of one `SEED`"},
			&cli.BoolFlag{Name: "messages", Usage: "tells of every message too"},
			&cli.Uint64Flag{Name: "first", Value: 1, Usage: "the first `SEED` of many"},
			&cli.Uint64Flag{Name: "seeds", Value: 100, Usage: "how many to run"},
			&cli.Uint64Flag{Name: "jobs", Aliases: []string{"j"}, Value: uint64(runtime.NumCPU()), Usage: "how many at a time, each in a process of its own"},
		},
	}
	if err := app.Run(os.Args); err != nil {
		fmt.Fprintln(os.Stderr, "chronik-sim:", err)
		os.Exit(1)
	}
}

func act(c *cli.Context) error {
	if c.Args().Present() {
		return fmt.Errorf("%q is no option; see --help", c.Args().First())
	}
	if c.Uint64("jobs") == 0 || c.Uint64("seeds") == 0 {
		return errors.New("--jobs and --seeds are at least 1")
	}
	dir, err := os.MkdirTemp("", "chronik-sim")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	bin, err := build(dir)
	if err != nil {
		return err
	}
	if c.IsSet("seed") {
		return tell(bin, c.Uint64("seed"), c.Bool("messages"), c.App.Writer)
	}
	return many(bin, c.Uint64("first"), c.Uint64("seeds"), min(c.Uint64("jobs"), c.Uint64("seeds")), c.App.Writer)
}

// build makes the program that runs seeds: a process follows a seed only inside a test, so it is a test binary.
func build(dir string) (string, error) {
	bin := filepath.Join(dir, "simulation")
	out, err := exec.Command("go", "test", "-c", "-o", bin, "chronik/actors/actortest").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building the simulation (run this inside a checkout, with Go installed): %w\n%s", err, out)
	}
	return bin, nil
}

// job is a process that runs seeds.
func job(bin string, first, seeds, step uint64) *exec.Cmd {
	cmd := exec.Command(bin, "-test.run", "^TestForCommand$", "-test.timeout", "0")
	cmd.Env = append(os.Environ(), fmt.Sprintf("CHRONIK_SIM_JOB=%d %d %d", first, seeds, step))
	cmd.Stderr = os.Stderr
	return cmd
}

// result is what a job says of one seed; ok false: the line is something else.
func result(line string) (seed uint64, x actortest.Figures, hash, wrong string, ok bool) {
	rest, ok := strings.CutPrefix(line, "SEED ")
	if !ok {
		return seed, x, "", "", false
	}
	n, _ := fmt.Sscanf(rest, "%d %d %d %d %d %d %d %d %d %d %s %q", &seed, &x.Messages, &x.Faults, &x.Lost, &x.Elections, &x.Acked, &x.Read, &x.Commits, &x.Moves, &x.Rebalances, &hash, &wrong)
	return seed, x, hash, wrong, n == 12
}

// each runs a job and hands over its lines.
func each(cmd *exec.Cmd, take func(line string)) error {
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		take(lines.Text())
	}
	return cmd.Wait()
}

// handled is a line that tells of a message.
var handled = regexp.MustCompile(`^\s*\S+\s+node \d+\s+\*`)

func tell(bin string, seed uint64, messages bool, w io.Writer) error {
	out := bufio.NewWriter(w)
	defer out.Flush()
	verdict := errors.New("the run ended early")
	err := each(job(bin, seed, 1, 1), func(line string) {
		_, x, hash, wrong, ok := result(line)
		switch {
		case !ok && (line == "PASS" || !messages && handled.MatchString(line)):
		case !ok:
			fmt.Fprintln(out, line)
		case ok && wrong != "":
			fmt.Fprintln(out, "VIOLATION", wrong)
			verdict = fmt.Errorf("seed %d fails", seed)
		case ok:
			fmt.Fprintf(out, "seed %d holds (trace %s): %v\n", seed, hash, x)
			verdict = nil
		}
	})
	return errors.Join(verdict, err)
}

// total is what all jobs have reported.
type total struct {
	mu     sync.Mutex
	done   int
	failed []string
	sum    actortest.Figures
}

// many runs jobs side by side and shows how far they are.
func many(bin string, first, seeds, jobs uint64, w io.Writer) error {
	var all total
	var wait sync.WaitGroup
	began := time.Now()
	rate := func() float64 { return float64(all.done) / time.Since(began).Hours() / float64(jobs) }
	for j := range jobs {
		wait.Go(func() {
			err := each(job(bin, first+j, seeds-j, jobs), func(line string) {
				seed, x, _, wrong, ok := result(line)
				if !ok {
					return
				}
				all.mu.Lock()
				defer all.mu.Unlock()
				all.done++
				all.sum.Add(x)
				if wrong != "" {
					all.failed = append(all.failed, fmt.Sprintf("%s\n    go run ./cmd/chronik-sim --seed %d", wrong, seed))
				}
				fmt.Fprintf(os.Stderr, "\r%d of %d seeds, %d failed, %.0f seeds an hour and CPU ", all.done, seeds, len(all.failed), rate())
			})
			if err != nil {
				all.mu.Lock()
				defer all.mu.Unlock()
				all.failed = append(all.failed, fmt.Sprintf("a job ended: %v", err))
			}
		})
	}
	wait.Wait()
	fmt.Fprintln(os.Stderr)
	fmt.Fprintf(w, "%d seeds in %v, %.0f an hour and CPU: %v\n", all.done, time.Since(began).Round(time.Second), rate(), all.sum)
	for _, f := range all.failed {
		fmt.Fprintln(w, f)
	}
	if len(all.failed) > 0 || uint64(all.done) != seeds {
		return fmt.Errorf("%d of %d seeds fail, %d did not run", len(all.failed), seeds, seeds-uint64(all.done))
	}
	return nil
}
