package wal

import (
	"errors"
	"io/fs"
	"path"
	"strconv"
	"syscall"

	"chronik/wal/vfs"
)

// Append is AppendAll for one group.
func (s *Segments) Append(a SegmentAppend) (SegmentResult, error) {
	res, errs, err := s.AppendAll([]SegmentAppend{a})
	if err != nil {
		return SegmentResult{}, err
	}
	return res[0], errs[0]
}

// appending is one append of a round on its way.
type appending struct {
	p       *partition
	next    SegmentState
	promise bool // its manifest is to be replaced
	dropped []SegmentInfo
}

// AppendAll moves committed entries of several groups into their open segments, syncs all of them together, and replaces
// the manifests with the checkpoints that belong to the last entries. The groups must differ. errs has, for each append, nil
// or an ENOSPC: nothing of that one is promised and it may be tried again. err is fatal for the process.
func (s *Segments) AppendAll(as []SegmentAppend) (res []SegmentResult, errs []error, err error) {
	res, errs = make([]SegmentResult, len(as)), make([]error, len(as))
	round := make([]*appending, len(as))
	for i := range as {
		if round[i], res[i], err = s.write(&as[i]); err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				return nil, nil, err
			}
			errs[i], err = err, nil
		}
	}
	if err := s.settle(round, errs); err != nil {
		return nil, nil, err
	}
	for i, x := range round {
		if x == nil || errs[i] != nil || !x.promise {
			continue
		}
		x.p.state = x.next
		res[i] = SegmentResult{Last: x.next.Last, Segments: x.next.Segments}
		for _, seg := range x.dropped {
			for _, name := range []string{logName(seg.Base), idxName(seg.Base)} {
				if err := s.fs.Remove(path.Join(x.p.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return nil, nil, err
				}
			}
		}
	}
	return res, errs, nil
}

// write puts an append's bytes into files, not synced yet. What needs no sync is done here: x is nil then.
func (s *Segments) write(a *SegmentAppend) (x *appending, res SegmentResult, err error) {
	dir := path.Join(s.dir, strconv.FormatUint(uint64(a.Group), 10))
	p := s.groups[a.Group]
	if a.Delete {
		return nil, res, s.delete(a.Group, dir)
	}
	if p == nil {
		if err = s.fs.MkdirAll(dir); err == nil {
			err = s.fs.SyncDir(s.dir)
		}
		if err != nil {
			return nil, res, err
		}
		p = &partition{dir: dir}
		s.groups[a.Group] = p
	}
	if a.Revert {
		p.closeFiles()
		p.held, p.obsolete = nil, nil
		if err = p.read(s.fs); errors.Is(err, fs.ErrNotExist) { // nothing was ever promised
			p.state, err = SegmentState{}, nil
		}
		if err == nil {
			err = p.clean(s.fs)
		}
		return nil, SegmentResult{Last: p.state.Last, Segments: p.state.Segments}, err
	}
	x = &appending{p: p, promise: !a.Hold}
	if x.next, err = p.next(s.fs, a); err != nil {
		return nil, res, err
	}
	for from := 0; from < len(a.Entries); {
		to := from
		for to < len(a.Entries) && !a.Entries[to].Roll {
			to++
		}
		if err = p.append(s.fs, &x.next, a.Entries[from:min(to+1, len(a.Entries))], a.NextOffset); err != nil {
			p.closeFiles()
			return nil, res, err
		}
		from = to + 1
	}
	if a.Hold {
		p.held = &x.next
		return x, res, nil
	}
	x.dropped = append(p.obsolete, x.next.dropBelow(a.LogStart)...)
	p.held, p.obsolete = nil, nil
	return x, res, nil
}

// settle makes a round durable in two steps, each of which costs the file system one commit of its journal, however many
// groups there are: first the written bytes and, beside the old manifests, the new ones; then the renames that put these
// into force. A manifest without its bytes is never in force, since the rename comes after their sync.
func (s *Segments) settle(round []*appending, errs []error) error {
	var files, manifests []vfs.File
	var dirs []string
	closeAll := func() {
		for _, f := range manifests {
			f.Close()
		}
	}
	for i, x := range round {
		if x == nil {
			continue
		}
		if x.p.dirty {
			files = append(files, x.p.log, x.p.idx)
		}
		if !x.promise {
			continue
		}
		f, err := writeManifest(s.fs, x.p.dir, &x.next)
		if errors.Is(err, syscall.ENOSPC) {
			errs[i] = err
			continue
		}
		if err != nil {
			closeAll()
			return err
		}
		manifests = append(manifests, f)
		dirs = append(dirs, x.p.dir)
	}
	err := vfs.SyncAll(s.fs, append(files, manifests...))
	closeAll()
	if err != nil {
		return err
	}
	for i, x := range round {
		if x == nil {
			continue
		}
		x.p.dirty = false
		if errs[i] != nil {
			x.p.closeFiles()
		}
	}
	for _, dir := range dirs {
		name := path.Join(dir, manifestName)
		if err := s.fs.Rename(name+".new", name); err != nil {
			return err
		}
	}
	return vfs.SyncDirs(s.fs, dirs)
}
