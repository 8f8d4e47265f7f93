package history

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestGoldens: NAME.bad.jsonl must be flagged as NAME, NAME.good.jsonl must not be flagged at all.
func TestGoldens(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.jsonl")
	if len(files) < 20 {
		t.Fatalf("only %d histories in testdata", len(files))
	}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		h, err := Read(f)
		f.Close()
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		found := Check(h)
		name, kind, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".jsonl"), ".")
		flagged := slices.ContainsFunc(found, func(a Anomaly) bool { return a.Name == name && !a.Allowed })
		if kind == "bad" && !flagged || kind == "good" && len(found) > 0 {
			t.Errorf("%s: %+v", file, found)
		}
	}
}
