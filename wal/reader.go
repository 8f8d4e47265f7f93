package wal

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path"
	"sort"
	"strconv"

	"chronik/wal/vfs"
)

// SegmentReader serves the committed past. It keeps no state between calls and may work beside the writer, and in several
// copies: what it reads is below what a manifest promised. Every batch is verified against its row before it is returned.
type SegmentReader struct {
	fs  vfs.FS
	dir string
}

// NewSegmentReader reads the segments below dir.
func NewSegmentReader(fsys vfs.FS, dir string) *SegmentReader {
	return &SegmentReader{fs: fsys, dir: dir}
}

// openSegment is one segment opened for reading.
type openSegment struct {
	log, idx       vfs.File
	rows           int64
	name, idxNamed string
}

func (r *SegmentReader) open(g GroupID, base, rows int64) (*openSegment, error) {
	dir := path.Join(r.dir, strconv.FormatUint(uint64(g), 10))
	s := &openSegment{rows: rows, name: path.Join(dir, logName(base)), idxNamed: path.Join(dir, idxName(base))}
	var err error
	if s.log, err = r.fs.Open(s.name); err != nil {
		return nil, err
	}
	if s.idx, err = r.fs.Open(s.idxNamed); err != nil {
		s.log.Close()
		return nil, err
	}
	return s, nil
}

func (s *openSegment) close() { s.log.Close(); s.idx.Close() }

func (s *openSegment) row(i int64) (row, error) {
	var b [rowSize]byte
	if n, err := s.idx.ReadAt(b[:], i*rowSize); n < rowSize {
		return row{}, &CorruptionError{File: s.idxNamed, Offset: i * rowSize, What: fmt.Sprintf("%d of %d bytes of a row could be read: %v", n, rowSize, err)}
	}
	r, ok := decodeRow(b[:])
	if !ok {
		return r, &CorruptionError{File: s.idxNamed, Offset: i * rowSize, What: "a row does not verify"}
	}
	return r, nil
}

// dataRow finds the first row at or after i that has records.
func (s *openSegment) dataRow(i int64) (int64, row, error) {
	for ; i < s.rows; i++ {
		r, err := s.row(i)
		if err != nil || r.base >= 0 {
			return i, r, err
		}
	}
	return i, row{}, io.EOF
}

// find returns the first data row whose batch ends at or after an offset.
func (s *openSegment) find(offset int64) (int64, row, error) {
	var failed error
	i := sort.Search(int(s.rows), func(i int) bool {
		_, r, err := s.dataRow(int64(i))
		if errors.Is(err, io.EOF) {
			return true
		}
		if err != nil {
			failed = err
			return true
		}
		return r.last >= offset
	})
	if failed != nil {
		return 0, row{}, failed
	}
	return s.dataRow(int64(i))
}

// Read returns the batches of a range, each verified. A *CorruptionError means that the bytes must not be served.
func (r *SegmentReader) Read(c ColdRange) ([][]byte, error) {
	s, err := r.open(c.Group, c.Base, c.Rows)
	if err != nil {
		return nil, err
	}
	defer s.close()
	i, first, err := s.find(c.From)
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return nil, err
	}
	var rows []row
	size := 0
	for row := first; ; {
		if row.base >= c.To || size+int(row.length) > c.MaxBytes && (len(rows) > 0 || !c.MinOne) {
			break
		}
		rows = append(rows, row)
		size += int(row.length)
		if i, row, err = s.dataRow(i + 1); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
	}
	if len(rows) == 0 {
		return nil, nil
	}
	buf := make([]byte, size)
	if n, err := s.log.ReadAt(buf, rows[0].pos); n < size {
		return nil, &CorruptionError{File: s.name, Offset: rows[0].pos, What: fmt.Sprintf("%d of %d bytes could be read: %v", n, size, err)}
	}
	var out [][]byte
	for _, row := range rows {
		b := buf[:row.length:row.length]
		buf = buf[row.length:]
		if crc32.Checksum(b, castagnoli) != row.crc {
			return nil, &CorruptionError{File: s.name, Offset: row.pos, What: fmt.Sprintf("the batch with offset %d does not verify", row.base)}
		}
		out = append(out, b)
	}
	return out, nil
}

// FindBatch returns the first batch of a range that may hold a record at or after a timestamp; nil when there is none.
func (r *SegmentReader) FindBatch(c ColdRange, timestamp int64) ([]byte, error) {
	s, err := r.open(c.Group, c.Base, c.Rows)
	if err != nil {
		return nil, err
	}
	defer s.close()
	i, row, err := s.find(c.From)
	for err == nil && row.base < c.To {
		if row.timestamp >= timestamp {
			b := make([]byte, row.length)
			if n, err := s.log.ReadAt(b, row.pos); n < len(b) {
				return nil, &CorruptionError{File: s.name, Offset: row.pos, What: fmt.Sprint(err)}
			}
			if crc32.Checksum(b, castagnoli) != row.crc {
				return nil, &CorruptionError{File: s.name, Offset: row.pos, What: fmt.Sprintf("the batch with offset %d does not verify", row.base)}
			}
			return b, nil
		}
		i, row, err = s.dataRow(i + 1)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return nil, err
}

// LargestTimestamp is the largest timestamp of the batches that lie in a range as a whole; -1 when there are none.
func (r *SegmentReader) LargestTimestamp(c ColdRange) (int64, error) {
	s, err := r.open(c.Group, c.Base, c.Rows)
	if err != nil {
		return -1, err
	}
	defer s.close()
	largest := int64(-1)
	i, row, err := s.find(c.From)
	for ; err == nil && row.base < c.To; i, row, err = s.dataRow(i + 1) {
		if row.base >= c.From {
			largest = max(largest, row.timestamp)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return largest, err
}
