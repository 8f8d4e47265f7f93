package wal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sort"
	"strconv"
	"strings"
	"syscall"

	"chronik/wal/vfs"
)

// GroupState is what recovery knows of a group. Entries follow Base without a gap.
type GroupState struct {
	Birth     *Birth
	HardState HardState
	Base      Position
	Entries   []Entry
}

// LastIndex is the last index that the group has.
func (s *GroupState) LastIndex() Index {
	if n := len(s.Entries); n > 0 {
		return s.Entries[n-1].Index
	}
	return s.Base.Index
}

// Last is the position of the last entry that the group has.
func (s *GroupState) Last() Position {
	if n := len(s.Entries); n > 0 {
		return Position{s.Entries[n-1].Index, s.Entries[n-1].Term}
	}
	return s.Base
}

// Recovery is what Open found.
type Recovery struct {
	Groups    map[GroupID]*GroupState
	TornBytes int64 // of a last round that was never acknowledged
	TornFile  string
	TornAt    int64
	Files     int
}

// Open recovers the log in dir (created when missing) and returns it ready for Commit. What it found after the last
// position that is known to be synced is on disk again, synced, before it returns. Errors: *CorruptionError,
// ErrUnknownVersion (nothing was written), *FatalError.
func Open(fsys vfs.FS, dir string, o Options) (*Log, *Recovery, error) {
	l := &Log{fs: fsys, dir: dir, o: o.withDefaults(), groups: map[GroupID]*group{}}
	if err := fsys.MkdirAll(dir); err != nil {
		return nil, nil, err
	}
	if err := l.openFiles(); err != nil {
		return nil, nil, err
	}
	rec := &recovery{groups: map[GroupID]*groupLog{}}
	tail, err := l.replay(rec)
	if err != nil {
		return nil, nil, err
	}
	out := &Recovery{Groups: map[GroupID]*GroupState{}, TornBytes: rec.torn, TornFile: rec.tornFile, TornAt: rec.tornAt, Files: len(l.files)}
	for id, g := range rec.groups {
		st, err := g.state(id, l.dir)
		if err != nil {
			return nil, nil, err
		}
		out.Groups[id] = st
	}
	if rec.torn > 0 {
		l.o.Logf("the last round of the log was torn by a crash: %d bytes of %s from offset %d on were never acknowledged and are cut", rec.torn, rec.tornFile, rec.tornAt)
	}
	if err := l.startGeneration(tail); err != nil {
		return nil, nil, err
	}
	pos := int64(headerSize)
	for _, payload := range tail { // its newest copy is in the new generation
		if err := rec.frame(payload, place{l.files[len(l.files)-1].Gen, pos}); err != nil {
			return nil, nil, err
		}
		pos += frameSize(len(payload))
	}
	for id, g := range rec.groups {
		l.groups[id] = g.track()
	}
	return l, out, nil
}

func readAll(f io.ReaderAt, size int64) ([]byte, error) {
	b := make([]byte, size)
	n, err := f.ReadAt(b, 0)
	if errors.Is(err, io.EOF) && int64(n) == size {
		err = nil
	}
	return b[:n], err
}

// openFiles opens every file of the directory and sorts them into live ones, by generation, and free ones.
func (l *Log) openFiles() error {
	names, err := l.fs.List(l.dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		id, err := strconv.Atoi(strings.TrimSuffix(n, ".wal"))
		if err != nil || !strings.HasSuffix(n, ".wal") {
			continue
		}
		l.nextID = max(l.nextID, id)
		f := &file{name: path.Join(l.dir, n)}
		if f.f, err = l.fs.Open(f.name); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			return err
		}
		f.f = vfs.Direct(l.fs, f.f, f.name, frameAlign)
		if f.size, err = f.f.Size(); err != nil {
			return err
		}
		head, err := readAll(f.f, min(f.size, headerSize))
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		h, live, err := decodeHeader(head, f.name)
		if err != nil {
			return err
		}
		if !live {
			l.free = append(l.free, f)
			continue
		}
		f.fileHeader = h
		if f.size < h.Size {
			l.o.Logf("%s is %d bytes shorter than it was allocated: something other than this program cut it", f.name, h.Size-f.size)
		}
		l.files = append(l.files, f)
	}
	sort.Slice(l.files, func(i, j int) bool { return l.files[i].Gen < l.files[j].Gen })
	for i := 1; i < len(l.files); i++ {
		if l.files[i].PrevGen != l.files[i-1].Gen {
			return &CorruptionError{File: l.files[i].name, What: fmt.Sprintf("it follows generation %d, but the newest before it is %d: a file is missing", l.files[i].PrevGen, l.files[i-1].Gen)}
		}
	}
	return nil
}

