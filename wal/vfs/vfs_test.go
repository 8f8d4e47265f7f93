package vfs

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"
	"time"
)

// eachFS runs a test on the real file system, the one in memory, and a wrapped one: they must not differ.
func eachFS(t *testing.T, f func(t *testing.T, fsys FS, dir string)) {
	t.Run("OS", func(t *testing.T) { f(t, OS{}, filepath.ToSlash(t.TempDir())) })
	mem := func() *Mem {
		m := NewMem()
		if err := m.MkdirAll("/tmp/x"); err != nil {
			t.Fatal(err)
		}
		return m
	}
	t.Run("Mem", func(t *testing.T) { f(t, mem(), "/tmp/x") })
	t.Run("Faults", func(t *testing.T) { f(t, NewFaults(mem()), "/tmp/x") })
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, fsys FS, name string) string {
	t.Helper()
	f, err := fsys.Open(name)
	ok(t, err)
	defer f.Close()
	size, err := f.Size()
	ok(t, err)
	b := make([]byte, size)
	if n, err := f.ReadAt(b, 0); int64(n) != size || err != nil && !errors.Is(err, io.EOF) {
		t.Fatalf("%s: %d of %d bytes, %v", name, n, size, err)
	}
	return string(b)
}

func put(t *testing.T, fsys FS, name, text string) File {
	t.Helper()
	f, err := fsys.Create(name)
	ok(t, err)
	_, err = f.WriteAt([]byte(text), 0)
	ok(t, err)
	return f
}

func TestConformanceFiles(t *testing.T) {
	eachFS(t, func(t *testing.T, fsys FS, dir string) {
		name := dir + "/a"
		if _, err := fsys.Open(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open of nothing: %v", err)
		}
		if _, err := fsys.Create(dir + "/no/such"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Create in no directory: %v", err)
		}
		f := put(t, fsys, name, "0123456789")
		ok(t, f.WriteV([][]byte{[]byte("ab"), {}, []byte("c"), nil}, 12))
		ok(t, f.WriteV(nil, 40))
		ok(t, f.WriteV([][]byte{{}}, 40))
		if got := content(t, fsys, name); got != "0123456789\x00\x00abc" {
			t.Errorf("%q", got)
		}
		b := make([]byte, 5)
		if n, err := f.ReadAt(b, 12); n != 3 || !errors.Is(err, io.EOF) {
			t.Errorf("ReadAt over the end: %d, %v", n, err)
		}
		if n, err := f.ReadAt(b, 99); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("ReadAt behind the end: %d, %v", n, err)
		}
		if n, err := f.ReadAt(b, 0); n != 5 || err != nil {
			t.Errorf("ReadAt: %d, %v", n, err)
		}
		ok(t, f.Truncate(3))
		ok(t, f.Truncate(6))
		if got := content(t, fsys, name); got != "012\x00\x00\x00" {
			t.Errorf("cut and grown: %q", got)
		}
		ok(t, f.Allocate(2000))
		if got := content(t, fsys, name); got != string(make([]byte, 2000)) {
			t.Errorf("allocated space is not all zeros")
		}
		ok(t, f.Sync())
		ok(t, f.Datasync())
		ok(t, f.Close())
		_ = put(t, fsys, name, "x").Close()
		if size, err := fsys.Stat(name); size != 1 || err != nil {
			t.Errorf("created again: %d, %v", size, err)
		}
	})
}

func TestConformanceManyParts(t *testing.T) {
	eachFS(t, func(t *testing.T, fsys FS, dir string) {
		f, err := fsys.Create(dir + "/v")
		ok(t, err)
		defer f.Close()
		var parts [][]byte
		var want []byte
		for i := range 3000 {
			p := bytes.Repeat([]byte{byte(i)}, i%5)
			parts = append(parts, p)
			want = append(want, p...)
		}
		ok(t, f.WriteV(parts, 0))
		if got := content(t, fsys, dir+"/v"); got != string(want) {
			t.Error("bytes differ")
		}
		for i, p := range parts {
			if len(p) != i%5 {
				t.Fatalf("part %d was changed", i)
			}
		}
	})
}

