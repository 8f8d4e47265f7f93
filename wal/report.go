package wal

import (
	"errors"
	"fmt"
	"sort"

	"chronik/wal/vfs"
)

// Problem is damage that Verify found. Offset is a byte position in File; -1: the file as a whole.
type Problem struct {
	File   string
	Offset int64
	What   string
}

func (p Problem) String() string {
	if p.Offset < 0 {
		return p.File + ": " + p.What
	}
	return fmt.Sprintf("%s at offset %d: %s", p.File, p.Offset, p.What)
}

// Report is what Verify found in the data directory of a stopped node.
type Report struct {
	Dir      string
	Format   Format
	Files    []FileReport  // of the log, oldest first
	Torn     *Torn         // nil: the last round is whole
	Groups   []GroupReport // by id
	Problems []Problem     // damage
	Notes    []string      // what a person should know and a start repairs or ignores
}

// Damaged says whether the directory must not be trusted.
func (r *Report) Damaged() bool { return len(r.Problems) > 0 }

// Group finds a group by its id.
func (r *Report) Group(id GroupID) *GroupReport {
	i := sort.Search(len(r.Groups), func(i int) bool { return r.Groups[i].Group >= id })
	if i == len(r.Groups) || r.Groups[i].Group != id {
		return nil
	}
	return &r.Groups[i]
}

// FileReport is one file of the log. Generation 0: a free file.
type FileReport struct {
	Name       string
	Generation uint64
	Rounds     int64
	Bytes      int64 // of rounds
	Size       int64
}

// Torn is a last round that a crash cut off: nobody was told that it was written.
type Torn struct {
	File   string
	Offset int64
	Bytes  int64
}

// GroupReport is one group. Offsets are -1 where the group has none, as that of the metadata log.
type GroupReport struct {
	Group         GroupID
	Name          string
	HardState     HardState
	Base          Position // the log begins behind it
	LogEntries    int      // entries in the log that are not in segments
	LastIndex     Index
	Commit        Index // the newest that this directory knows of
	Segments      int
	SegmentBytes  int64
	SegmentLast   Position
	Batches       int64 // in segments and log
	Records       int64
	FirstOffset   int64
	NextOffset    int64
	HighWatermark int64
}

func (r *Report) problem(file string, offset int64, format string, args ...any) {
	r.Problems = append(r.Problems, Problem{file, offset, fmt.Sprintf(format, args...)})
}

func (r *Report) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// failed turns an error into a problem; an error that is none of the data's is returned.
func (r *Report) failed(err error) error {
	var damage *CorruptionError
	if errors.As(err, &damage) {
		r.problem(damage.File, damage.Offset, "%s", damage.What)
		return nil
	}
	return err
}

// Progress is told now and then how much of the work is done, in bytes.
type Progress func(done, total int64)

// meter counts the bytes that were looked at.
type meter struct {
	done, total int64
	report      Progress
	reported    int64
}

func (m *meter) add(n int64) {
	m.done += n
	if m.report != nil && m.done-m.reported >= 4<<20 {
		m.reported = m.done
		m.report(m.done, m.total)
	}
}

func sizeOf(fsys vfs.FS, name string) int64 {
	n, err := fsys.Stat(name)
	if err != nil {
		return 0
	}
	return n
}
