package vfs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// ReadOnly returns a view of a file system through which nothing can be changed: everything that would change something
// fails with EROFS. Lock works, but creates no lock file: without one it fails with fs.ErrNotExist.
func ReadOnly(fsys FS) FS {
	if o, ok := fsys.(OS); ok {
		return readOnly{o, readOnlyOS{}}
	}
	return readOnly{fsys, nil}
}

type readOnly struct {
	FS
	os opener // nil: FS itself opens and locks
}

type opener interface {
	Open(name string) (File, error)
	Lock(name string) (io.Closer, error)
}

func refused(op, name string) error { return &os.PathError{Op: op, Path: name, Err: syscall.EROFS} }

// Open implements FS.
func (r readOnly) Open(name string) (File, error) {
	o := opener(r.FS)
	if r.os != nil {
		o = r.os
	}
	f, err := o.Open(name)
	if err != nil {
		return nil, err
	}
	return readOnlyFile{f, name}, nil
}

// Lock implements FS.
func (r readOnly) Lock(name string) (io.Closer, error) {
	if r.os != nil {
		return r.os.Lock(name)
	}
	return r.FS.Lock(name)
}

func (r readOnly) Create(name string) (File, error) { return nil, refused("create", name) }
func (r readOnly) MkdirAll(name string) error       { return refused("mkdir", name) }
func (r readOnly) Remove(name string) error         { return refused("remove", name) }
func (r readOnly) RemoveAll(name string) error      { return refused("remove", name) }
func (r readOnly) Rename(_, to string) error        { return refused("rename", to) }
func (r readOnly) Link(_, to string) error          { return refused("link", to) }
func (r readOnly) SyncDir(dir string) error         { return refused("sync", dir) }

type readOnlyFile struct {
	File
	name string
}

func (f readOnlyFile) WriteAt([]byte, int64) (int, error) { return 0, refused("write", f.name) }
func (f readOnlyFile) WriteV([][]byte, int64) error       { return refused("write", f.name) }
func (f readOnlyFile) Allocate(int64) error               { return refused("allocate", f.name) }
func (f readOnlyFile) Truncate(int64) error               { return refused("truncate", f.name) }
func (f readOnlyFile) Sync() error                        { return refused("sync", f.name) }
func (f readOnlyFile) Datasync() error                    { return refused("sync", f.name) }

// readOnlyOS opens without the right to write, so that it also works on a read-only mount.
type readOnlyOS struct{}

func (readOnlyOS) Open(name string) (File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	return &osFile{f}, nil
}

func (readOnlyOS) Lock(name string) (io.Closer, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w", name, ErrLocked)
		}
		return nil, err
	}
	return f, nil
}
