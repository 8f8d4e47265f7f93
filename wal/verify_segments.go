package wal

import (
	"bufio"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path"

	"chronik/protocol/batch"
	"chronik/wal/vfs"
)

// checkSegments checks all segments of a group against its manifest, and what the log still has of them against both.
func (s *stopped) checkSegments(id GroupID, st *SegmentState, c *chain, g *groupLog, visit visitor) error {
	dir := s.segmentDir(id)
	manifest := path.Join(dir, manifestName)
	if g != nil && g.birth != nil && g.birth.Name != st.Name {
		s.problem(manifest, -1, "it is that of %q, the log calls group %d %q", st.Name, id, g.birth.Name)
	}
	keep := map[string]bool{manifestName: true}
	for i, seg := range st.Segments {
		last := i == len(st.Segments)-1
		if !seg.Sealed && !last {
			s.problem(manifest, -1, "segment %d is not sealed, but others follow it", seg.Base)
		}
		if c.begun && seg.Base != c.off {
			s.problem(manifest, -1, "segment %d follows offset %d", seg.Base, c.off-1)
		}
		c.off, c.begun = seg.Base, true
		keep[logName(seg.Base)], keep[idxName(seg.Base)] = true, true
		c.r.Segments++
		c.r.SegmentBytes += seg.Bytes
		if err := s.checkSegment(dir, seg, c, g, visit); err != nil {
			return err
		}
	}
	if c.begun && c.off != st.NextOffset {
		s.problem(manifest, -1, "it says that the next offset is %d, the batches end at %d", st.NextOffset, c.off-1)
	}
	if !c.begun {
		c.off, c.begun = st.NextOffset, true
	}
	if c.next > st.Last.Index+1 {
		s.problem(manifest, -1, "it says that segments end at entry %d, their rows end at %d", st.Last.Index, c.next-1)
	} else if c.next != 0 && c.next <= st.Last.Index {
		s.note("%s has no rows for entries %d to %d, which have no records: a copy from the leader was cut off", dir, c.next, st.Last.Index)
	}
	c.next, c.term = st.Last.Index+1, max(c.term, st.Last.Term)
	names, err := s.fs.List(dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		if !keep[n] {
			s.note("%s is left over from a crash; the next start removes it", path.Join(dir, n))
		}
	}
	return nil
}

// checkSegment reads one segment from end to end.
func (s *stopped) checkSegment(dir string, seg SegmentInfo, c *chain, g *groupLog, visit visitor) error {
	k := &segmentCheck{stopped: s, c: c, g: g, seg: seg, logName: path.Join(dir, logName(seg.Base)), idxName: path.Join(dir, idxName(seg.Base)), max: -1, offsetOfMax: -1}
	for _, f := range []struct {
		name string
		want int64
	}{{k.logName, seg.Bytes}, {k.idxName, seg.Rows * rowSize}} {
		name, want := f.name, f.want
		switch have := sizeOf(s.fs, name); {
		case have < want:
			s.problem(name, have, "%d bytes are there, the manifest counts %d", have, want)
			k.short = true
		case have > want:
			s.note("%s has %d bytes behind what the manifest counts: an append that was cut off", name, have-want)
		}
	}
	if k.short {
		c.next, c.off, c.begun = 0, seg.NextOffset, true
		return nil
	}
	idx, err := s.fs.Open(k.idxName)
	if err != nil {
		return err
	}
	defer idx.Close()
	if k.log, err = s.fs.Open(k.logName); err != nil {
		return err
	}
	defer k.log.Close()
	rows := bufio.NewReaderSize(io.NewSectionReader(idx, 0, seg.Rows*rowSize), 64<<10)
	var b [rowSize]byte
	for i := range seg.Rows {
		if _, err := io.ReadFull(rows, b[:]); err != nil {
			return fmt.Errorf("%s: %w", k.idxName, err)
		}
		if err := k.row(i, b[:], visit); err != nil {
			return err
		}
		s.meter.add(rowSize)
	}
	k.end()
	return nil
}

// segmentCheck is one segment while it is read.
type segmentCheck struct {
	*stopped
	c                *chain
	g                *groupLog
	seg              SegmentInfo
	log              vfs.File
	logName, idxName string
	pos              int64
	max, offsetOfMax int64
	short            bool
	buf              []byte
}

