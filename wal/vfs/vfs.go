// Package vfs is the file system that wal writes to: the real one (OS), one in memory that can lose everything unsynced
// (Mem), and wrappers that inject faults. Only this package touches package os for data.
package vfs

import "io"

// FS is a directory tree. Paths are slash-separated. Errors wrap the os package's (fs.ErrNotExist, syscall.ENOSPC, …).
type FS interface {
	Open(name string) (File, error)   // existing, read and write
	Create(name string) (File, error) // truncates
	MkdirAll(name string) error       // durable when it returns
	Remove(name string) error
	RemoveAll(name string) error
	Rename(from, to string) error
	Link(from, to string) error
	List(dir string) ([]string, error) // names, sorted
	Stat(name string) (size int64, err error)
	SyncDir(dir string) error                  // makes creations, renames and removals in dir durable
	Lock(name string) (io.Closer, error)       // exclusive advisory lock on a file, created when missing
	Free(dir string) (bytes int64, err error)  // room left on the device
	Total(dir string) (bytes int64, err error) // size of the device
}

// File is an open file. One writer; ReadAt is safe beside it.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// WriteV writes all parts one after the other, beginning at off.
	WriteV(parts [][]byte, off int64) error
	// Allocate reserves size bytes and writes zeros, so that later writes below size need no journal and meet no ENOSPC.
	Allocate(size int64) error
	Truncate(size int64) error
	Size() (int64, error)
	Sync() error     // data and metadata
	Datasync() error // data, and what is needed to read it
}
