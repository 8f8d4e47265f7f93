package lint

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestProjectKeepsItsRules(t *testing.T) {
	bad, err := Check(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bad {
		t.Error(b)
	}
}

// TestPlacesAreListed: what is allowed here is what actors/doc.go tells.
func TestPlacesAreListed(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "actors", "doc.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, place := range append(append([]string(nil), free...), freeFiles...) {
		if !strings.Contains(string(doc), place) {
			t.Errorf("actors/doc.go does not list %s", place)
		}
	}
}

// TestEachRuleIsFound plants a violation of every rule.
func TestEachRuleIsFound(t *testing.T) {
	for name, x := range map[string]struct{ file, src, want string }{
		"goroutine":  {"actors/x/x.go", "// Package x.\npackage x\nfunc f() { go f() }", "a goroutine"},
		"channel":    {"raftnode/x.go", "// Package x.\npackage x\nvar c chan int", "a channel"},
		"mutex":      {"wal/x.go", "// Package x.\npackage x\nimport \"sync\"\nvar m sync.Mutex", "sync.Mutex"},
		"clock":      {"actors/x/x.go", "// Package x.\npackage x\nimport \"time\"\nvar t = time.Now()", "time.Now"},
		"chance":     {"actors/x/x.go", "// Package x.\npackage x\nimport \"math/rand/v2\"\nvar n = rand.IntN(3)", "rand/v2.IntN"},
		"sleep":      {"cmd/x/x_test.go", "package x\nimport \"time\"\nfunc f() { time.Sleep(1) }", "sleeps"},
		"no doc":     {"actors/x/x.go", "package x", "no package comment"},
		"long file":  {"actors/x/x.go", "// Package x.\npackage x\n" + strings.Repeat("\n", 600), "the limit is"},
		"long func":  {"actors/x/x.go", "// Package x.\npackage x\nfunc f(i int) {\n" + strings.Repeat("i++\n", 100) + "}", "more than"},
		"wrong room": {"wal/x.go", "// Package x.\npackage x\nimport _ \"chronik/actors/env\"", "must not know"},
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, x.file)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(x.src), 0o644); err != nil {
			t.Fatal(err)
		}
		bad, err := Check(dir)
		if err != nil || len(bad) == 0 || !strings.Contains(strings.Join(bad, "\n"), x.want) {
			t.Errorf("%s was not found: %v %v", name, bad, err)
		}
	}
}
