package wal

import (
	"fmt"
	"hash/crc32"
	"path"

	"chronik/wal/vfs"
)

// A manifest is replaced by a new file that is synced and renamed over the old one, then the directory is synced: whoever
// reads it later sees the old one or the new one.
func encodeManifest(st *SegmentState) []byte {
	b := make([]byte, 0, 256+len(st.Checkpoint)+64*len(st.Segments))
	b = append(b, manifestMagic...)
	b = le.AppendUint32(b, manifestVersion)
	b = le.AppendUint32(b, 0) // CRC of what follows
	b = le.AppendUint16(b, uint16(len(st.Name)))
	b = append(b, st.Name...)
	b = appendPosition(b, st.Last)
	b = le.AppendUint64(b, uint64(st.NextOffset))
	b = le.AppendUint32(b, uint32(len(st.Segments)))
	for _, s := range st.Segments {
		for _, v := range []int64{s.Base, s.NextOffset, s.Bytes, s.Rows, s.MaxTimestamp, s.OffsetOfMax} {
			b = le.AppendUint64(b, uint64(v))
		}
		sealed := byte(0)
		if s.Sealed {
			sealed = 1
		}
		b = append(b, sealed)
	}
	b = le.AppendUint32(b, uint32(len(st.Checkpoint)))
	b = append(b, st.Checkpoint...)
	le.PutUint32(b[12:], crc32.Checksum(b[16:], castagnoli))
	return b
}

// writeManifest writes a manifest beside the one that holds; it counts once it was synced and renamed.
func writeManifest(fsys vfs.FS, dir string, st *SegmentState) (vfs.File, error) {
	f, err := fsys.Create(path.Join(dir, manifestName+".new"))
	if err != nil {
		return nil, err
	}
	if _, err := f.WriteAt(encodeManifest(st), 0); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// replaceFile puts bytes under a name so that a crash leaves the old content or the new, never a mixture.
func replaceFile(fsys vfs.FS, dir, name string, b []byte) error {
	tmp := path.Join(dir, name+".new")
	f, err := fsys.Create(tmp)
	if err != nil {
		return err
	}
	if _, err = f.WriteAt(b, 0); err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if err := fsys.Rename(tmp, path.Join(dir, name)); err != nil {
		return err
	}
	return fsys.SyncDir(dir)
}

// ReplaceFile is replaceFile for the other rooms: a small file that is replaced as a whole, durably.
func ReplaceFile(fsys vfs.FS, dir, name string, b []byte) error {
	return replaceFile(fsys, dir, name, b)
}

// ReadFile reads a whole small file.
func ReadFile(fsys vfs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	return readAll(f, size)
}

func readManifest(fsys vfs.FS, dir string) (*SegmentState, error) {
	name := path.Join(dir, manifestName)
	b, err := ReadFile(fsys, name)
	if err != nil {
		return nil, err
	}
	if len(b) < 16 || string(b[:8]) != manifestMagic {
		return nil, &CorruptionError{File: name, What: "it is none of ours"}
	}
	if v := le.Uint32(b[8:]); v != manifestVersion {
		return nil, fmt.Errorf("%s: %w %d (this program knows %d)", name, ErrUnknownVersion, v, manifestVersion)
	}
	if crc32.Checksum(b[16:], castagnoli) != le.Uint32(b[12:]) {
		return nil, &CorruptionError{File: name, Offset: 12, What: "it does not verify"}
	}
	r := &reader{b: b[16:]}
	st := &SegmentState{}
	st.Name = string(r.take(int(r.u16())))
	st.Last = r.position()
	st.NextOffset = int64(r.u64())
	n := int(r.u32())
	if n > len(r.b)/49 {
		r.bad = true
		n = 0
	}
	for range n {
		s := SegmentInfo{Base: int64(r.u64()), NextOffset: int64(r.u64()), Bytes: int64(r.u64()), Rows: int64(r.u64()), MaxTimestamp: int64(r.u64()), OffsetOfMax: int64(r.u64())}
		s.Sealed = r.u8() == 1
		r.bad = r.bad || s.Base < 0 || s.NextOffset < s.Base || s.Bytes < 0 || s.Rows < 0 || s.Rows > 1<<50
		st.Segments = append(st.Segments, s)
	}
	st.Checkpoint = append([]byte(nil), r.take(int(r.u32()))...)
	if r.bad || len(r.b) > 0 {
		return nil, &CorruptionError{File: name, What: "its fields do not fit its length"}
	}
	return st, nil
}
