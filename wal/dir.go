package wal

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path"

	"chronik/wal/vfs"
)

// DirVersion is the format version of a whole data directory; a program refuses any other without a write.
const DirVersion = 1

const (
	formatName = "format.json"
	lockName   = "lock"
	// kafkaName is the file in which Apache Kafka's tools look for who a directory is, e.g. kafka-metadata-quorum
	// add-controller. It is written for them and never read.
	kafkaName = "meta.properties"
)

// Format is who a data directory is: format.json.
type Format struct {
	Version   int
	Directory DirectoryID
	NodeID    int32
	ClusterID string    // "": blank, no cluster was formed or joined yet
	Replica   ReplicaID // registration number; 0 while blank
}

// MarshalText shows the id in hex.
func (d DirectoryID) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(d[:])), nil }

// UnmarshalText reads it back.
func (d *DirectoryID) UnmarshalText(b []byte) error {
	raw, err := hex.DecodeString(string(b))
	if err != nil || len(raw) != len(d) {
		return fmt.Errorf("%q is no directory id", b)
	}
	copy(d[:], raw)
	return nil
}

// String shows the id in hex.
func (d DirectoryID) String() string { return hex.EncodeToString(d[:]) }

// WrongNodeError refuses a directory that another node formatted.
type WrongNodeError struct {
	Dir        string
	Have, Want int32
}

func (e *WrongNodeError) Error() string {
	return fmt.Sprintf("%s belongs to node %d, not to node %d", e.Dir, e.Have, e.Want)
}

// Dir is a locked data directory.
type Dir struct {
	Format Format
	fs     vfs.FS
	path   string
	lock   io.Closer
}

// OpenDir locks a data directory and reads who it is; a new one is formatted with the given random id. nodeID -1 accepts
// the directory's own (or 1). Errors: vfs.ErrLocked, *WrongNodeError, ErrUnknownVersion; none of them wrote anything.
func OpenDir(fsys vfs.FS, dir string, nodeID int32, random DirectoryID) (*Dir, error) {
	if err := fsys.MkdirAll(dir); err != nil {
		return nil, err
	}
	lock, err := fsys.Lock(path.Join(dir, lockName))
	if err != nil {
		return nil, err
	}
	d := &Dir{fs: fsys, path: dir, lock: lock}
	if err := d.load(nodeID, random); err != nil {
		lock.Close()
		return nil, err
	}
	return d, nil
}

func (d *Dir) load(nodeID int32, random DirectoryID) error {
	b, err := ReadFile(d.fs, path.Join(d.path, formatName))
	if errors.Is(err, fs.ErrNotExist) {
		names, err := d.fs.List(d.path)
		if err != nil {
			return err
		}
		for _, n := range names {
			if n == "wal" || n == "segments" {
				return fmt.Errorf("%s holds data but no %s: it is not a directory that this program formatted, or that file was lost", d.path, formatName)
			}
		}
		if nodeID < 0 {
			nodeID = 1
		}
		return d.Save(Format{Version: DirVersion, Directory: random, NodeID: nodeID})
	}
	if err != nil {
		return err
	}
	if d.Format, err = decodeFormat(b, path.Join(d.path, formatName)); err != nil {
		return err
	}
	if nodeID >= 0 && d.Format.NodeID != nodeID {
		return &WrongNodeError{d.path, d.Format.NodeID, nodeID}
	}
	return d.tellKafkasTools()
}

// tellKafkasTools keeps meta.properties in line with the format, once the directory belongs to a cluster.
func (d *Dir) tellKafkasTools() error {
	if d.Format.ClusterID == "" {
		return nil
	}
	text := fmt.Sprintf("version=1\ncluster.id=%s\nnode.id=%d\ndirectory.id=%s\n", d.Format.ClusterID, d.Format.NodeID,
		base64.RawURLEncoding.EncodeToString(d.Format.Directory[:]))
	if have, err := ReadFile(d.fs, path.Join(d.path, kafkaName)); err == nil && string(have) == text {
		return nil
	}
	return ReplaceFile(d.fs, d.path, kafkaName, []byte(text))
}

// Save replaces the format file, durably.
func (d *Dir) Save(f Format) error {
	b, err := encodeFormat(f)
	if err != nil {
		return err
	}
	if err := ReplaceFile(d.fs, d.path, formatName, b); err != nil {
		return err
	}
	d.Format = f
	return d.tellKafkasTools()
}

// formatFile is what format.json holds: the format, and the CRC-32C of its compact JSON.
type formatFile struct {
	Format
	Checksum uint32
}

func encodeFormat(f Format) ([]byte, error) {
	plain, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	b, err := json.MarshalIndent(formatFile{f, crc32.Checksum(plain, castagnoli)}, "", " ")
	return append(b, '\n'), err
}

// decodeFormat reads format.json. The version comes first: of another one nothing else is known.
func decodeFormat(b []byte, name string) (Format, error) {
	var v struct{ Version int }
	if err := json.Unmarshal(b, &v); err != nil {
		return Format{}, &CorruptionError{File: name, What: err.Error()}
	}
	if v.Version != DirVersion {
		return Format{}, fmt.Errorf("%s: %w %d (this program knows %d)", name, ErrUnknownVersion, v.Version, DirVersion)
	}
	var f formatFile
	if err := json.Unmarshal(b, &f); err != nil {
		return Format{}, &CorruptionError{File: name, What: err.Error()}
	}
	plain, err := json.Marshal(f.Format)
	if err != nil {
		return Format{}, err
	}
	if crc32.Checksum(plain, castagnoli) != f.Checksum {
		return Format{}, &CorruptionError{File: name, What: "its checksum does not match: it was damaged or edited"}
	}
	return f.Format, nil
}

// Close releases the lock.
func (d *Dir) Close() error { return d.lock.Close() }