func TestConformanceNames(t *testing.T) {
	eachFS(t, func(t *testing.T, fsys FS, dir string) {
		ok(t, fsys.MkdirAll(dir+"/d/e"))
		ok(t, fsys.MkdirAll(dir+"/d/e"))
		f := put(t, fsys, dir+"/d/one", "1")
		_ = put(t, fsys, dir+"/d/two", "2").Close()
		_ = put(t, fsys, dir+"/d/e/deep", "3").Close()
		names := func(want ...string) {
			t.Helper()
			if got, err := fsys.List(dir + "/d"); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%v, %v; want %v", got, err, want)
			}
		}
		names("e", "one", "two")
		ok(t, fsys.Rename(dir+"/d/one", dir+"/d/two"))
		names("e", "two")
		if got := content(t, fsys, dir+"/d/two"); got != "1" {
			t.Errorf("renamed over: %q", got)
		}
		if _, err := f.WriteAt([]byte("!"), 1); err != nil || content(t, fsys, dir+"/d/two") != "1!" {
			t.Errorf("an open file follows its name: %v", err)
		}
		ok(t, fsys.Link(dir+"/d/two", dir+"/d/three"))
		ok(t, fsys.Remove(dir+"/d/two"))
		if got := content(t, fsys, dir+"/d/three"); got != "1!" {
			t.Errorf("linked: %q", got)
		}
		ok(t, fsys.Rename(dir+"/d/e", dir+"/d/z"))
		if got := content(t, fsys, dir+"/d/z/deep"); got != "3" {
			t.Errorf("a directory moves with what is in it: %q", got)
		}
		for _, err := range []error{fsys.Remove(dir + "/d/nix"), fsys.Rename(dir+"/d/nix", dir+"/d/x"), fsys.Link(dir+"/d/nix", dir+"/d/x")} {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("of nothing: %v", err)
			}
		}
		if _, err := fsys.Stat(dir + "/d/nix"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Stat: %v", err)
		}
		if _, err := fsys.List(dir + "/nix"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("List: %v", err)
		}
		if err := fsys.MkdirAll(dir + "/d/three"); err == nil {
			t.Error("MkdirAll over a file")
		}
		ok(t, fsys.SyncDir(dir+"/d"))
		ok(t, fsys.RemoveAll(dir+"/d"))
		ok(t, fsys.RemoveAll(dir+"/d"))
		if _, err := fsys.List(dir + "/d"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("removed: %v", err)
		}
		if n, err := fsys.Free(dir); n <= 0 || err != nil {
			t.Errorf("Free: %d, %v", n, err)
		}
		if n, err := fsys.Total(dir); n <= 0 || err != nil {
			t.Errorf("Total: %d, %v", n, err)
		}
	})
}

func TestConformanceLock(t *testing.T) {
	eachFS(t, func(t *testing.T, fsys FS, dir string) {
		l, err := fsys.Lock(dir + "/lock")
		ok(t, err)
		if _, err := fsys.Lock(dir + "/lock"); !errors.Is(err, ErrLocked) {
			t.Errorf("locked twice: %v", err)
		}
		if _, err := ReadOnly(fsys).Lock(dir + "/lock"); !errors.Is(err, ErrLocked) {
			t.Errorf("locked through a read-only view: %v", err)
		}
		ok(t, l.Close())
		l, err = fsys.Lock(dir + "/lock")
		ok(t, err)
		ok(t, l.Close())
	})
}

func TestReadOnly(t *testing.T) {
	eachFS(t, func(t *testing.T, fsys FS, dir string) {
		_ = put(t, fsys, dir+"/a", "text").Close()
		r := ReadOnly(fsys)
		if got := content(t, r, dir+"/a"); got != "text" {
			t.Errorf("%q", got)
		}
		f, err := r.Open(dir + "/a")
		ok(t, err)
		defer f.Close()
		_, create := r.Create(dir + "/b")
		_, write := f.WriteAt([]byte("x"), 0)
		for i, err := range []error{create, write, r.MkdirAll(dir + "/m"), r.Remove(dir + "/a"), r.RemoveAll(dir), r.Rename(dir+"/a", dir+"/b"), r.Link(dir+"/a", dir+"/b"),
			r.SyncDir(dir), f.WriteV(nil, 0), f.Truncate(0), f.Allocate(5), f.Sync(), f.Datasync()} {
			if !errors.Is(err, syscall.EROFS) {
				t.Errorf("%d: %v", i, err)
			}
		}
		if got := content(t, fsys, dir+"/a"); got != "text" {
			t.Errorf("%q", got)
		}
	})
}

