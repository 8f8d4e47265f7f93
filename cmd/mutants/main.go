// Command mutants proves that the tests can fail: it plants, one at a time, a bug that breaks a promise (table.go) into a copy
// of the project, runs the unchanged suites, and reports which test found it. A bug that survives fails the run.
//
//	go run ./cmd/mutants                     all of them
//	go run ./cmd/mutants -only P1,P9         some
//	go run ./cmd/mutants -draw 4 -by COMMIT  four, drawn by a text
package main

import (
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

func main() {
	only := flag.String("only", "", "promises, separated by commas")
	draw := flag.Int("draw", 0, "how many to draw; 0: all")
	by := flag.String("by", "", "the text that decides the draw")
	flag.Parse()
	list, err := choose(*only, *draw, *by)
	if err == nil {
		err = run(list)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func choose(only string, draw int, by string) ([]mutant, error) {
	list := mutants
	if only != "" {
		want := strings.Split(only, ",")
		list = nil
		for _, m := range mutants {
			if slices.Contains(want, m.promise) {
				list = append(list, m)
			}
		}
		if len(list) == 0 {
			return nil, fmt.Errorf("no mutant of %s; there are %s", only, promises())
		}
	}
	if draw > 0 && draw < len(list) {
		h := fnv.New64a()
		fmt.Fprint(h, by)
		list = slices.Clone(list)
		rand.New(rand.NewPCG(h.Sum64(), 1)).Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		list = list[:draw]
	}
	return list, nil
}

func promises() string {
	var names []string
	for _, m := range mutants {
		names = append(names, m.promise)
	}
	return strings.Join(slices.Compact(names), ", ")
}

func run(list []mutant) error {
	survived := 0
	for _, m := range list {
		began := time.Now()
		killer, err := try(m)
		if err != nil {
			return fmt.Errorf("%s: %w", m.promise, err)
		}
		took := time.Since(began).Round(time.Second)
		if killer == "" {
			survived++
			fmt.Printf("%-4s SURVIVED   %s (%s, %v)\n", m.promise, m.what, m.file, took)
			continue
		}
		fmt.Printf("%-4s found      %s: by %s (%v)\n", m.promise, m.what, killer, took)
	}
	if survived > 0 {
		return fmt.Errorf("%d of %d planted bugs were not found", survived, len(list))
	}
	return nil
}

// try plants one bug in a copy and returns the test that found it, "" when none did.
func try(m mutant) (killer string, err error) {
	dir, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	if err := copyProject(dir); err != nil {
		return "", err
	}
	file := filepath.Join(dir, m.file)
	src, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(src), m.old); n != 1 {
		return "", fmt.Errorf("%s holds the code to change %d times", m.file, n)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(src), m.old, m.new, 1)), 0o644); err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "./...")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("the planted bug does not compile: %v\n%s", err, out)
	}
	for _, args := range m.kill {
		cmd := exec.Command("go", append([]string{"test"}, strings.Fields(args)...)...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "CHRONIK_SIM_SEEDS=150")
		out, err := cmd.CombinedOutput()
		if err != nil {
			return firstFailure(string(out)), nil
		}
	}
	return "", nil
}

var failed = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

func firstFailure(out string) string {
	if m := failed.FindStringSubmatch(out); m != nil {
		return m[1]
	}
	if strings.Contains(out, "panic: ") {
		return "a panic of the test process"
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return lines[len(lines)-1]
}

// copyProject copies what version control knows of, and what is new beside it.
func copyProject(dir string) error {
	out, err := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		return fmt.Errorf("listing the project's files: %w", err)
	}
	for _, name := range strings.Fields(string(out)) {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // deleted and not committed yet
		}
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, b, 0o644); err != nil {
			return err
		}
	}
	return nil
}
