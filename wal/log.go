package wal

import "chronik/wal/vfs"

// Options of a log. Zero values mean the defaults.
type Options struct {
	FileSize  int64 // bytes of a file, 64 MiB; the very first one is FirstFile
	FirstFile int64 // 8 MiB: a fresh node starts in a blink
	Files     int   // ring: more live files than this make Pinned name groups; 8
	// NoSync skips every fdatasync: for the tests that must find out.
	NoSync bool
	// Logf reports what a person should know, such as a torn tail.
	Logf func(format string, args ...any)
}

func (o Options) withDefaults() Options {
	if o.FileSize == 0 {
		o.FileSize = 64 << 20
	}
	if o.FirstFile == 0 {
		o.FirstFile = min(8<<20, o.FileSize)
	}
	if o.Files == 0 {
		o.Files = 8
	}
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	return o
}

// span is a run of a group's live entries that one file holds.
type span struct {
	gen         uint64
	first, last Index
}

// group is what the log remembers of a group beside its entries' whereabouts.
type group struct {
	birth   *Birth
	hs      HardState
	hasHS   bool
	base    Position
	headGen uint64 // oldest generation that holds the newest birth, hard state or base
	spans   []span // by index, ascending; of the live entries only
	hasBase bool
}

// file is one file of the ring, with its header; Gen 0: free.
type file struct {
	fileHeader
	name string
	f    vfs.File
	size int64
}

// Log is the write-ahead log of a data directory. One owner; not safe for concurrent use.
type Log struct {
	fs     vfs.FS
	dir    string
	o      Options
	files  []*file // live, by generation, the last is the head
	free   []*file
	nextID int
	head   int64 // where the next frame goes
	synced place
	groups map[GroupID]*group
	full   bool
	holder GroupID // pinned the oldest file when last looked
	forced uint64  // head when a pinned file was last written again

	hdr   []byte
	parts [][]byte
	frame []byte
	pad   [frameAlign]byte

	// Rounds, Bytes and Syncs count since Open.
	Rounds, Bytes, Syncs int64
}

// Commit makes all writes durable, in order, with one vectored write and one fdatasync (more when they do not fit into
// one file). An error is a FatalError, except ENOSPC when a new file was needed and could not be allocated, which
// leaves the log as it was before the writes that did not fit.
func (l *Log) Commit(ws []Write) error {
	l.hdr, l.parts = l.hdr[:0], l.parts[:0]
	need := 0
	for i := range ws {
		need += headBytes(&ws[i])
	}
	if cap(l.hdr) < need { // parts point into hdr: it must not move
		l.hdr = make([]byte, 0, 2*need)
	}
	size := 0
	from := 0
	for i := range ws {
		w := &ws[i]
		n := writeBytes(w)
		if size > 0 && frameSize(size+n) > l.room() {
			if err := l.flush(size, ws[from:i]); err != nil {
				return err
			}
			size, from = 0, i
		}
		if frameSize(n) > l.room() {
			if err := l.nextFile(frameSize(n)); err != nil {
				return err
			}
		}
		l.appendWrite(w)
		size += n
	}
	if size > 0 {
		return l.flush(size, ws[from:])
	}
	return nil
}

func (l *Log) room() int64 { return l.files[len(l.files)-1].size - l.head }

func headBytes(w *Write) int {
	n := len(w.Entries)*entryHead + 4 + 6*recHead + 24 + 16 + 16
	if w.Birth != nil {
		n += birthSize(w.Birth)
	}
	return n
}

func writeBytes(w *Write) int {
	n := 0
	if w.Birth != nil {
		n += recHead + birthSize(w.Birth)
	}
	if w.Reset != nil {
		n += recHead + 16
	}
	if len(w.Entries) > 0 {
		n += recHead + entriesSize(w.Entries)
	}
	if w.HardState != nil {
		n += recHead + 24
	}
	if w.Release != nil {
		n += recHead + 16
	}
	if w.Drop {
		n += recHead
	}
	return n
}

// appendWrite encodes one group's share; payloads of entries are not copied.
func (l *Log) appendWrite(w *Write) {
	start := len(l.hdr)
	cut := func() {
		if len(l.hdr) > start {
			l.parts = append(l.parts, l.hdr[start:len(l.hdr):len(l.hdr)])
			start = len(l.hdr)
		}
	}
	if w.Birth != nil {
		l.hdr = appendBirth(l.hdr, w.Birth)
	}
	if w.Reset != nil {
		l.hdr = appendPosition(appendRecordHead(l.hdr, recReset, w.Group, 16), *w.Reset)
	}
	if len(w.Entries) > 0 {
		l.entries(recEntries, w.Group, w.Entries, cut)
	}
	if w.HardState != nil {
		l.hdr = appendHardState(l.hdr, w.Group, *w.HardState)
	}
	if w.Release != nil {
		l.hdr = appendPosition(appendRecordHead(l.hdr, recRelease, w.Group, 16), *w.Release)
	}
	if w.Drop {
		l.hdr = appendRecordHead(l.hdr, recDrop, w.Group, 0)
	}
	cut()
}