func rng(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// TestCrash: what was synced is there, what was not is there sector by sector with probability p.
func TestCrash(t *testing.T) {
	m := NewMem()
	ok(t, m.MkdirAll("d"))
	f := put(t, m, "d/synced", string(bytes.Repeat([]byte{1}, 4*Sector)))
	ok(t, f.Sync())
	_ = put(t, m, "d/entry", "never in a synced directory")
	ok(t, m.SyncDir("d"))
	lost := put(t, m, "d/lost", "synced, but its entry was not")
	ok(t, lost.Sync())
	_, err := f.WriteAt(bytes.Repeat([]byte{2}, 4*Sector), 0)
	ok(t, err)
	seen := map[string]bool{}
	for seed := range uint64(60) {
		c := m.Crash(rng(seed), 0.5)
		b := content(t, c, "d/synced")
		pattern := ""
		for s := range 4 {
			if x := b[s*Sector : (s+1)*Sector]; x != string(bytes.Repeat([]byte{x[0]}, Sector)) || x[0] != 1 && x[0] != 2 {
				t.Fatalf("a sector is torn")
			}
			pattern += string('0' + b[s*Sector])
		}
		seen[pattern] = true
	}
	if len(seen) < 10 {
		t.Errorf("only %d ways to lose 4 sectors", len(seen))
	}
	none := m.Crash(rng(1), 0)
	if names, _ := none.List("d"); !reflect.DeepEqual(names, []string{"entry", "synced"}) || content(t, none, "d/synced")[0] != 1 || content(t, none, "d/entry") != "" {
		t.Errorf("p 0: %v", names)
	}
	all := m.Crash(rng(1), 1)
	if names, _ := all.List("d"); len(names) != 3 || content(t, all, "d/synced")[0] != 2 {
		t.Errorf("p 1: %v", names)
	}
	ok(t, m.Remove("d/entry"))
	if _, err := m.Crash(rng(1), 0).Stat("d/entry"); err != nil {
		t.Error("an unsynced removal is certain")
	}
	if _, err := m.Crash(rng(1), 1).Stat("d/entry"); err == nil {
		t.Error("with p 1 the removal happened")
	}
	ok(t, f.Truncate(10))
	if n := len(content(t, m.Crash(rng(1), 0), "d/synced")); n != 4*Sector {
		t.Errorf("an unsynced Truncate is certain: %d", n)
	}
	ok(t, f.Truncate(2*Sector))
	ok(t, f.Sync())
	if b := content(t, m.Crash(rng(1), 0), "d/synced"); b != string(append(bytes.Repeat([]byte{2}, 10), make([]byte, 2*Sector-10)...)) {
		t.Errorf("old bytes came back behind a cut: %q", b[:20])
	}
}

// TestKill: the next process sees everything; what was not synced can still be lost.
func TestKill(t *testing.T) {
	m := NewMem()
	ok(t, m.MkdirAll("d"))
	f := put(t, m, "d/a", "old")
	ok(t, f.Sync())
	ok(t, m.SyncDir("d"))
	_, err := f.WriteAt([]byte("new"), 0)
	ok(t, err)
	_, err = m.Lock("d/lock")
	ok(t, err)
	k := m.Kill()
	if got := content(t, k, "d/a"); got != "new" {
		t.Errorf("%q", got)
	}
	if _, err := k.Lock("d/lock"); err != nil {
		t.Errorf("a dead process holds a lock: %v", err)
	}
	if got := content(t, k.Crash(rng(1), 0), "d/a"); got != "old" {
		t.Errorf("after the crash: %q", got)
	}
	_, err = f.WriteAt([]byte("dead"), 0)
	ok(t, err)
	if got := content(t, k, "d/a"); got != "new" {
		t.Errorf("the dead process still writes: %q", got)
	}
	// A sync that failed makes pages clean that are on no disk.
	k.Before = func(op, _ string) error {
		if op == "sync" {
			return syscall.EIO
		}
		return nil
	}
	g, err := k.Open("d/a")
	ok(t, err)
	if err := g.Sync(); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	k.Before = nil
	ok(t, g.Sync())
	if got := content(t, k.Crash(rng(1), 1), "d/a"); got != "old" {
		t.Errorf("a bare second sync saved it: %q", got)
	}
}

func TestCapacity(t *testing.T) {
	m := NewMem()
	m.Capacity = 1000
	f := put(t, m, "a", "x")
	if err := f.Allocate(2000); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%v", err)
	}
	ok(t, f.Allocate(1000))
	if _, err := f.WriteAt(make([]byte, 100), 900); err != nil {
		t.Errorf("a write into allocated space: %v", err)
	}
	if _, err := f.WriteAt(make([]byte, 101), 900); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%v", err)
	}
	if n, _ := m.Free("."); n != 0 {
		t.Errorf("%d bytes free", n)
	}
}