// row checks one row and, when it has records, the batch that it names.
func (k *segmentCheck) row(i int64, b []byte, visit visitor) error {
	r, ok := decodeRow(b)
	if !ok {
		k.problem(k.idxName, i*rowSize, "row %d does not verify", i)
		k.c.next = 0
		k.pos = -1
		return nil
	}
	k.c.entry(k.idxName, i*rowSize, r.index, r.term)
	k.inLog(&r)
	if r.base < 0 {
		return nil
	}
	if k.pos >= 0 && r.pos != k.pos {
		k.problem(k.idxName, i*rowSize, "row %d says that its batch begins at %d, the one before it ends at %d", i, r.pos, k.pos)
	}
	if r.pos < 0 || r.pos+int64(r.length) > k.seg.Bytes {
		k.problem(k.idxName, i*rowSize, "row %d names bytes that the segment does not have", i)
		return nil
	}
	k.pos = r.pos + int64(r.length)
	if int64(cap(k.buf)) < int64(r.length) {
		k.buf = make([]byte, r.length)
	}
	data := k.buf[:r.length]
	if _, err := k.log.ReadAt(data, r.pos); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s at %d: %w", k.logName, r.pos, err)
	}
	k.meter.add(int64(r.length))
	return k.batch(&r, data, visit)
}

func (k *segmentCheck) batch(r *row, data []byte, visit visitor) error {
	out := &located{row: *r, data: data, ok: true, file: k.logName, pos: r.pos}
	before := len(k.Problems)
	if crc32.Checksum(data, castagnoli) != r.crc {
		k.problem(k.logName, r.pos, "the batch at offset %d does not match its row's CRC", r.base)
	}
	h, whole := batch.ParseHeader(data)
	if !whole || h.Size != len(data) {
		k.problem(k.logName, r.pos, "what should be the batch at offset %d is none", r.base)
		k.c.off, k.c.begun = r.last+1, true
		return nil
	}
	if got := batch.Checksum(data); got != h.CRC {
		k.problem(k.logName, r.pos, "the batch at offset %d does not verify: its CRC is %08x, its bytes give %08x", r.base, h.CRC, got)
	}
	if int64(h.BaseOffset) != r.base || int64(h.LastOffset()) != r.last || int64(h.MaxTimestamp) != r.timestamp {
		k.problem(k.logName, r.pos, "the batch holds offsets %d to %d, its row says %d to %d, or their timestamps differ", h.BaseOffset, h.LastOffset(), r.base, r.last)
	}
	out.ok = len(k.Problems) == before
	if !out.ok { // go on as the row has it
		h.BaseOffset, h.LastDelta = 0, 0
		k.c.off, k.c.begun = r.last+1, true
		k.c.r.Batches++
	} else {
		k.c.batch(k.logName, r.pos, &h, r.term)
	}
	if r.timestamp > k.max {
		k.max, k.offsetOfMax = r.timestamp, r.base
	}
	if visit == nil {
		return nil
	}
	out.header, _ = batch.ParseHeader(data)
	return visit(out, true)
}

// inLog compares a row with the copy of its entry that the log may still have.
func (k *segmentCheck) inLog(r *row) {
	if k.g == nil {
		return
	}
	e, ok := k.g.entries[r.index]
	if ok && r.index <= k.g.hs.Commit && (e.Term != r.term || crc32.Checksum(e.Data, castagnoli) != r.crc) {
		k.problem(k.logName, max(r.pos, 0), "entry %d (term %d) is another one in the log (term %d)", r.index, r.term, e.Term)
	}
}

// end compares what was read with what the manifest says.
func (k *segmentCheck) end() {
	manifest := path.Join(path.Dir(k.logName), manifestName)
	if k.pos >= 0 && k.pos != k.seg.Bytes {
		k.problem(k.idxName, -1, "its rows name %d bytes, the manifest counts %d", k.pos, k.seg.Bytes)
	}
	if k.c.off != k.seg.NextOffset {
		k.problem(manifest, -1, "it says that segment %d ends before offset %d, its batches end before %d", k.seg.Base, k.seg.NextOffset, k.c.off)
	}
	if k.pos >= 0 && (k.max != k.seg.MaxTimestamp || k.offsetOfMax != k.seg.OffsetOfMax) {
		k.problem(manifest, -1, "it says that the newest timestamp of segment %d is %d at offset %d, it is %d at %d", k.seg.Base, k.seg.MaxTimestamp, k.seg.OffsetOfMax, k.max, k.offsetOfMax)
	}
}
