package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chronik/protocol/batch"
	"chronik/wal"
	"chronik/wal/vfs"
)

// stoppedNode makes a data directory with one partition of three records.
func stoppedNode(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	d, err := wal.OpenDir(vfs.OS{}, dir, 4, wal.DirectoryID{1})
	if err != nil {
		t.Fatal(err)
	}
	log, _, err := wal.Open(vfs.OS{}, filepath.Join(dir, "wal"), wal.Options{FileSize: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	b := batch.Build(batch.Params{}, []batch.Record{{Timestamp: 1, Value: []byte("a")}, {Timestamp: 2, Value: []byte("b")}, {Timestamp: 3, Key: []byte("k")}})
	batch.Stamp(b, 0, 1)
	w := wal.Write{Group: 2, Birth: &wal.Birth{Group: 2, Name: "t-0", Voters: []wal.ReplicaID{1}}, Entries: []wal.Entry{{Index: 1, Term: 1, Data: b}}, HardState: &wal.HardState{Term: 1, Vote: 1, Commit: 1}}
	for range 2 {
		if err := log.Commit([]wal.Write{w}); err != nil {
			t.Fatal(err)
		}
		w = wal.Write{Group: 2, HardState: w.HardState}
	}
	_ = log.Close()
	_ = d.Close()
	return dir
}

func verifyLog(args ...string) (string, string, error) {
	var out, errs bytes.Buffer
	v := verification{fs: vfs.OS{}, out: &out, err: &errs}
	err := v.run(args)
	return out.String(), errs.String(), err
}

func TestVerifyLog(t *testing.T) {
	dir := stoppedNode(t)
	out, _, err := verifyLog(dir)
	if err != nil || !strings.Contains(out, "ok: 1 groups, 1 batches, 3 records, no damage") {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, args := range [][]string{{dir, "--dump", "t-0", "--records"}, {"--dump=t-0", "--records", dir}, {"--records", dir, "--dump", "t-0"}} {
		out, _, err = verifyLog(args...)
		if err != nil || !strings.HasPrefix(out, "batch 0-2 epoch 1 ") || !strings.Contains(out, "\n  record 2 time 3 key 1:") || !strings.HasSuffix(out, "\nhigh watermark 3\n") {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
	if _, _, err = verifyLog(dir, "--dump", "t-1"); !errors.Is(err, wal.ErrNoPartition) {
		t.Errorf("no such partition: %v", err)
	}
	var wrong *usageError
	for _, args := range [][]string{{}, {dir, dir}, {dir, "--records"}, {dir, "--nix"}, {dir, "--dump"}} {
		if _, _, err = verifyLog(args...); !errors.As(err, &wrong) {
			t.Errorf("%v: %v", args, err)
		}
	}
	d, err := wal.OpenDir(vfs.OS{}, dir, -1, wal.DirectoryID{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err = verifyLog(dir); !errors.Is(err, vfs.ErrLocked) || !strings.Contains(err.Error(), "stop the node") {
		t.Errorf("a running node: %v", err)
	}
	_ = d.Close()
}

func TestVerifyLogDamage(t *testing.T) {
	dir := stoppedNode(t)
	name := filepath.Join(dir, "wal", "00000001.wal")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[4096+100] ^= 1 // in the first round; the second vouches for it
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	_, errs, err := verifyLog(dir)
	if err == nil || !strings.Contains(errs, "00000001.wal at offset 4096") {
		t.Fatalf("%v\n%s", err, errs)
	}
	if code := run([]string{"chronik-server", "verify-log", dir}); code != exitRefused {
		t.Errorf("exit code %d", code)
	}
	if after, _ := os.ReadFile(name); !bytes.Equal(after, b) {
		t.Error("the file was changed")
	}
}