func TestFaults(t *testing.T) {
	x := NewFaults(NewMem())
	slept := time.Duration(0)
	x.Sleep = func(d time.Duration) { slept += d }
	boom := errors.New("boom")
	remove := x.Add(Fault{Op: OpWrite, Name: "*.wal", Skip: 1, Times: 2, Err: boom, Short: 3})
	f := put(t, x, "a.wal", "first")
	if n, err := f.WriteAt([]byte("SECOND"), 0); n != 3 || !errors.Is(err, boom) {
		t.Errorf("%d, %v", n, err)
	}
	if err := f.WriteV([][]byte{[]byte("vv"), []byte("ww")}, 0); !errors.Is(err, boom) {
		t.Errorf("%v", err)
	}
	if got := content(t, x, "a.wal"); got != "vvwst" {
		t.Errorf("%q", got)
	}
	_, err := f.WriteAt([]byte("third"), 0)
	ok(t, err)
	ok(t, put(t, x, "other", "free").Close())
	if n := x.Count(OpWrite); n != 5 {
		t.Errorf("%d writes", n)
	}
	remove()
	remove()
	x.Add(Fault{Op: OpSync, Delay: time.Second, Times: 2})
	ok(t, f.Sync())
	ok(t, f.Datasync())
	ok(t, f.Sync())
	if slept != 2*time.Second {
		t.Errorf("slept %v", slept)
	}
	for _, op := range []Op{OpOpen, OpCreate, OpRead, OpAllocate, OpTruncate, OpSync, OpSyncDir, OpRename, OpRemove, OpLink} {
		end := x.Add(Fault{Op: op, Err: boom})
		_, open := x.Open("a.wal")
		_, create := x.Create("new")
		_, read := f.ReadAt(make([]byte, 1), 0)
		errs := map[Op]error{OpOpen: open, OpCreate: create, OpRead: read, OpAllocate: f.Allocate(9), OpTruncate: f.Truncate(9), OpSync: f.Sync(), OpSyncDir: x.SyncDir("."),
			OpLink: x.Link("a.wal", "l"), OpRename: x.Rename("l", "r"), OpRemove: x.Remove("other")}
		if !errors.Is(errs[op], boom) {
			t.Errorf("operation %d: %v", op, errs[op])
		}
		for o, err := range errs {
			if o != op && errors.Is(err, boom) {
				t.Errorf("operation %d failed by the rule for %d", o, op)
			}
		}
		end()
	}
}

// TestDirect: what is written past the page cache reads as if it had not been, at any place and in any size, also by a file
// that is opened again, and nothing is left behind the content once it is closed.
func TestDirect(t *testing.T) {
	for _, align := range []int64{1, 512} {
		dir, r := filepath.ToSlash(t.TempDir()), rng(uint64(align))
		name := dir + "/d"
		f, err := OS{}.Create(name)
		ok(t, err)
		f = Direct(OS{}, f, name, align)
		if _, direct := f.(*directFile); !direct {
			t.Skip("this file system has no direct writes")
		}
		var want []byte
		for i := range 300 {
			n := r.IntN(3000)
			if i%50 == 0 {
				n = stagingSize + r.IntN(2*stagingSize)
			}
			n = (n + int(align) - 1) / int(align) * int(align)
			b := make([]byte, n)
			for j := range b {
				b[j] = byte(r.Uint32())
			}
			cut := r.IntN(n + 1)
			off := int64(len(want))
			if i%7 == 6 { // over what is there, as a writer that failed does it
				off = r.Int64N(off/align+1) * align
			}
			ok(t, f.WriteV([][]byte{b[:cut], {}, b[cut:]}, off))
			want = append(want[:off], b...)
			got := make([]byte, len(want))
			if k, err := f.ReadAt(got, 0); k != len(want) || err != nil && !errors.Is(err, io.EOF) {
				t.Fatalf("%d of %d bytes: %v", k, len(want), err)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("write %d of %d bytes at %d does not read back", i, n, off)
			}
			if i%40 == 39 {
				ok(t, f.Datasync())
				ok(t, f.Close())
				other, err := OS{}.Open(name)
				ok(t, err)
				ok(t, other.Truncate(int64(len(want))))
				f = Direct(OS{}, other, name, align)
			}
		}
		ok(t, f.Close())
		got := content(t, OS{}, name)
		if align > 1 { // what a shorter write left behind it stays
			got = got[:len(want)]
		}
		if got != string(want) {
			t.Errorf("align %d: %d bytes are left, %d were written", align, len(got), len(want))
		}
	}
	if f := put(t, NewMem(), "x", ""); Direct(NewMem(), f, "x", 1) != f {
		t.Error("a file system that cannot was asked to")
	}
}
