package rig

import (
	"bytes"
	"math/rand/v2"
	"path"
	"strings"

	"chronik/wal/vfs"
)

// OnDisk counts the nodes that would still have some bytes in their log if the power of all were lost now, with all that
// was not synced.
func (r *Rig) OnDisk(what []byte) (nodes []int) {
	for _, m := range r.Machines {
		if m.Durable(what) {
			nodes = append(nodes, m.ID)
		}
	}
	return nodes
}

// Durable says whether a loss of power now would leave some bytes in the node's log or segments.
func (m *Machine) Durable(what []byte) bool {
	disk := m.Disk.Crash(rand.New(rand.NewPCG(1, 1)), 0)
	return holds(disk, path.Join(DataDir, "wal"), what) || holds(disk, path.Join(DataDir, "segments"), what)
}

func holds(disk *vfs.Mem, dir string, what []byte) bool {
	names, err := disk.List(dir)
	if err != nil {
		return false
	}
	for _, n := range names {
		name := path.Join(dir, n)
		size, err := disk.Stat(name)
		if err != nil || !strings.Contains(n, ".") && size == 0 {
			if holds(disk, name, what) {
				return true
			}
			continue
		}
		f, err := disk.Open(name)
		if err != nil {
			continue
		}
		b := make([]byte, size)
		_, _ = f.ReadAt(b, 0)
		_ = f.Close()
		if bytes.Contains(b, what) {
			return true
		}
	}
	return false
}

// InSegments says whether some bytes are in the node's segments, synced or not.
func (m *Machine) InSegments(what []byte) bool {
	return holds(m.Disk.Kill(), path.Join(DataDir, "segments"), what)
}
