package wal

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path"

	"chronik/protocol/batch"
	"chronik/wal/vfs"
)

// ErrNoPartition: the directory holds no group of that name.
var ErrNoPartition = errors.New("no such partition in this directory")

// DumpOptions say how much Dump shows.
type DumpOptions struct {
	Records  bool // a line per record, too, with lengths and hashes of key and value
	Progress Progress
}

// Dump writes one line per batch of a partition (TOPIC-P), in the order of offsets: from segments, then what is only in
// the log. All that stands before "where" is the same on every replica; where names the file and the position. The line of
// the high watermark stands behind the last batch that this directory knows to be committed; a batch behind it may be
// committed, or be cut off later. Damage is in the report, as Verify has it, and marked BAD in its line. Errors: as
// Verify, and ErrNoPartition.
func Dump(fsys vfs.FS, dir, name string, o DumpOptions, w io.Writer) (*Report, error) {
	s, err := openStopped(fsys, dir, o.Progress)
	if err != nil {
		return nil, err
	}
	defer s.lock.Close()
	found := false
	for _, id := range s.ids() {
		if s.name(id) != name || id == MetaGroup {
			continue
		}
		found = true
		if err := s.dump(id, o, w); err != nil {
			return nil, err
		}
	}
	if !found {
		return s.Report, fmt.Errorf("%w: %s", ErrNoPartition, name)
	}
	return s.Report, nil
}

func (s *stopped) dump(id GroupID, o DumpOptions, w io.Writer) error {
	watermark := false
	mark := func(at int64) (err error) {
		if !watermark {
			watermark = true
			_, err = fmt.Fprintf(w, "high watermark %d\n", at)
		}
		return err
	}
	err := s.group(id, func(b *located, committed bool) error {
		if !committed {
			if err := mark(b.row.base); err != nil {
				return err
			}
		}
		if err := b.line(w, committed); err != nil || !o.Records || !b.ok {
			return err
		}
		return recordLines(b.data, w)
	})
	if err != nil {
		return err
	}
	return mark(max(s.Groups[len(s.Groups)-1].HighWatermark, 0))
}

func (b *located) line(w io.Writer, committed bool) error {
	h := &b.header
	crc, where := "ok", "segment"
	if !b.ok {
		crc = "BAD"
	}
	switch {
	case !committed:
		where = "log-uncommitted"
	case b.log:
		where = "log"
	}
	_, err := fmt.Fprintf(w, "batch %d-%d epoch %d producer %d/%d seq %d records %d bytes %d attributes %#x time %d index %d crc %08x %s where %s %s@%d\n",
		b.row.base, b.row.last, h.LeaderEpoch, h.ProducerID, h.ProducerEpoch, h.BaseSequence, h.RecordCount, b.row.length, uint16(h.Attributes), h.MaxTimestamp, b.row.index, h.CRC, crc,
		where, path.Base(b.file), b.pos)
	return err
}

func recordLines(b []byte, w io.Writer) error {
	for r, err := range batch.Records(b) {
		if err != nil {
			_, err = fmt.Fprintf(w, "  cannot be read: %v\n", err)
			return err
		}
		if _, err := fmt.Fprintf(w, "  record %d time %d key %s value %s headers %d\n", r.Offset, r.Timestamp, fingerprint(r.Key), fingerprint(r.Value), len(r.Headers)); err != nil {
			return err
		}
	}
	return nil
}

// fingerprint is length:hash, the hash being the first 8 bytes of the SHA-256; "null" for null.
func fingerprint(b []byte) string {
	if b == nil {
		return "null"
	}
	sum := sha256.Sum256(b)
	return fmt.Sprintf("%d:%x", len(b), sum[:8])
}
