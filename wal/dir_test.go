package wal

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"chronik/wal/vfs"
)

func TestDir(t *testing.T) {
	disk := vfs.NewMem()
	d, err := OpenDir(disk, "data", 3, DirectoryID{1, 2, 3})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenDir(disk, "data", 3, DirectoryID{9}); !errors.Is(err, vfs.ErrLocked) {
		t.Fatalf("a second owner: %v", err)
	}
	f := d.Format
	f.ClusterID, f.Replica = "c", 5
	if err := d.Save(f); err != nil {
		t.Fatal(err)
	}
	_ = d.Close()
	disk = disk.Crash(rand.New(rand.NewPCG(1, 1)), 0)
	var wrong *WrongNodeError
	if _, err := OpenDir(disk, "data", 4, DirectoryID{9}); !errors.As(err, &wrong) || wrong.Have != 3 {
		t.Fatalf("another node: %v", err)
	}
	if d, err = OpenDir(disk, "data", -1, DirectoryID{9}); err != nil || d.Format != f || d.Format.Directory != (DirectoryID{1, 2, 3}) {
		t.Fatalf("again: %+v, %v", d, err)
	}
	_ = d.Close()
	whole := readTest(t, disk, "data/format.json")
	for i := range whole {
		b := bytes.Clone(whole)
		b[i] ^= 0x04
		writeTest(t, disk, "data", "format.json", b)
		count := crashAt(disk, 1<<30)
		x, err := OpenDir(disk, "data", 3, DirectoryID{9})
		var damage *CorruptionError
		switch {
		case err == nil && x.Format == f:
			_ = x.Close()
		case !errors.As(err, &damage) && !errors.Is(err, ErrUnknownVersion):
			t.Fatalf("byte %d: %v", i, err)
		}
		if *count > 0 {
			t.Fatalf("byte %d: something was written", i)
		}
		disk.Before = nil
	}
	writeTest(t, disk, "data", "format.json", []byte(`{"Version": 2, "Directory": {"new": "form"}}`))
	if _, err := OpenDir(disk, "data", 3, DirectoryID{9}); !errors.Is(err, ErrUnknownVersion) {
		t.Fatalf("a newer directory: %v", err)
	}
	_ = disk.Remove("data/format.json")
	writeTest(t, disk, "data/wal", "00000001.wal", nil)
	if _, err := OpenDir(disk, "data", 3, DirectoryID{9}); err == nil {
		t.Fatal("a directory with data and without identity was formatted")
	}
}

// TestDirCrash: the identity survives a crash at any operation, as it was before or after.
func TestDirCrash(t *testing.T) {
	for n := range 20 {
		disk := vfs.NewMem()
		d, err := OpenDir(disk, "data", 1, DirectoryID{7})
		if err != nil {
			t.Fatal(err)
		}
		crashAt(disk, n)
		g := d.Format
		g.ClusterID = "c"
		saved := d.Save(g) == nil
		after := disk.Crash(rand.New(rand.NewPCG(uint64(n), 0)), 0.5)
		x, err := OpenDir(after, "data", 1, DirectoryID{8})
		if err != nil {
			t.Fatal(err)
		}
		if x.Format.Directory != (DirectoryID{7}) || saved && x.Format != g {
			t.Fatalf("operation %d: %+v", n, x.Format)
		}
	}
}
