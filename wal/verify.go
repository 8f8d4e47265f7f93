package wal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"chronik/wal/vfs"
)

// Verify checks the data directory of a stopped node and changes nothing: the log's files, every batch in segments and
// log with its CRCs, the rows of the segments' indexes, manifests, that offsets are dense and leader epochs never fall.
// Damage is in the report and does not end the work; an error is something else: vfs.ErrLocked (a node runs on it),
// ErrUnknownVersion, a directory that is none of ours or cannot be read. progress may be nil.
func Verify(fsys vfs.FS, dir string, progress Progress) (*Report, error) {
	s, err := openStopped(fsys, dir, progress)
	if err != nil {
		return nil, err
	}
	defer s.lock.Close()
	for _, id := range s.ids() {
		if err := s.group(id, nil); err != nil {
			return nil, err
		}
	}
	return s.Report, nil
}

// stopped is the directory of a stopped node while it is looked at.
type stopped struct {
	*Report
	fs       vfs.FS
	lock     io.Closer
	wal      *recovery // nil: the log is damaged
	files    map[uint64]string
	segments map[GroupID]*SegmentState
	broken   map[GroupID]bool // the manifest is damaged
	meter    meter
}

func openStopped(fsys vfs.FS, dir string, progress Progress) (*stopped, error) {
	s := &stopped{Report: &Report{Dir: dir}, fs: vfs.ReadOnly(fsys), files: map[uint64]string{}, segments: map[GroupID]*SegmentState{}, broken: map[GroupID]bool{}}
	s.meter.report = progress
	name := path.Join(dir, formatName)
	b, err := ReadFile(s.fs, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is no data directory: it has no %s", dir, formatName)
	}
	if err != nil {
		return nil, err
	}
	if s.lock, err = s.fs.Lock(path.Join(dir, lockName)); errors.Is(err, fs.ErrNotExist) {
		s.lock, err = io.NopCloser(strings.NewReader("")), nil // a copy of a directory
	}
	if err != nil {
		return nil, err
	}
	if s.Format, err = decodeFormat(b, name); err != nil {
		err = s.failed(err)
	}
	if err == nil {
		err = s.readLog(path.Join(dir, "wal"))
	}
	if err == nil {
		err = s.readManifests(path.Join(dir, "segments"))
	}
	if err != nil {
		s.lock.Close()
		return nil, err
	}
	return s, nil
}

// readLog reads all of the log, as a start would, and writes nothing.
func (s *stopped) readLog(dir string) error {
	l := &Log{fs: s.fs, dir: dir, groups: map[GroupID]*group{}}
	l.o = Options{Logf: func(format string, args ...any) { s.problem(dir, -1, format, args...) }}.withDefaults()
	err := l.openFiles()
	defer l.Close()
	if errors.Is(err, fs.ErrNotExist) {
		s.note("%s is not there: the node never started", dir)
		s.wal = &recovery{groups: map[GroupID]*groupLog{}}
		return nil
	}
	if err != nil {
		return s.failed(err)
	}
	at := map[uint64]int{}
	for _, f := range append(slices.Clone(l.files), l.free...) {
		at[f.Gen] = len(s.Files)
		s.Files = append(s.Files, FileReport{Name: f.name, Generation: f.Gen, Size: f.size})
		s.files[f.Gen] = f.name
	}
	rec := &recovery{groups: map[GroupID]*groupLog{}}
	rec.frameRead = func(f *file, bytes int64) {
		r := &s.Files[at[f.Gen]]
		r.Rounds++
		r.Bytes += bytes
	}
	if _, err := l.replay(rec); err != nil {
		return s.failed(err)
	}
	if rec.torn > 0 {
		s.Torn = &Torn{rec.tornFile, rec.tornAt, rec.torn}
	}
	s.wal = rec
	return nil
}

func (s *stopped) readManifests(dir string) error {
	names, err := s.fs.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, n := range names {
		id, err := strconv.ParseUint(n, 10, 64)
		if err != nil {
			s.note("%s is not ours, or left over from a deletion", path.Join(dir, n))
			continue
		}
		st, err := readManifest(s.fs, path.Join(dir, n))
		if errors.Is(err, fs.ErrNotExist) {
			s.note("%s has no manifest: nothing in it was promised", path.Join(dir, n))
			continue
		}
		if err != nil {
			if err := s.failed(err); err != nil {
				return err
			}
			s.broken[GroupID(id)] = true
			continue
		}
		s.segments[GroupID(id)] = st
		for _, seg := range st.Segments {
			s.meter.total += seg.Bytes + seg.Rows*rowSize
		}
	}
	return nil
}

func (s *stopped) segmentDir(id GroupID) string {
	return path.Join(s.Dir, "segments", strconv.FormatUint(uint64(id), 10))
}

// ids are all groups of log and segments.
func (s *stopped) ids() []GroupID {
	all := map[GroupID]bool{}
	if s.wal != nil {
		for id := range s.wal.groups {
			all[id] = true
		}
	}
	for id := range s.segments {
		all[id] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// name is what a group is called: by its birth, else by its manifest.
func (s *stopped) name(id GroupID) string {
	if s.wal != nil {
		if g := s.wal.groups[id]; g != nil && g.birth != nil {
			return g.birth.Name
		}
	}
	if st := s.segments[id]; st != nil {
		return st.Name
	}
	return ""
}
