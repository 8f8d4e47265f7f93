package wal

import (
	"errors"
	"fmt"
)

// ErrUnknownVersion: the directory, or a file in it, was written by a program that this one does not know. Nothing was
// written.
var ErrUnknownVersion = errors.New("unknown format version")

// CorruptionError says where bytes on disk are not what was written: below what later writes vouch for. The directory
// is refused; nothing is cut.
type CorruptionError struct {
	File   string
	Offset int64
	What   string
}

func (e *CorruptionError) Error() string {
	return fmt.Sprintf("%s is damaged at offset %d: %s", e.File, e.Offset, e.What)
}

// FatalError wraps an error of writing or syncing space that was already allocated: what is on disk is not known any
// more, and the process must end (a failed sync is never retried).
type FatalError struct{ Err error }

func (e *FatalError) Error() string { return "writing the log: " + e.Err.Error() }
func (e *FatalError) Unwrap() error { return e.Err }
