package wal

import (
	"errors"
	"fmt"
	"path"
	"sort"
	"syscall"

	"chronik/wal/vfs"
)

// This file is the ring: files that are reserved ahead, filled, written again where something pins them, and freed.

// nextFile makes a file with at least need bytes of room the head. The old head's end goes into the new header, which is
// synced before any frame.
func (l *Log) nextFile(need int64) error {
	f, err := l.takeFree(need + headerSize)
	if err != nil {
		return err
	}
	last := l.files[len(l.files)-1]
	h := fileHeader{Gen: last.Gen + 1, PrevGen: last.Gen, PrevEnd: l.head, Synced: headerSize, Size: f.size}
	if err := l.writeHeader(f, h.encode()); err != nil {
		return err
	}
	f.fileHeader = h
	l.files = append(l.files, f)
	l.head = headerSize
	return nil
}

func (l *Log) takeFree(need int64) (*file, error) {
	for i, f := range l.free {
		if f.size >= need {
			l.free = append(l.free[:i], l.free[i+1:]...)
			return f, nil
		}
	}
	return l.allocate(max(need, l.o.FileSize))
}

// allocate creates a file of zeros; on ENOSPC nothing is left behind.
func (l *Log) allocate(size int64) (*file, error) {
	l.nextID++
	name := path.Join(l.dir, fmt.Sprintf("%08d.wal", l.nextID))
	f, err := l.fs.Create(name)
	if err != nil {
		return nil, err
	}
	if err = f.Allocate(aligned(size)); err == nil {
		err = l.fs.SyncDir(l.dir)
	}
	if err != nil {
		f.Close()
		_ = l.fs.Remove(name)
		return nil, err
	}
	return &file{name: name, f: vfs.Direct(l.fs, f, name, frameAlign), size: aligned(size)}, nil
}

// EnsureRoom keeps one free file ahead of the head. ENOSPC there is the full-disk state (Full), not an error.
func (l *Log) EnsureRoom() error {
	if len(l.free) > 0 {
		l.full = false
		return nil
	}
	if l.room() > l.o.FileSize/2 && !l.full && len(l.files) == 1 {
		return nil // a young log: half a file is room enough
	}
	f, err := l.allocate(l.o.FileSize)
	switch {
	case err == nil:
		l.free = append(l.free, f)
		l.full = false
	case errors.Is(err, syscall.ENOSPC):
		l.full = true
	default:
		return &FatalError{err}
	}
	return nil
}

// Full says that no room could be reserved ahead: new data must be refused until EnsureRoom succeeds.
func (l *Log) Full() bool { return l.full }

// Newest is the generation of the file that is written to.
func (l *Log) Newest() uint64 { return l.files[len(l.files)-1].Gen }

// Pin is a group that holds the oldest file: its entries up to UpTo must go into segments before the file can be freed.
type Pin struct {
	Group GroupID
	UpTo  Index
}

// Pinned names the groups that hold the oldest file when the ring is running full; nil when there is no pressure.
func (l *Log) Pinned() []Pin {
	if len(l.files) < l.o.Files/2+1 {
		return nil
	}
	oldest := l.files[0].Gen
	var pins []Pin
	for id, g := range l.groups {
		upTo := Index(0)
		for _, s := range g.spans {
			if s.gen == oldest {
				upTo = s.last
			}
		}
		if upTo > 0 {
			pins = append(pins, Pin{id, upTo})
		}
	}
	sort.Slice(pins, func(i, j int) bool { return pins[i].Group < pins[j].Group })
	return pins
}

// Reclaim retires the oldest files that hold nothing any more, and, when the ring is beyond its limit, the oldest even
// though it is pinned, after writing what must be kept again at the head. It returns how many files were freed. Where
// there is no room for that (ENOSPC) the log is Full and nothing is lost: a later Reclaim goes on. For each file that was
// filled one pinned file is written again, so that live data beyond the limit lets the ring grow instead of going round in it.
func (l *Log) Reclaim() (int, error) {
	freed := 0
	for len(l.files) > 1 {
		oldest := l.files[0]
		if len(l.files) <= l.o.Files && l.holds(l.holder, oldest.Gen) {
			break
		}
		pinned := l.heldBy(oldest.Gen)
		if len(pinned) > 0 && (len(l.files) <= l.o.Files || l.forced == l.files[len(l.files)-1].Gen) {
			l.holder = pinned[0]
			break
		}
		err := l.rewrite(oldest, pinned)
		if len(pinned) > 0 {
			l.forced = l.files[len(l.files)-1].Gen
		}
		if err != nil {
			var fatal *FatalError
			if errors.Is(err, syscall.ENOSPC) && !errors.As(err, &fatal) {
				l.full = true
				break
			}
			return freed, err
		}
		if err := l.retire(); err != nil {
			return freed, err
		}
		freed++
	}
	return freed, nil
}

// holds says whether a group has live entries in a generation.
func (l *Log) holds(id GroupID, gen uint64) bool {
	if g := l.groups[id]; g != nil {
		for _, s := range g.spans {
			if s.gen == gen {
				return true
			}
		}
	}
	return false
}

func (l *Log) heldBy(gen uint64) []GroupID {
	var ids []GroupID
	for id := range l.groups {
		if l.holds(id, gen) {
			ids = append(ids, id)
		}
	}
	sort.Slice(ids, func(i, j int) bool { return ids[i] < ids[j] })
	return ids
}

// maxFree is how many free files the ring keeps: as many as make it whole again, so that a log under load makes no new
// ones, and one ahead of the head at least.
func (l *Log) maxFree() int { return max(1, l.o.Files-len(l.files)) }

// retire makes the oldest file free: its header is destroyed and synced before it can be used again.
func (l *Log) retire() error {
	f := l.files[0]
	if err := l.writeHeader(f, make([]byte, headerUsed)); err != nil {
		return err
	}
	l.files = append(l.files[:0], l.files[1:]...)
	f.fileHeader = fileHeader{}
	if f.size < l.o.FileSize || len(l.free) >= l.maxFree() { // the small first file, or more than the ring needs
		f.f.Close()
		if err := l.fs.Remove(f.name); err != nil {
			return &FatalError{err}
		}
		return nil
	}
	l.free = append(l.free, f)
	return nil
}