func (l *Log) entries(t recordType, g GroupID, es []Entry, cut func()) {
	l.hdr = appendRecordHead(l.hdr, t, g, entriesSize(es))
	l.hdr = le.AppendUint32(l.hdr, uint32(len(es)))
	for i := range es {
		l.hdr = appendEntryHead(l.hdr, &es[i])
		if len(es[i].Data) > 0 {
			cut()
			l.parts = append(l.parts, es[i].Data)
		}
	}
}

// flush writes what appendWrite collected as one frame, syncs it, and takes note of it.
func (l *Log) flush(size int, ws []Write) error {
	head := l.files[len(l.files)-1]
	at := place{head.Gen, l.head}
	if l.frame == nil {
		l.frame = make([]byte, frameHead)
	}
	encodeFrame(l.frame, at, l.synced, l.parts)
	total := frameSize(size)
	out := append([][]byte{l.frame}, l.parts...)
	if pad := total - frameHead - int64(size); pad > 0 {
		out = append(out, l.pad[:pad])
	}
	if err := head.f.WriteV(out, l.head); err != nil {
		return &FatalError{err}
	}
	if err := l.sync(head.f); err != nil {
		return err
	}
	l.head += total
	l.synced = place{head.Gen, l.head}
	l.Rounds++
	l.Bytes += total
	clear(l.parts)
	l.parts, l.hdr = l.parts[:0], l.hdr[:0]
	for i := range ws {
		l.note(&ws[i], head.Gen)
	}
	return nil
}

func (l *Log) sync(f vfs.File) error {
	if l.o.NoSync {
		return nil
	}
	l.Syncs++
	if err := f.Datasync(); err != nil {
		return &FatalError{err}
	}
	return nil
}

func (l *Log) group(g GroupID) *group {
	x := l.groups[g]
	if x == nil {
		x = &group{}
		l.groups[g] = x
	}
	return x
}

// note updates what is known of a group after its write became durable in generation gen.
func (l *Log) note(w *Write, gen uint64) {
	if w.Drop {
		delete(l.groups, w.Group)
		return
	}
	g := l.group(w.Group)
	if w.Birth != nil || w.HardState != nil || w.Reset != nil || w.Release != nil {
		if g.headGen == 0 {
			g.headGen = gen
		}
	}
	if w.Birth != nil {
		g.birth = w.Birth
	}
	if w.Reset != nil {
		g.spans, g.base, g.hasBase = nil, *w.Reset, true
	}
	if len(w.Entries) > 0 {
		g.add(gen, w.Entries[0].Index, w.Entries[len(w.Entries)-1].Index)
	}
	if w.HardState != nil {
		g.hs, g.hasHS = *w.HardState, true
	}
	if w.Release != nil && w.Release.Index > g.base.Index {
		g.base, g.hasBase = *w.Release, true
		g.release(w.Release.Index)
	}
}

// add says that entries first..last are live in gen; what the group had from first on is not any more.
func (g *group) add(gen uint64, first, last Index) {
	for n := len(g.spans); n > 0; n-- {
		s := &g.spans[n-1]
		if s.last < first {
			break
		}
		if s.first < first {
			s.last = first - 1
			break
		}
		g.spans = g.spans[:n-1]
	}
	if n := len(g.spans); n > 0 && g.spans[n-1].gen == gen && g.spans[n-1].last+1 == first {
		g.spans[n-1].last = last
		return
	}
	g.spans = append(g.spans, span{gen, first, last})
}

func (g *group) release(upTo Index) {
	n := 0
	for n < len(g.spans) && g.spans[n].last <= upTo {
		n++
	}
	g.spans = append(g.spans[:0], g.spans[n:]...)
	if len(g.spans) > 0 && g.spans[0].first <= upTo {
		g.spans[0].first = upTo + 1
	}
}

// Close closes the files. Everything that Commit returned for is durable already.
func (l *Log) Close() error {
	var first error
	for _, f := range append(append([]*file(nil), l.files...), l.free...) {
		if err := f.f.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}
