package metadata

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path"
	"syscall"

	"chronik/actors/message"
	"chronik/wal"
	"chronik/wal/vfs"
)

// SnapshotName is the snapshot's file in the data directory: magic, version and checksum, then JSON. What the log of
// `__meta` has let go is there and nowhere else.
const SnapshotName = "metadata.snapshot"

// ReadableName is the file that --file-metadata keeps for people: the image as JSON. Nothing is ever taken from it.
const ReadableName = "metadata.json"

const (
	fileMagic   = "CHRNMETA"
	fileVersion = 1
	fileHead    = len(fileMagic) + 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Store replaces the snapshot of a data directory, durably.
func Store(fsys vfs.FS, dir string, snapshot []byte) error {
	b := append(make([]byte, 0, fileHead+len(snapshot)), fileMagic...)
	b = binary.LittleEndian.AppendUint32(b, fileVersion)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(snapshot, castagnoli))
	return wal.ReplaceFile(fsys, dir, SnapshotName, append(b, snapshot...))
}

// Load reads the snapshot of a data directory. Errors: fs.ErrNotExist, *wal.CorruptionError, wal.ErrUnknownVersion, or the
// disk's.
func Load(fsys vfs.FS, dir string) ([]byte, error) {
	name := path.Join(dir, SnapshotName)
	b, err := wal.ReadFile(fsys, name)
	if err != nil {
		return nil, err
	}
	if len(b) < fileHead || string(b[:len(fileMagic)]) != fileMagic {
		return nil, &wal.CorruptionError{File: name, What: "it is none of ours"}
	}
	if v := binary.LittleEndian.Uint32(b[len(fileMagic):]); v != fileVersion {
		return nil, fmt.Errorf("%s: %w %d (this program knows %d)", name, wal.ErrUnknownVersion, v, fileVersion)
	}
	if crc32.Checksum(b[fileHead:], castagnoli) != binary.LittleEndian.Uint32(b[fileHead-4:]) {
		return nil, &wal.CorruptionError{File: name, Offset: int64(fileHead), What: "it does not verify"}
	}
	return b[fileHead:], nil
}

// readable is a snapshot as --file-metadata writes it: with a checksum, so that an edited one is noticed.
type readable struct {
	*snapshot
	Checksum uint32
}

func (s *snapshot) readable() []byte {
	b, err := json.MarshalIndent(readable{s, crc32.Checksum(s.encode(), castagnoli)}, "", " ")
	if err != nil {
		panic("BUG: a metadata snapshot does not encode: " + err.Error())
	}
	return append(b, '\n')
}

// write writes a file of the directory. A full disk is no reason to end: false, it is tried again with the next change.
func (m *Metadata) write(name string, write func() error) bool {
	err := write()
	switch {
	case err == nil:
		return true
	case errors.Is(err, syscall.ENOSPC):
		m.o.Node.Env.Log.Warn("no room to write "+path.Join(m.o.Node.DataDir, name), "error", err)
	default:
		m.o.Node.Env.Fatal(fmt.Sprintf("FATAL: writing %s: %v", path.Join(m.o.Node.DataDir, name), err))
	}
	return false
}

// snapshot stores the image and lets the log before it go.
func (m *Metadata) snapshot() {
	if m.pos.Index == m.snapped.Index {
		return
	}
	s := makeSnapshot(m.image, m.pos, m.conf)
	if !m.write(SnapshotName, func() error { return Store(m.o.Node.Env.FS, m.o.Node.DataDir, s.encode()) }) {
		return
	}
	m.snapped = m.pos
	release := m.pos
	m.g.Context().Send(m.o.Node.WAL, &message.WriteLog{Write: wal.Write{Group: wal.MetaGroup, Release: &release}})
	if keep := wal.Index(1000); m.pos.Index > keep+m.g.Node().Base().Index {
		m.g.Node().Compact(m.pos.Index - keep)
	}
}

// show writes the readable file.
func (m *Metadata) show() {
	b := makeSnapshot(m.image, m.pos, m.conf).readable()
	m.write(ReadableName, func() error { return wal.ReplaceFile(m.o.Node.Env.FS, m.o.Node.DataDir, ReadableName, b) })
}

// checkReadable rewrites a readable file at start that is not what this node wrote last.
func (m *Metadata) checkReadable() {
	if !m.o.FileMetadata {
		return
	}
	b, err := wal.ReadFile(m.o.Node.Env.FS, path.Join(m.o.Node.DataDir, ReadableName))
	if !errors.Is(err, fs.ErrNotExist) {
		why := ""
		if err != nil {
			why = err.Error()
		} else {
			why = m.mistrust(b)
		}
		if why == "" {
			return
		}
		m.o.Node.Env.Log.Warn(path.Join(m.o.Node.DataDir, ReadableName)+" is written anew: the log is the only authority", "why", why)
	}
	m.show()
}

// mistrust says what is wrong with a readable file; "" when nothing is.
func (m *Metadata) mistrust(b []byte) string {
	known, last := m.pos.Index, m.g.Node().Last()
	if r := m.o.Restored; r != nil {
		known = max(known, r.HardState.Commit)
	}
	if len(m.conf.GetVoters()) == 1 {
		known = last // nobody else has a say in what is committed
	}
	r := readable{snapshot: &snapshot{}}
	switch err := json.Unmarshal(b, &r); {
	case err != nil:
		return "it is no JSON of ours: " + err.Error()
	case r.FormatVersion != snapshotVersion:
		return fmt.Sprintf("its format version is %d", r.FormatVersion)
	case !bytes.Equal(r.snapshot.readable(), b):
		return "it was edited"
	case r.ClusterID != m.image.ClusterID:
		return "it is of another cluster"
	case r.Index < known:
		return fmt.Sprintf("it is stale: it ends at change %d, known are %d", r.Index, known)
	case r.Index > last:
		return fmt.Sprintf("it ends at change %d, the log at %d", r.Index, last)
	}
	return ""
}
