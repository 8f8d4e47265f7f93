package vfs

import (
	"io"
	"path"
	"sync"
	"time"
)

// Op is a kind of operation that a Fault can hit.
type Op int

// The operations. OpSync is Sync and Datasync, OpWrite is WriteAt and WriteV, OpRemove is Remove and RemoveAll.
const (
	OpOpen Op = iota
	OpCreate
	OpRead
	OpWrite
	OpAllocate
	OpTruncate
	OpSync
	OpSyncDir
	OpRename
	OpRemove
	OpLink
	opCount
)

// Fault is a rule for operations on files whose base name matches Name (path.Match; "" matches all). The first Skip
// matching operations pass; the next Times (0: all later ones) are hit: they are delayed by Delay, and, when Err is not
// nil, fail with it. A write that fails has written its first Short bytes.
type Fault struct {
	Op    Op
	Name  string
	Skip  int
	Times int
	Err   error
	Delay time.Duration
	Short int
}

// Faults is a file system that fails where it is told to. Safe for concurrent use when the inner one is.
type Faults struct {
	FS
	// Sleep waits for a Fault's Delay; nil: delays are not waited for. Set before use.
	Sleep func(time.Duration)

	mu    sync.Mutex
	rules []*rule
	seen  [opCount]int
}

type rule struct {
	Fault
	matched int
}

// NewFaults wraps a file system; without faults it changes nothing.
func NewFaults(inner FS) *Faults { return &Faults{FS: inner} }

// Add puts a rule in force; the first one that hits an operation decides. remove ends it and may be called twice.
func (f *Faults) Add(x Fault) (remove func()) {
	r := &rule{Fault: x}
	f.mu.Lock()
	f.rules = append(f.rules, r)
	f.mu.Unlock()
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		for i, have := range f.rules {
			if have == r {
				f.rules = append(f.rules[:i:i], f.rules[i+1:]...)
				return
			}
		}
	}
}

// Count is how many operations of a kind were asked for, failed ones included.
func (f *Faults) Count(op Op) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen[op]
}

// hit returns the fault of the operation that begins now; the zero Fault when it passes.
func (f *Faults) hit(op Op, name string) Fault {
	f.mu.Lock()
	f.seen[op]++
	var x Fault
	for _, r := range f.rules {
		if r.Op != op {
			continue
		}
		if ok, err := path.Match(r.Name, path.Base(name)); r.Name != "" && (err != nil || !ok) {
			continue
		}
		if r.matched++; r.matched > r.Skip && (r.Times == 0 || r.matched <= r.Skip+r.Times) {
			x = r.Fault
			break
		}
	}
	f.mu.Unlock()
	if x.Delay > 0 && f.Sleep != nil {
		f.Sleep(x.Delay)
	}
	return x
}

// Open implements FS.
func (f *Faults) Open(name string) (File, error) {
	if x := f.hit(OpOpen, name); x.Err != nil {
		return nil, x.Err
	}
	return f.wrap(name)(f.FS.Open(name))
}

// Create implements FS.
func (f *Faults) Create(name string) (File, error) {
	if x := f.hit(OpCreate, name); x.Err != nil {
		return nil, x.Err
	}
	return f.wrap(name)(f.FS.Create(name))
}

func (f *Faults) wrap(name string) func(File, error) (File, error) {
	return func(inner File, err error) (File, error) {
		if err != nil {
			return nil, err
		}
		return &faultyFile{inner, f, name}, nil
	}
}

// Remove implements FS.
func (f *Faults) Remove(name string) error {
	if x := f.hit(OpRemove, name); x.Err != nil {
		return x.Err
	}
	return f.FS.Remove(name)
}

// RemoveAll implements FS.
func (f *Faults) RemoveAll(name string) error {
	if x := f.hit(OpRemove, name); x.Err != nil {
		return x.Err
	}
	return f.FS.RemoveAll(name)
}

// Rename implements FS; the rule's Name is matched with the new name.
func (f *Faults) Rename(from, to string) error {
	if x := f.hit(OpRename, to); x.Err != nil {
		return x.Err
	}
	return f.FS.Rename(from, to)
}

// Link implements FS; the rule's Name is matched with the new name.
func (f *Faults) Link(from, to string) error {
	if x := f.hit(OpLink, to); x.Err != nil {
		return x.Err
	}
	return f.FS.Link(from, to)
}

// SyncDir implements FS.
func (f *Faults) SyncDir(dir string) error {
	if x := f.hit(OpSyncDir, dir); x.Err != nil {
		return x.Err
	}
	return f.FS.SyncDir(dir)
}

// Lock implements FS; it never fails by a rule.
func (f *Faults) Lock(name string) (io.Closer, error) { return f.FS.Lock(name) }

type faultyFile struct {
	File
	fs   *Faults
	name string
}

func (f *faultyFile) ReadAt(p []byte, off int64) (int, error) {
	if x := f.fs.hit(OpRead, f.name); x.Err != nil {
		return 0, x.Err
	}
	return f.File.ReadAt(p, off)
}

func (f *faultyFile) WriteAt(p []byte, off int64) (int, error) {
	if x := f.fs.hit(OpWrite, f.name); x.Err != nil {
		n, _ := f.File.WriteAt(p[:min(x.Short, len(p))], off)
		return n, x.Err
	}
	return f.File.WriteAt(p, off)
}

func (f *faultyFile) WriteV(parts [][]byte, off int64) error {
	x := f.fs.hit(OpWrite, f.name)
	if x.Err == nil {
		return f.File.WriteV(parts, off)
	}
	for _, p := range parts {
		n := min(x.Short, len(p))
		_, _ = f.File.WriteAt(p[:n], off)
		off += int64(n)
		if x.Short -= n; x.Short == 0 {
			break
		}
	}
	return x.Err
}

func (f *faultyFile) Allocate(size int64) error {
	if x := f.fs.hit(OpAllocate, f.name); x.Err != nil {
		return x.Err
	}
	return f.File.Allocate(size)
}

func (f *faultyFile) Truncate(size int64) error {
	if x := f.fs.hit(OpTruncate, f.name); x.Err != nil {
		return x.Err
	}
	return f.File.Truncate(size)
}

func (f *faultyFile) Sync() error {
	if x := f.fs.hit(OpSync, f.name); x.Err != nil {
		return x.Err
	}
	return f.File.Sync()
}

func (f *faultyFile) Datasync() error {
	if x := f.fs.hit(OpSync, f.name); x.Err != nil {
		return x.Err
	}
	return f.File.Datasync()
}
