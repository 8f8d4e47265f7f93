package wal

import (
	"sort"
)

// rewrite writes at the head what would be lost with a file: the live entries of the groups that it pins, and the newest
// birth, base and hard state of every group whose only copy may be in it.
func (l *Log) rewrite(f *file, pinned []GroupID) error {
	live, err := l.liveEntries(f, pinned)
	if err != nil {
		return err
	}
	for _, id := range pinned {
		for _, run := range live[id] {
			if err := l.commitRewritten(id, run); err != nil {
				return err
			}
		}
	}
	var heads []Write
	for id, g := range l.groups {
		if g.headGen == 0 || g.headGen > f.Gen {
			continue
		}
		w := Write{Group: id, Birth: g.birth}
		if g.hasHS {
			hs := g.hs
			w.HardState = &hs
		}
		if g.hasBase {
			base := g.base
			w.Release = &base
		}
		heads = append(heads, w)
	}
	sort.Slice(heads, func(i, j int) bool { return heads[i].Group < heads[j].Group })
	before := make([]uint64, len(heads))
	for i := range heads {
		g := l.groups[heads[i].Group]
		before[i], g.headGen = g.headGen, 0 // note sets it to where the copy lands
	}
	err = l.Commit(heads)
	for i := range heads { // those that found no room are where they were
		if g := l.groups[heads[i].Group]; g.headGen == 0 {
			g.headGen = before[i]
		}
	}
	return err
}

// liveEntries reads a file back and picks the pinned groups' live entries, as runs of consecutive indexes.
func (l *Log) liveEntries(f *file, pinned []GroupID) (map[GroupID][][]Entry, error) {
	if len(pinned) == 0 {
		return nil, nil
	}
	want := map[GroupID]map[Index]Entry{}
	for _, id := range pinned {
		want[id] = map[Index]Entry{}
	}
	end := f.size
	if len(l.files) > 1 {
		end = l.endOf(f)
	}
	raw, err := readAll(f.f, end)
	if err != nil {
		return nil, &FatalError{err}
	}
	for pos := int64(headerSize); pos < end; {
		fr, payload, ok := decodeFrame(raw, place{f.Gen, pos})
		if !ok {
			return nil, &CorruptionError{File: f.name, Offset: pos, What: "a synced frame does not verify any more"}
		}
		err := eachRecord(payload, func(t recordType, id GroupID, body *reader) {
			entries := want[id]
			if entries == nil || t != recEntries && t != recRewritten {
				return
			}
			for _, e := range body.entries() {
				if _, there := entries[e.Index]; t == recRewritten && there {
					continue
				}
				entries[e.Index] = e
			}
		})
		if err != nil {
			return nil, &CorruptionError{File: f.name, Offset: pos, What: err.Error()}
		}
		pos += frameSize(fr.length)
	}
	out := map[GroupID][][]Entry{}
	for _, id := range pinned {
		for _, s := range l.groups[id].spans {
			if s.gen != f.Gen {
				continue
			}
			var run []Entry
			for i := s.first; i <= s.last; i++ {
				e, ok := want[id][i]
				if !ok {
					return nil, &CorruptionError{File: f.name, Offset: 0, What: "an entry that should be live is not there"}
				}
				run = append(run, e)
			}
			out[id] = append(out[id], run)
		}
	}
	return out, nil
}

// endOf is where a live file's frames end: the next generation's header says so.
func (l *Log) endOf(f *file) int64 {
	for i, x := range l.files {
		if x == f && i+1 < len(l.files) {
			return l.files[i+1].PrevEnd
		}
	}
	return l.head
}

// commitRewritten writes a run of entries at the head in pieces that fit, and moves their spans there.
func (l *Log) commitRewritten(id GroupID, run []Entry) error {
	for len(run) > 0 {
		n, size := 0, recHead+4
		for n < len(run) && (n == 0 || size < 4<<20) {
			size += entryHead + len(run[n].Data)
			n++
		}
		if frameSize(size) > l.room() {
			if err := l.nextFile(frameSize(size)); err != nil {
				return err
			}
		}
		if need := n*entryHead + recHead + 4; cap(l.hdr) < need {
			l.hdr = make([]byte, 0, 2*need)
		}
		start := 0
		cut := func() {
			if len(l.hdr) > start {
				l.parts = append(l.parts, l.hdr[start:len(l.hdr):len(l.hdr)])
				start = len(l.hdr)
			}
		}
		l.entries(recRewritten, id, run[:n], cut)
		cut()
		if err := l.flush(size, nil); err != nil {
			return err
		}
		l.groups[id].move(run[0].Index, run[n-1].Index, l.files[len(l.files)-1].Gen)
		run = run[n:]
	}
	return nil
}

// move says that the live entries first..last have their newest copy in gen now.
func (g *group) move(first, last Index, gen uint64) {
	var out []span
	for _, s := range g.spans {
		if s.last < first || s.first > last {
			out = append(out, s)
			continue
		}
		if s.first < first {
			out = append(out, span{s.gen, s.first, first - 1})
		}
		out = append(out, span{gen, max(s.first, first), min(s.last, last)})
		if s.last > last {
			out = append(out, span{s.gen, last + 1, s.last})
		}
	}
	g.spans = out
}