// replay reads all live files in order into rec and returns the payloads of the frames that are not known to be synced.
func (l *Log) replay(rec *recovery) (tail [][]byte, err error) {
	for i, f := range l.files {
		last := i == len(l.files)-1
		end := f.size
		if !last {
			end = l.files[i+1].PrevEnd
		}
		raw, err := readAll(f.f, min(end, f.size))
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", f.name, err)
		}
		var frames []place
		var payloads [][]byte
		pos := int64(headerSize)
		for pos < end {
			fr, payload, ok := decodeFrame(raw, place{f.Gen, pos})
			if !ok {
				if !last {
					return nil, &CorruptionError{File: f.name, Offset: pos, What: "a frame that was synced does not verify"}
				}
				break
			}
			if fr.version != recordVersion {
				return nil, fmt.Errorf("%s: %w %d of the frame at %d", f.name, ErrUnknownVersion, fr.version, pos)
			}
			if err := rec.frame(payload, place{f.Gen, pos}); errors.Is(err, ErrUnknownVersion) {
				return nil, fmt.Errorf("%s, at %d: %w", f.name, pos, err)
			} else if err != nil {
				return nil, &CorruptionError{File: f.name, Offset: pos, What: err.Error()}
			}
			if rec.frameRead != nil {
				rec.frameRead(f, frameSize(fr.length))
			}
			l.synced = maxPlace(l.synced, fr.synced)
			frames, payloads = append(frames, place{f.Gen, pos}), append(payloads, payload)
			pos += frameSize(fr.length)
		}
		if !last {
			continue
		}
		l.head, l.synced = pos, maxPlace(l.synced, place{f.Gen, f.Synced})
		if err := l.checkTail(f, raw, pos, rec); err != nil {
			return nil, err
		}
		for k, at := range frames {
			if !at.less(l.synced) {
				tail = append(tail, payloads[k])
				l.head = min(l.head, at.Pos)
			}
		}
	}
	return tail, nil
}

func maxPlace(a, b place) place {
	if a.less(b) {
		return b
	}
	return a
}

// checkTail decides what the bytes behind the last good frame are: nothing, a torn round (never acknowledged), or damage:
// then the header, or some frame behind it that verifies, says that what lies before was synced.
func (l *Log) checkTail(f *file, raw []byte, pos int64, rec *recovery) error {
	if pos < f.Synced {
		return &CorruptionError{File: f.name, Offset: pos, What: fmt.Sprintf("its header says that everything below %d was synced", f.Synced)}
	}
	for p := pos + frameAlign; p+frameHead <= int64(len(raw)); p += frameAlign {
		if le.Uint32(raw[p:]) != frameMagic {
			continue
		}
		if fr, _, ok := decodeFrame(raw, place{f.Gen, p}); ok && (place{f.Gen, pos}).less(fr.synced) {
			return &CorruptionError{File: f.name, Offset: pos, What: fmt.Sprintf("a later frame, at %d, says that this was synced", p)}
		}
	}
	if n := int64(len(raw)) - pos; n >= 16+8 && l.begunHere(f, raw[pos:], pos) {
		rec.torn, rec.tornFile, rec.tornAt = frameSize(int(min(int64(le.Uint32(raw[pos+8:])), n-frameHead))), f.name, pos
	} else if n > 0 && n < 16+8 && bytes.Count(raw[pos:], []byte{0}) < int(n) {
		rec.torn, rec.tornFile, rec.tornAt = n, f.name, pos
	}
	return nil
}

