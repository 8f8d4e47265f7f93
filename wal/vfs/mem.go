package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"sort"
	"strings"
	"syscall"
)

// Sector is the unit that a disk writes whole.
const Sector = 512

// Mem is a file system in memory that remembers what was synced, so that Crash can lose the rest. Not safe for concurrent
// use: it belongs to one simulated node.
type Mem struct {
	files  map[string]*inode // by full path: what a running process sees
	stable map[string]*inode // directory entries that were synced
	dirs   map[string]bool
	locks  map[string]bool
	// Capacity in bytes; 0 = unlimited. Writes that would allocate beyond it fail with ENOSPC.
	Capacity int64
	// Before, when set, is asked before every operation that changes something; its error is returned instead.
	Before func(op, name string) error
}

type inode struct {
	data   []byte // what readers see
	stable []byte // what survived the last sync
	dirty  map[int64]bool
}

// NewMem returns an empty file system.
func NewMem() *Mem {
	return &Mem{files: map[string]*inode{}, stable: map[string]*inode{}, dirs: map[string]bool{".": true, "/": true}, locks: map[string]bool{}}
}

var _ FS = (*Mem)(nil)

func (m *Mem) before(op, name string) error {
	if m.Before == nil {
		return nil
	}
	return m.Before(op, name)
}

func (m *Mem) used() (n int64) {
	for _, i := range m.files {
		n += int64(len(i.data))
	}
	return n
}

func notExist(op, name string) error { return &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist} }

// Open implements FS.
func (m *Mem) Open(name string) (File, error) {
	i := m.files[path.Clean(name)]
	if i == nil {
		return nil, notExist("open", name)
	}
	return &memFile{m, i, path.Clean(name)}, nil
}

// Create implements FS.
func (m *Mem) Create(name string) (File, error) {
	if err := m.before("create", name); err != nil {
		return nil, err
	}
	name = path.Clean(name)
	if !m.dirs[path.Dir(name)] {
		return nil, notExist("create", name)
	}
	i := &inode{dirty: map[int64]bool{}}
	m.files[name] = i
	return &memFile{m, i, name}, nil
}

// MkdirAll implements FS. Directories are durable at once: only their entries can be lost.
func (m *Mem) MkdirAll(name string) error {
	if m.files[path.Clean(name)] != nil {
		return &fs.PathError{Op: "mkdir", Path: name, Err: syscall.ENOTDIR}
	}
	for name = path.Clean(name); !m.dirs[name]; name = path.Dir(name) {
		m.dirs[name] = true
	}
	return nil
}

// Remove implements FS.
func (m *Mem) Remove(name string) error {
	if err := m.before("remove", name); err != nil {
		return err
	}
	name = path.Clean(name)
	if m.files[name] == nil {
		return notExist("remove", name)
	}
	delete(m.files, name)
	return nil
}

// RemoveAll implements FS.
func (m *Mem) RemoveAll(name string) error {
	if err := m.before("remove", name); err != nil {
		return err
	}
	name = path.Clean(name)
	for _, f := range sortedNames(m.files) {
		if f == name || strings.HasPrefix(f, name+"/") {
			delete(m.files, f)
		}
	}
	maps.DeleteFunc(m.dirs, func(d string, _ bool) bool { return d == name || strings.HasPrefix(d, name+"/") })
	return nil
}

// Rename implements FS; directories move with all that is in them.
func (m *Mem) Rename(from, to string) error {
	if err := m.before("rename", to); err != nil {
		return err
	}
	from, to = path.Clean(from), path.Clean(to)
	if i := m.files[from]; i != nil {
		delete(m.files, from)
		m.files[to] = i
		return nil
	}
	if !m.dirs[from] {
		return notExist("rename", from)
	}
	for _, tree := range []map[string]*inode{m.files, m.stable} {
		for _, f := range sortedNames(tree) {
			if strings.HasPrefix(f, from+"/") {
				tree[to+f[len(from):]] = tree[f]
				delete(tree, f)
			}
		}
	}
	delete(m.dirs, from)
	m.dirs[to] = true
	return nil
}

