package wal

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path"
	"sort"
	"strconv"
	"strings"

	"chronik/wal/vfs"
)

// The layout is drawn in FORMAT.md.
const (
	manifestMagic   = "CHRONIKM"
	manifestVersion = 1
	manifestName    = "manifest"
	rowSize         = 64
	deletedSuffix   = ".deleted"
)

// row is one entry's line in a segment's index file (.idx). Entries without records have a row too, so that indexes are
// continuous; their bytes are not kept.
type row struct {
	index     Index
	term      Term
	kind      EntryType
	length    uint32
	pos       int64
	base      int64 // -1: no records
	last      int64
	crc       uint32 // CRC-32C of the whole stamped entry
	timestamp int64  // largest in the batch
}

func (r row) encode(b []byte) {
	le.PutUint64(b, uint64(r.index))
	le.PutUint64(b[8:], uint64(r.term))
	le.PutUint64(b[16:], uint64(r.pos))
	le.PutUint64(b[24:], uint64(r.base))
	le.PutUint64(b[32:], uint64(r.last))
	le.PutUint64(b[40:], uint64(r.timestamp))
	le.PutUint32(b[48:], r.length)
	le.PutUint32(b[52:], r.crc)
	b[56] = byte(r.kind)
	le.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
}

func decodeRow(b []byte) (r row, ok bool) {
	r = row{index: Index(le.Uint64(b)), term: Term(le.Uint64(b[8:])), pos: int64(le.Uint64(b[16:])), base: int64(le.Uint64(b[24:])),
		last: int64(le.Uint64(b[32:])), timestamp: int64(le.Uint64(b[40:])), length: le.Uint32(b[48:]), crc: le.Uint32(b[52:]), kind: EntryType(b[56])}
	return r, crc32.Checksum(b[:60], castagnoli) == le.Uint32(b[60:])
}

// SegmentState is what a group has in segments, as its manifest says.
type SegmentState struct {
	Name       string
	Checkpoint []byte
	Last       Position
	NextOffset int64
	Segments   []SegmentInfo
}

// partition is one group's directory, as the writer knows it.
type partition struct {
	dir   string
	state SegmentState
	log   vfs.File // the open segment's files, nil until needed
	idx   vfs.File
	dirty bool // they were written to and are not synced

	held     *SegmentState // not promised yet
	obsolete []SegmentInfo // to be removed when held is promised
}

// Segments writes the committed past of all groups. One owner, the segment writer; readers use SegmentReader.
type Segments struct {
	fs     vfs.FS
	dir    string
	groups map[GroupID]*partition
}

// OpenSegments reads every group's manifest in dir (created when missing) and cuts what a crash left behind it.
func OpenSegments(fsys vfs.FS, dir string) (*Segments, error) {
	s := &Segments{fs: fsys, dir: dir, groups: map[GroupID]*partition{}}
	if err := fsys.MkdirAll(dir); err != nil {
		return nil, err
	}
	names, err := fsys.List(dir)
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		id, err := strconv.ParseUint(n, 10, 64)
		if err != nil {
			continue
		}
		p := &partition{dir: path.Join(dir, n)}
		if err := p.read(fsys); errors.Is(err, fs.ErrNotExist) {
			continue // a crash before the first manifest: nothing was promised
		} else if err != nil {
			return nil, err
		}
		s.groups[GroupID(id)] = p
	}
	for _, id := range s.ids() { // all manifests are known: from here on it writes
		if err := s.groups[id].clean(fsys); err != nil {
			return nil, err
		}
	}
	for _, n := range names {
		if strings.HasSuffix(n, deletedSuffix) {
			if err := fsys.RemoveAll(path.Join(dir, n)); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// read takes over what the manifest says.
func (p *partition) read(fsys vfs.FS) error {
	st, err := readManifest(fsys, p.dir)
	if err == nil {
		p.state = *st
	}
	return err
}

// clean cuts what lies behind the manifest and removes files that it does not name.
func (p *partition) clean(fsys vfs.FS) error {
	keep := map[string]bool{manifestName: true}
	for _, seg := range p.state.Segments {
		for _, f := range []struct {
			name string
			size int64
		}{{logName(seg.Base), seg.Bytes}, {idxName(seg.Base), seg.Rows * rowSize}} {
			keep[f.name] = true
			if err := cutTo(fsys, path.Join(p.dir, f.name), f.size); err != nil {
				return err
			}
		}
	}
	names, err := fsys.List(p.dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		if !keep[n] {
			if err := fsys.Remove(path.Join(p.dir, n)); err != nil {
				return err
			}
		}
	}
	return nil
}

func cutTo(fsys vfs.FS, name string, size int64) error {
	have, err := fsys.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return &CorruptionError{File: name, What: "the manifest names it, but it is gone"}
	}
	if err != nil {
		return err
	}
	if have < size {
		return &CorruptionError{File: name, Offset: have, What: fmt.Sprintf("%d bytes are there, the manifest counts %d", have, size)}
	}
	if have == size {
		return nil
	}
	f, err := fsys.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		return err
	}
	return f.Sync()
}

