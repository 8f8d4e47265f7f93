package history

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestGoldens: [DETAIL.]RULE.bad.jsonl must be flagged as RULE and be blamed for it, RULE.allowed.jsonl be flagged and not blamed, and
// RULE.good.jsonl not be flagged as that nor blamed for anything. Every rule has its histories.
func TestGoldens(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.jsonl")
	have := map[string]map[string]bool{}
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
		parts := strings.Split(strings.TrimSuffix(filepath.Base(file), ".jsonl"), ".")
		rule, kind := parts[len(parts)-2], parts[len(parts)-1]
		if have[rule] == nil {
			have[rule] = map[string]bool{}
		}
		have[rule][kind] = true
		named := func(a Anomaly) bool { return a.Name == rule }
		flagged, blamed := slices.ContainsFunc(found, named), slices.ContainsFunc(Blamed(found), named)
		if kind == "bad" && !blamed || kind == "allowed" && (!flagged || len(Blamed(found)) > 0) || kind == "good" && (flagged || len(Blamed(found)) > 0) {
			t.Errorf("%s: %+v", file, found)
		}
		var again bytes.Buffer
		if err := Write(&again, h); err != nil {
			t.Fatal(err)
		}
		if back, err := Read(&again); err != nil || !reflect.DeepEqual(back, h) {
			t.Errorf("%s is not what is written of it: %v", file, err)
		}
	}
	for rule, kinds := range have {
		if !kinds["good"] || !kinds["bad"] && !kinds["allowed"] {
			t.Errorf("%s has only %v", rule, kinds)
		}
	}
	source, err := filepath.Glob("*.go")
	if err != nil || len(have) < 20 {
		t.Fatalf("only %d rules have histories (%v)", len(have), err)
	}
	for _, file := range source {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range strings.Split(string(text), `c.flag("`)[1:] {
			if rule, _, _ := strings.Cut(part, `"`); have[rule] == nil {
				t.Errorf("%s flags %q, which has no histories in testdata", file, rule)
			}
		}
	}
}

// TestMalformed: what is no operation is an error that names its line.
func TestMalformed(t *testing.T) {
	good := `{"i":0,"p":1,"type":"ok","f":"send","ops":[["s","t-0",1,0]]}` + "\n"
	for _, bad := range []string{"x", "{}", `{"type":"ok","f":"sned"}`, `{"type":"maybe","f":"send"}`, `{"type":"ok","f":"send","ops":[["s"]]}`, `{"type":"ok","f":"send","ops":[["q",1]]}`, `{"type":"ok","f":"poll","ops":[["p",7]]}`} {
		if _, err := Read(strings.NewReader(good + bad + "\n")); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