// Link implements FS.
func (m *Mem) Link(from, to string) error {
	if err := m.before("link", to); err != nil {
		return err
	}
	i := m.files[path.Clean(from)]
	if i == nil {
		return notExist("link", from)
	}
	m.files[path.Clean(to)] = i
	return nil
}

// List implements FS.
func (m *Mem) List(dir string) ([]string, error) {
	dir = path.Clean(dir)
	if !m.dirs[dir] {
		return nil, notExist("list", dir)
	}
	seen := map[string]bool{}
	for f := range m.files {
		if path.Dir(f) == dir {
			seen[path.Base(f)] = true
		}
	}
	for d := range m.dirs {
		if d != dir && path.Dir(d) == dir {
			seen[path.Base(d)] = true
		}
	}
	names := make([]string, 0, len(seen))
	for n := range seen {
		names = append(names, n)
	}
	sort.Strings(names)
	return names, nil
}

// Stat implements FS.
func (m *Mem) Stat(name string) (int64, error) {
	if i := m.files[path.Clean(name)]; i != nil {
		return int64(len(i.data)), nil
	}
	if m.dirs[path.Clean(name)] {
		return 0, nil
	}
	return 0, notExist("stat", name)
}

// SyncDir implements FS.
func (m *Mem) SyncDir(dir string) error {
	if err := m.before("syncdir", dir); err != nil {
		return err
	}
	dir = path.Clean(dir)
	for f := range m.stable {
		if path.Dir(f) == dir && m.files[f] == nil {
			delete(m.stable, f)
		}
	}
	for f, i := range m.files {
		if path.Dir(f) == dir {
			m.stable[f] = i
		}
	}
	return nil
}

type memLock struct {
	m    *Mem
	name string
}

func (l memLock) Close() error { delete(l.m.locks, l.name); return nil }

// Lock implements FS.
func (m *Mem) Lock(name string) (io.Closer, error) {
	name = path.Clean(name)
	if m.locks[name] {
		return nil, fmt.Errorf("%s: %w", name, ErrLocked)
	}
	m.locks[name] = true
	return memLock{m, name}, nil
}

// Free implements FS.
func (m *Mem) Free(string) (int64, error) {
	if m.Capacity == 0 {
		return 1 << 50, nil
	}
	return m.Capacity - m.used(), nil
}

// Total implements FS.
func (m *Mem) Total(string) (int64, error) {
	if m.Capacity == 0 {
		return 1 << 50, nil
	}
	return m.Capacity, nil
}

// Crash returns what a disk holds after a loss of power: synced data and directory entries, and of what was not synced
// each 512-byte sector, and each directory entry, with probability p.
func (m *Mem) Crash(rng *rand.Rand, p float64) *Mem {
	n := m.empty()
	entries := map[string]*inode{}
	for _, f := range sortedNames(m.stable) {
		if m.files[f] != nil || rng.Float64() >= p { // an unsynced removal may or may not have happened
			entries[f] = m.stable[f]
		}
	}
	for _, f := range sortedNames(m.files) {
		if m.stable[f] == m.files[f] || rng.Float64() < p {
			entries[f] = m.files[f]
		}
	}
	for _, f := range sortedNames(entries) {
		old := entries[f]
		data := append([]byte(nil), old.stable...)
		if len(old.data) < len(data) && rng.Float64() < p { // an unsynced Truncate
			data = data[:len(old.data)]
		}
		for _, s := range sortedSectors(old.dirty) {
			if rng.Float64() >= p {
				continue
			}
			lo, hi := s*Sector, min((s+1)*Sector, int64(len(old.data)))
			if lo >= hi {
				continue
			}
			for int64(len(data)) < hi {
				data = append(data, 0)
			}
			copy(data[lo:hi], old.data[lo:hi])
		}
		n.files[f] = &inode{data: data, stable: append([]byte(nil), data...), dirty: map[int64]bool{}}
		n.stable[f] = n.files[f]
		n.dirs[path.Dir(f)] = true
	}
	return n
}

