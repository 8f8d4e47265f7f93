package wal

import (
	"fmt"
	"hash/crc32"
	"path"
	"sort"
	"strconv"
)

// Copied is what a peer gets of a group's segments: entries as they are to be appended there, in order. When what it asked
// for is no longer there, First is where the segments begin, and Entries is empty.
type Copied struct {
	First       Index
	FirstOffset int64
	Entries     []SegmentEntry
}

// Entries reads a group's entries from an index on, up to another, at least one and about maxBytes of them, all of one
// segment, every batch verified.
func (r *SegmentReader) Entries(g GroupID, from, upTo Index, maxBytes int) (*Copied, error) {
	st, err := readManifest(r.fs, path.Join(r.dir, strconv.FormatUint(uint64(g), 10)))
	if err != nil {
		return nil, err
	}
	if len(st.Segments) == 0 {
		return nil, fmt.Errorf("group %d has no segments", g)
	}
	first, err := r.firstIndex(g, st.Segments[0])
	if err != nil {
		return nil, err
	}
	if from < first {
		return &Copied{First: first, FirstOffset: st.Segments[0].Base}, nil
	}
	at, failed := 0, error(nil)
	sort.Search(len(st.Segments), func(i int) bool {
		x, err := r.firstIndex(g, st.Segments[i])
		if err != nil {
			failed = err
			return true
		}
		if x <= from && i >= at {
			at, first = i, x
		}
		return x > from
	})
	if failed != nil {
		return nil, failed
	}
	return r.copySegment(g, st.Segments[at], first, from, upTo, maxBytes)
}

func (r *SegmentReader) firstIndex(g GroupID, seg SegmentInfo) (Index, error) {
	s, err := r.open(g, seg.Base, seg.Rows)
	if err != nil {
		return 0, err
	}
	defer s.close()
	row, err := s.row(0)
	return row.index, err
}

func (r *SegmentReader) copySegment(g GroupID, seg SegmentInfo, first, from, upTo Index, maxBytes int) (*Copied, error) {
	s, err := r.open(g, seg.Base, seg.Rows)
	if err != nil {
		return nil, err
	}
	defer s.close()
	out := &Copied{First: from, FirstOffset: seg.Base}
	size := 0
	for i := int64(from - first); i < seg.Rows && size < maxBytes; i++ {
		row, err := s.row(i)
		if err != nil {
			return nil, err
		}
		if row.index != first+Index(i) {
			return nil, &CorruptionError{File: s.idxNamed, Offset: i * rowSize, What: fmt.Sprintf("it holds entry %d where %d belongs", row.index, first+Index(i))}
		}
		if row.index > upTo {
			break
		}
		e := SegmentEntry{Entry: Entry{Index: row.index, Term: row.term, Type: row.kind}, BaseOffset: row.base, LastOffset: row.last, MaxTimestamp: row.timestamp,
			RowCRC: row.crc, Roll: seg.Sealed && i == seg.Rows-1}
		if row.base >= 0 {
			e.Data = make([]byte, row.length)
			if n, err := s.log.ReadAt(e.Data, row.pos); n < len(e.Data) {
				return nil, &CorruptionError{File: s.name, Offset: row.pos, What: fmt.Sprint(err)}
			}
			if crc32.Checksum(e.Data, castagnoli) != row.crc {
				return nil, &CorruptionError{File: s.name, Offset: row.pos, What: fmt.Sprintf("the batch with offset %d does not verify", row.base)}
			}
		}
		size += len(e.Data) + rowSize
		out.Entries = append(out.Entries, e)
	}
	if len(out.Entries) == 0 {
		return nil, fmt.Errorf("group %d: entry %d is not in segments yet", g, from)
	}
	return out, nil
}