func logName(base int64) string { return fmt.Sprintf("%020d.log", base) }
func idxName(base int64) string { return fmt.Sprintf("%020d.idx", base) }

// Groups returns what every group has in segments.
func (s *Segments) Groups() map[GroupID]*SegmentState {
	out := map[GroupID]*SegmentState{}
	for id, p := range s.groups {
		st := p.state
		out[id] = &st
	}
	return out
}

// next is the state that an append starts from.
func (p *partition) next(fsys vfs.FS, a *SegmentAppend) (SegmentState, error) {
	from := p.state
	if p.held != nil {
		from = *p.held
	}
	next := from
	next.Segments = append([]SegmentInfo(nil), from.Segments...)
	next.Name, next.Checkpoint = a.Name, a.Checkpoint
	if !a.Restart {
		return next, nil
	}
	p.closeFiles()
	p.held = nil
	p.obsolete = nil
	next.Segments, next.NextOffset, next.Last = nil, a.NextOffset, Position{}
	for _, seg := range p.state.Segments {
		if seg.Base != a.NextOffset {
			p.obsolete = append(p.obsolete, seg)
			continue
		}
		// A segment without records, of the same name as the one to come, would be overwritten while it is still promised.
		if n := len(p.state.Segments); n > 0 && seg.Rows > 0 {
			p.state.Segments = p.state.Segments[:n-1]
			if err := replaceFile(fsys, p.dir, manifestName, encodeManifest(&p.state)); err != nil {
				return next, err
			}
			for _, name := range []string{logName(seg.Base), idxName(seg.Base)} {
				if err := fsys.Remove(path.Join(p.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return next, err
				}
			}
		}
	}
	return next, nil
}

// delete removes a group's directory; the rename makes it atomic, the rest is done again after a crash.
func (s *Segments) delete(id GroupID, dir string) error {
	if p := s.groups[id]; p != nil {
		p.closeFiles()
		delete(s.groups, id)
	}
	gone := dir + deletedSuffix
	if err := s.fs.RemoveAll(gone); err != nil {
		return err
	}
	if err := s.fs.Rename(dir, gone); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if err := s.fs.SyncDir(s.dir); err != nil {
		return err
	}
	return s.fs.RemoveAll(gone)
}

// dropBelow takes sealed segments that lie wholly below the log start out of the manifest.
func (st *SegmentState) dropBelow(logStart int64) []SegmentInfo {
	n := 0
	for n < len(st.Segments)-1 && st.Segments[n].Sealed && st.Segments[n].NextOffset <= logStart {
		n++
	}
	dropped := st.Segments[:n]
	st.Segments = st.Segments[n:]
	return dropped
}

// append writes one run of entries; a Roll is the last of its run and seals the segment.
func (p *partition) append(fsys vfs.FS, st *SegmentState, run []SegmentEntry, firstOffset int64) error {
	if n := len(st.Segments); n == 0 || st.Segments[n-1].Sealed {
		base := st.NextOffset
		if n == 0 {
			base = firstOffset
			st.NextOffset = base
		}
		st.Segments = append(st.Segments, SegmentInfo{Base: base, NextOffset: base, MaxTimestamp: -1, OffsetOfMax: -1})
		if p.dirty {
			if err := vfs.SyncAll(fsys, []vfs.File{p.log, p.idx}); err != nil {
				return err
			}
		}
		p.closeFiles()
	}
	seg := &st.Segments[len(st.Segments)-1]
	if err := p.openFiles(fsys, *seg); err != nil {
		return err
	}
	rows := make([]byte, rowSize*len(run))
	var parts [][]byte
	pos := seg.Bytes
	for i := range run {
		e := &run[i]
		r := row{index: e.Index, term: e.Term, kind: e.Type, pos: pos, base: -1, last: -1, timestamp: e.MaxTimestamp, crc: e.RowCRC}
		if e.RowCRC == 0 {
			r.crc = crc32.Checksum(e.Data, castagnoli)
		}
		if e.BaseOffset >= 0 {
			if e.BaseOffset != st.NextOffset {
				panic(fmt.Sprintf("BUG: %s: a batch at offset %d goes into a segment that ends at %d", st.Name, e.BaseOffset, st.NextOffset))
			}
			r.base, r.last, r.length = e.BaseOffset, e.LastOffset, uint32(len(e.Data))
			parts = append(parts, e.Data)
			pos += int64(len(e.Data))
			st.NextOffset = e.LastOffset + 1
			if e.MaxTimestamp > seg.MaxTimestamp {
				seg.MaxTimestamp, seg.OffsetOfMax = e.MaxTimestamp, e.BaseOffset
			}
		}
		r.encode(rows[i*rowSize:])
		st.Last = Position{e.Index, e.Term}
	}
	if err := p.log.WriteV(parts, seg.Bytes); err != nil {
		return err
	}
	if _, err := p.idx.WriteAt(rows, seg.Rows*rowSize); err != nil {
		return err
	}
	p.dirty = true
	seg.Bytes, seg.NextOffset = pos, st.NextOffset
	seg.Rows += int64(len(run))
	// A segment without records stays open: the next one would have its name.
	seg.Sealed = run[len(run)-1].Roll && seg.NextOffset > seg.Base
	return nil
}

func (p *partition) openFiles(fsys vfs.FS, seg SegmentInfo) error {
	if p.log != nil {
		return nil
	}
	for _, x := range []struct {
		f    *vfs.File
		name string
	}{{&p.log, logName(seg.Base)}, {&p.idx, idxName(seg.Base)}} {
		name := path.Join(p.dir, x.name)
		f, err := fsys.Open(name)
		if errors.Is(err, fs.ErrNotExist) && seg.Rows == 0 {
			if f, err = fsys.Create(name); err == nil {
				err = fsys.SyncDir(p.dir)
			}
		}
		if err != nil {
			p.closeFiles()
			return err
		}
		*x.f = f
	}
	p.log = vfs.Direct(fsys, p.log, path.Join(p.dir, logName(seg.Base)), 1)
	return nil
}

func (p *partition) closeFiles() {
	if p.log != nil {
		p.log.Close()
	}
	if p.idx != nil {
		p.idx.Close()
	}
	p.log, p.idx, p.dirty = nil, nil, false
}

// Close closes all files.
func (s *Segments) Close() {
	for _, id := range s.ids() {
		s.groups[id].closeFiles()
	}
}

func (s *Segments) ids() []GroupID {
	ids := make([]GroupID, 0, len(s.groups))
	for id := range s.groups {
		ids = append(ids, id)
	}
	sort.Slice(ids, func(i, j int) bool { return ids[i] < ids[j] })
	return ids
}