// Kill returns what the next process finds when this one is killed but the machine keeps running: every byte that was
// written, most of it in the page cache only, so that a later Crash can still lose what was never synced. Locks are gone.
func (m *Mem) Kill() *Mem {
	n := m.empty()
	copies := map[*inode]*inode{}
	for _, tree := range []map[string]*inode{m.files, m.stable} {
		for _, f := range sortedNames(tree) {
			i := tree[f]
			if copies[i] == nil {
				copies[i] = &inode{data: append([]byte(nil), i.data...), stable: append([]byte(nil), i.stable...), dirty: maps.Clone(i.dirty)}
			}
		}
	}
	for f, i := range m.files {
		n.files[f] = copies[i]
	}
	for f, i := range m.stable {
		n.stable[f] = copies[i]
	}
	return n
}

func (m *Mem) empty() *Mem {
	n := NewMem()
	n.Capacity, n.dirs = m.Capacity, maps.Clone(m.dirs)
	return n
}

func sortedNames(m map[string]*inode) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

func sortedSectors(m map[int64]bool) []int64 {
	s := make([]int64, 0, len(m))
	for k := range m {
		s = append(s, k)
	}
	sort.Slice(s, func(i, j int) bool { return s[i] < s[j] })
	return s
}

type memFile struct {
	m    *Mem
	i    *inode
	name string
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(f.i.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.i.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) grow(size int64) error {
	if more := size - int64(len(f.i.data)); more > 0 {
		if f.m.Capacity > 0 && f.m.used()+more > f.m.Capacity {
			return &fs.PathError{Op: "write", Path: f.name, Err: syscall.ENOSPC}
		}
		f.i.data = append(f.i.data, make([]byte, more)...)
	}
	return nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := f.m.before("write", f.name); err != nil {
		return 0, err
	}
	if err := f.grow(off + int64(len(p))); err != nil {
		return 0, err
	}
	copy(f.i.data[off:], p)
	f.mark(off, off+int64(len(p)))
	return len(p), nil
}

func (f *memFile) WriteV(parts [][]byte, off int64) error {
	for _, p := range parts {
		if _, err := f.WriteAt(p, off); err != nil {
			return err
		}
		off += int64(len(p))
	}
	return nil
}

func (f *memFile) Allocate(size int64) error {
	if err := f.m.before("allocate", f.name); err != nil {
		return err
	}
	if err := f.grow(size); err != nil {
		return err
	}
	clear(f.i.data[:size])
	f.mark(0, min(size, int64(len(f.i.stable)))) // what lies behind reads as zeros however much of it a crash leaves
	return f.Sync()
}

// mark says that bytes of a range differ from what is stable.
func (f *memFile) mark(from, to int64) {
	for s := from / Sector; s*Sector < to; s++ {
		f.i.dirty[s] = true
	}
}

// Truncate implements File: like a write, it is durable after Sync only.
func (f *memFile) Truncate(size int64) error {
	if err := f.m.before("truncate", f.name); err != nil {
		return err
	}
	if have := int64(len(f.i.data)); size < have {
		f.mark(size, have)
		f.i.data = f.i.data[:size:size]
		return nil
	}
	return f.grow(size)
}

func (f *memFile) Size() (int64, error) { return int64(len(f.i.data)), nil }

// Sync implements File. When Before fails it with EIO, what was not synced counts as clean from then on, as Linux has it:
// readers see it, a later Sync does not write it.
func (f *memFile) Sync() error {
	if err := f.m.before("sync", f.name); err != nil {
		if errors.Is(err, syscall.EIO) {
			clear(f.i.dirty)
		}
		return err
	}
	if more := len(f.i.data) - len(f.i.stable); more > 0 {
		f.i.stable = append(f.i.stable, make([]byte, more)...)
	}
	f.i.stable = f.i.stable[:len(f.i.data)]
	for s := range f.i.dirty {
		lo, hi := s*Sector, min((s+1)*Sector, int64(len(f.i.data)))
		if lo < hi {
			copy(f.i.stable[lo:hi], f.i.data[lo:hi])
		}
	}
	clear(f.i.dirty)
	return nil
}

func (f *memFile) Datasync() error { return f.Sync() }
func (f *memFile) Close() error    { return nil }