// begunHere says whether bytes are the beginning of a round that did not get through, rather than an unused or recycled
// rest of the file: two of magic, generation and position of its mark are what a round at this place carries, and it is no
// whole frame of the file's earlier life. It decides what a person is told, not what is cut.
func (l *Log) begunHere(f *file, b []byte, pos int64) bool {
	mark := place{Gen: le.Uint64(b[16:])}
	if len(b) >= frameHead {
		mark.Pos = int64(le.Uint64(b[24:]))
	}
	magic := le.Uint32(b) == frameMagic
	gen := mark.Gen == f.Gen || mark.Gen == f.PrevGen && mark.Gen > 0
	at := mark.Pos == pos || mark.Pos == f.PrevEnd && mark.Pos > 0
	if magic && at && !gen {
		whole := append(make([]byte, pos), b...)
		_, _, old := decodeFrame(whole, place{mark.Gen, pos})
		return !old
	}
	return magic && gen || magic && at || gen && at
}

// settle makes durable what an earlier process may have left in the page cache only: the newest header and those of
// retired files are written again and synced, and so are the directory's entries. Free files of an odd size, left by a
// crash while they were allocated, are removed.
func (l *Log) settle() error {
	if n := len(l.files); n > 0 {
		if err := l.writeHeader(l.files[n-1], l.files[n-1].encode()); err != nil {
			return err
		}
	}
	keep := l.free[:0]
	for _, f := range l.free {
		if f.size >= headerUsed {
			if err := l.writeHeader(f, make([]byte, headerUsed)); err != nil {
				return err
			}
		}
		if f.size >= l.o.FileSize && len(keep) < l.maxFree() {
			keep = append(keep, f)
			continue
		}
		f.f.Close()
		if err := l.fs.Remove(f.name); err != nil {
			return &FatalError{err}
		}
	}
	l.free = keep
	if err := l.fs.SyncDir(l.dir); err != nil {
		return &FatalError{err}
	}
	return nil
}

func (l *Log) writeHeader(f *file, b []byte) error {
	if _, err := f.f.WriteAt(b, 0); err != nil {
		return &FatalError{err}
	}
	return l.sync(f.f)
}

// startGeneration writes the tail again into a new generation. The frames are synced before the header, so that a crash
// in between leaves the old file as the newest; the header then vouches for them.
func (l *Log) startGeneration(tail [][]byte) error {
	need := int64(headerSize)
	for _, p := range tail {
		need += frameSize(len(p))
	}
	if err := l.settle(); err != nil {
		return err
	}
	h := fileHeader{Gen: 1}
	if n := len(l.files); n > 0 {
		h = fileHeader{Gen: l.files[n-1].Gen + 1, PrevGen: l.files[n-1].Gen, PrevEnd: l.head}
	}
	f, err := l.firstFile(need)
	if err != nil {
		return err
	}
	pos := int64(headerSize)
	for _, p := range tail {
		head := make([]byte, frameHead)
		encodeFrame(head, place{h.Gen, pos}, place{h.Gen, headerSize}, [][]byte{p})
		if err := f.f.WriteV([][]byte{head, p, make([]byte, frameSize(len(p))-frameHead-int64(len(p)))}, pos); err != nil {
			return &FatalError{err}
		}
		pos += frameSize(len(p))
	}
	if err := l.sync(f.f); err != nil {
		return err
	}
	h.Synced, h.Size = pos, f.size
	if err := l.writeHeader(f, h.encode()); err != nil {
		return err
	}
	f.fileHeader = h
	l.files = append(l.files, f)
	l.head = pos
	l.synced = place{h.Gen, pos}
	return nil
}

// firstFile returns a file for the generation that a start begins: a free one or a new one; on a full disk one that is
// just large enough, so that the node can still answer reads and votes.
func (l *Log) firstFile(need int64) (*file, error) {
	want := need + l.o.FirstFile/2
	for i, x := range l.free {
		if x.size >= want {
			l.free = append(l.free[:i], l.free[i+1:]...)
			return x, nil
		}
	}
	size := l.o.FileSize
	if len(l.files) == 0 {
		size = l.o.FirstFile
	}
	f, err := l.allocate(max(size, want))
	if errors.Is(err, syscall.ENOSPC) {
		l.full = true
		f, err = l.allocate(need + min(l.o.FirstFile/2, 1<<20))
	}
	return f, err
}
