package wal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sort"
	"strconv"
	"strings"

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
	for _, payload := range tail { // its newest copy is in the new generation
		if err := rec.frame(payload, l.files[len(l.files)-1].gen); err != nil {
			return nil, nil, err
		}
	}
	for id, g := range rec.groups {
		l.groups[id] = g.track(l.files[len(l.files)-1].gen)
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
		f.gen, f.prevEnd, f.prevGen = h.Gen, h.PrevEnd, h.PrevGen
		l.files = append(l.files, f)
	}
	sort.Slice(l.files, func(i, j int) bool { return l.files[i].gen < l.files[j].gen })
	for i := 1; i < len(l.files); i++ {
		if l.files[i].prevGen != l.files[i-1].gen {
			return &CorruptionError{File: l.files[i].name, What: fmt.Sprintf("it follows generation %d, but the newest before it is %d: a file is missing", l.files[i].prevGen, l.files[i-1].gen)}
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
			end = l.files[i+1].prevEnd
		}
		raw, err := readAll(f.f, min(end, f.size))
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", f.name, err)
		}
		var frames []place
		var payloads [][]byte
		pos := int64(headerSize)
		for pos < end {
			fr, payload, ok := decodeFrame(raw, place{f.gen, pos})
			if !ok {
				if !last {
					return nil, &CorruptionError{File: f.name, Offset: pos, What: "a frame that was synced does not verify"}
				}
				break
			}
			if err := rec.frame(payload, f.gen); err != nil {
				return nil, &CorruptionError{File: f.name, Offset: pos, What: err.Error()}
			}
			l.synced = maxPlace(l.synced, fr.synced)
			frames, payloads = append(frames, place{f.gen, pos}), append(payloads, payload)
			pos += frameSize(fr.length)
		}
		if !last {
			continue
		}
		l.head = pos
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
// then some frame behind it verifies and says that what lies before was synced.
func (l *Log) checkTail(f *file, raw []byte, pos int64, rec *recovery) error {
	for p := pos + frameAlign; p+frameHead <= int64(len(raw)); p += frameAlign {
		if le.Uint32(raw[p:]) != frameMagic {
			continue
		}
		if fr, _, ok := decodeFrame(raw, place{f.gen, p}); ok && (place{f.gen, pos}).less(fr.synced) {
			return &CorruptionError{File: f.name, Offset: pos, What: fmt.Sprintf("a later frame, at %d, says that this was synced", p)}
		}
	}
	if pos+frameHead <= int64(len(raw)) {
		h := raw[pos:]
		// Our own magic with this generation's mark is a round that did not get through; anything else is an unused or
		// recycled rest of the file.
		if le.Uint32(h) == frameMagic && le.Uint64(h[16:])+1 >= f.gen && le.Uint64(h[16:]) <= f.gen {
			rec.torn, rec.tornFile, rec.tornAt = frameSize(int(min(int64(le.Uint32(h[8:])), int64(len(raw))-pos))), f.name, pos
		}
	}
	return nil
}

// startGeneration writes the tail again into a new generation. The frames are synced before the header, so that a crash
// in between leaves the old file as the newest.
func (l *Log) startGeneration(tail [][]byte) error {
	need := int64(headerSize)
	for _, p := range tail {
		need += frameSize(len(p))
	}
	h := fileHeader{Gen: 1}
	if n := len(l.files); n > 0 {
		h = fileHeader{Gen: l.files[n-1].gen + 1, PrevGen: l.files[n-1].gen, PrevEnd: l.head}
	}
	size := l.o.FileSize
	if len(l.files) == 0 {
		size = l.o.FirstFile
	}
	var f *file
	for i, x := range l.free {
		if x.size >= need+l.o.FirstFile/2 {
			f = x
			l.free = append(l.free[:i], l.free[i+1:]...)
			break
		}
	}
	if f == nil {
		var err error
		if f, err = l.allocate(max(size, need+l.o.FirstFile/2)); err != nil {
			return err
		}
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
	if _, err := f.f.WriteAt(h.encode(), 0); err != nil {
		return &FatalError{err}
	}
	if err := l.sync(f.f); err != nil {
		return err
	}
	f.gen, f.prevEnd, f.prevGen = h.Gen, h.PrevEnd, h.PrevGen
	l.files = append(l.files, f)
	l.head = pos
	l.synced = place{h.Gen, pos}
	return nil
}
