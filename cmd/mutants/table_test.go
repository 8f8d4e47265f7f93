package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMutantsFit: every planted bug still finds its place, once.
func TestMutantsFit(t *testing.T) {
	for _, m := range mutants {
		src, err := os.ReadFile(filepath.Join("..", "..", m.file))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(src), m.old); n != 1 {
			t.Errorf("%s (%s): %s holds it %d times", m.promise, m.what, m.file, n)
		}
	}
}
