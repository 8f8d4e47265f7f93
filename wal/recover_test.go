package wal

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strings"
	"syscall"
	"testing"

	"math/rand/v2"

	"chronik/wal/vfs"
)

// laid is a log whose rounds are known byte by byte.
type laid struct {
	disk   *vfs.Mem
	newest string
	ends   []int64 // where each round of the newest file ends
	after  []model // what is there after each round; after[0] before the first
}

// lay makes a log whose newest file holds a few rounds. With restart, that file begins with what a start wrote again.
func lay(t testing.TB, restart bool) *laid {
	x := &laid{disk: vfs.NewMem()}
	o := Options{FileSize: 12 << 10, FirstFile: 12 << 10, Files: 4}
	l, _ := mustOpen(t, x.disk, o)
	m := model{}
	commit := func(ws ...Write) {
		for _, w := range ws {
			m.apply(w)
		}
		mustCommit(t, l, ws...)
		x.after = append(x.after, m.clone())
		x.ends = append(x.ends, l.head)
	}
	commit(Write{Group: 2, Birth: &Birth{Group: 2, Name: "a-0", Voters: []ReplicaID{1}}, Entries: entriesOf(1, 1, 2, 40), HardState: &HardState{1, 1, 1}})
	if restart {
		_ = l.Close()
		l, _ = mustOpen(t, x.disk, o)
	}
	x.after, x.ends = []model{m.clone()}, []int64{l.head}
	commit(Write{Group: 2, Entries: entriesOf(1, 3, 4, 60), HardState: &HardState{1, 1, 3}}, Write{Group: 3, Entries: entriesOf(1, 1, 1, 10)})
	commit(Write{Group: 2, Entries: entriesOf(2, 4, 4, 30), HardState: &HardState{2, 3, 3}, Release: &Position{2, 1}})
	commit(Write{Group: 3, Entries: entriesOf(2, 2, 3, 300)})
	x.newest = l.files[len(l.files)-1].name
	_ = l.Close()
	return x
}

func (x *laid) bytes(t testing.TB) []byte { return readTest(t, x.disk, x.newest) }

// with returns the disk with other bytes in the newest file.
func (x *laid) with(t testing.TB, b []byte) *vfs.Mem {
	d := x.disk.Kill()
	writeTest(t, d, "wal", path.Base(x.newest), b)
	return d
}

// TestFlippedBits flips every bit of the newest file, header included, up to a little behind its last round.
func TestFlippedBits(t *testing.T) {
	for _, restart := range []bool{false, true} {
		x := lay(t, restart)
		whole := x.bytes(t)
		last := len(x.ends) - 1
		for bit := range (int(x.ends[last]) + 100) * 8 {
			at := int64(bit / 8)
			if at >= headerUsed && at < headerSize-8 {
				continue // spare
			}
			b := bytes.Clone(whole)
			b[at] ^= 1 << (bit % 8)
			said := ""
			o := small()
			o.Logf = func(f string, a ...any) { said += fmt.Sprintf(f, a...) }
			_, r, err := Open(x.with(t, b), "wal", o)
			where := fmt.Sprintf("restart %v, bit %d of byte %d", restart, bit%8, at)
			vouched := x.ends[last-1] // the last round says that everything before it was synced
			switch {
			case at < headerUsed:
				var damage *CorruptionError
				if err == nil && at >= 12 || err == nil && at < 8 {
					t.Fatalf("%s: a damaged header was accepted", where)
				}
				if !errors.As(err, &damage) && !errors.Is(err, ErrUnknownVersion) {
					t.Fatalf("%s: %v", where, err)
				}
			case at < vouched && err != nil:
				var damage *CorruptionError
				if !errors.As(err, &damage) || damage.File != x.newest || damage.Offset > at || at-damage.Offset > 4096 {
					t.Fatalf("%s: %v", where, err)
				}
			case err != nil:
				t.Fatalf("%s: %v", where, err)
			default: // no error: nothing but the last round may be gone
				if x.after[last].equal(r.Groups) {
					break
				}
				if at < vouched {
					t.Fatalf("%s: a damaged round that was vouched for was not noticed: %s", where, x.after[last].differ(r.Groups))
				}
				if why := x.after[last-1].differ(r.Groups); why != "" {
					t.Fatalf("%s: %s", where, why)
				}
				if r.TornBytes <= 0 || r.TornAt != vouched || r.TornFile != x.newest || !strings.Contains(said, fmt.Sprint(r.TornBytes)) {
					t.Fatalf("%s: cut, but not said: %d bytes of %q at %d, %q", where, r.TornBytes, r.TornFile, r.TornAt, said)
				}
			}
		}
	}
}

// TestTruncated cuts the newest file at every byte. What a start had written again, and what lies in files before, must be
// whole; of the rest the whole rounds that are left are found, and a start that lost some says so.
func TestTruncated(t *testing.T) {
	for _, restart := range []bool{false, true} {
		x := lay(t, restart)
		whole := x.bytes(t)
		last := len(x.ends) - 1
		for size := range int(x.ends[last]) + 600 {
			said := ""
			o := small()
			o.Logf = func(f string, a ...any) { said += fmt.Sprintf(f, a...) + "\n" }
			d := x.with(t, whole[:min(size, len(whole))])
			l, r, err := Open(d, "wal", o)
			where := fmt.Sprintf("restart %v, %d bytes", restart, size)
			if err != nil {
				var damage *CorruptionError
				if !errors.As(err, &damage) || damage.File != x.newest || int64(size) >= x.ends[0] {
					t.Fatalf("%s: %v", where, err)
				}
				continue
			}
			if size < headerUsed {
				if bytes.Count(whole[:size], []byte{0}) != size {
					t.Fatalf("%s: half a header was accepted", where)
				}
				continue // as if the file had never been used
			}
			n := last
			for n >= 0 && !x.after[n].equal(r.Groups) {
				n--
			}
			if n < 0 && (restart || int64(size) >= x.ends[0] || len(r.Groups) > 0) {
				t.Fatalf("%s: what was found never was: %s", where, x.after[0].differ(r.Groups))
			}
			if n < last && x.ends[n+1] <= int64(size) {
				t.Fatalf("%s: round %d is whole and was not found", where, n+1)
			}
			if n < last && !strings.Contains(said, "shorter than it was allocated") {
				t.Fatalf("%s: nothing was said: %q", where, said)
			}
			w := Write{Group: 7, Entries: entriesOf(3, 1, 2, 50)}
			m := model(r.Groups).clone()
			m.apply(w)
			mustCommit(t, l, w)
			_ = l.Close()
			if _, r, err = Open(d, "wal", small()); err != nil || !m.equal(r.Groups) {
				t.Fatalf("%s: what was appended behind the cut is not there: %v", where, err)
			}
		}
	}
}

// TestDamageInAnOlderFile: everything in a file that another one follows was synced, to its last bit.
func TestDamageInAnOlderFile(t *testing.T) {
	x := lay(t, true)
	l, _ := mustOpen(t, x.disk, small())
	_ = l.Close()
	whole := x.bytes(t)
	h, _ := decodeHeader2(whole)
	for pos := int64(headerSize); pos < x.ends[len(x.ends)-2]; { // the last round was written again by the start
		fr, _, ok := decodeFrame(whole, place{h.Gen, pos})
		if !ok {
			t.Fatalf("no frame at %d", pos)
		}
		for at := pos; at < pos+frameSize(fr.length); at++ {
			b := bytes.Clone(whole)
			b[at] ^= 0x10
			_, r, err := Open(x.with(t, b), "wal", small())
			var damage *CorruptionError
			padding := at >= pos+frameHead+int64(fr.length)
			if padding && (err != nil || !x.after[len(x.after)-1].equal(r.Groups)) {
				t.Fatalf("byte %d, padding: %v", at, err)
			}
			if !padding && (!errors.As(err, &damage) || damage.File != x.newest || damage.Offset != pos) {
				t.Fatalf("byte %d: %v", at, err)
			}
		}
		pos += frameSize(fr.length)
	}
}

// TestMissingFile: a file in the middle of the chain is gone.
func TestMissingFile(t *testing.T) {
	disk := vfs.NewMem()
	for range 3 {
		l, _ := mustOpen(t, disk, small())
		mustCommit(t, l, Write{Group: 2, HardState: &HardState{Term: 1}})
		_ = l.Close()
	}
	if err := disk.Remove("wal/00000002.wal"); err != nil {
		t.Fatal(err)
	}
	var damage *CorruptionError
	if _, _, err := Open(disk, "wal", small()); !errors.As(err, &damage) || !strings.Contains(err.Error(), "missing") {
		t.Fatalf("got %v", err)
	}
}

// TestGhosts: a file is used again and again; what it held before is never taken for a record, even when the new use ends
// exactly where an old frame begins.
func TestGhosts(t *testing.T) {
	disk := vfs.NewMem()
	l, _ := mustOpen(t, disk, small())
	m := model{}
	index := Index(0)
	for range 300 { // every round has the same size, so frames of all generations line up
		index++
		w := Write{Group: 2, Entries: entriesOf(1, index, index, 900), HardState: &HardState{1, 1, index - 1}}
		if index > 1 {
			w.Release = &Position{index - 1, 1}
		}
		m.apply(w)
		mustCommit(t, l, w)
		if err := l.EnsureRoom(); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Reclaim(); err != nil {
			t.Fatal(err)
		}
		_, r, err := Open(disk.Kill(), "wal", small())
		if err != nil {
			t.Fatalf("round %d: %v", index, err)
		}
		if why := m.differ(r.Groups); why != "" {
			t.Fatalf("round %d: %s", index, why)
		}
		if r.TornBytes != 0 {
			t.Fatalf("round %d: left-overs are taken for a torn round of %d bytes at %d", index, r.TornBytes, r.TornAt)
		}
	}
	if l.nextID > 6 {
		t.Fatalf("%d files were made: none was recycled", l.nextID)
	}
}

// TestTornRound: power goes while a round of several sectors is written; what got through of it is cut, and said.
func TestTornRound(t *testing.T) {
	seen := 0
	for seed := range uint64(40) {
		disk := vfs.NewMem()
		l, _ := mustOpen(t, disk, small())
		mustCommit(t, l, Write{Group: 2, Entries: entriesOf(1, 1, 1, 100)})
		synced := l.head
		disk.Before = func(op, _ string) error {
			if op == "sync" {
				return errCrash
			}
			return nil
		}
		var fatal *FatalError
		if err := l.Commit([]Write{{Group: 2, Entries: entriesOf(1, 2, 4, 1000)}}); !errors.As(err, &fatal) {
			t.Fatalf("a failed sync gives %v", err)
		}
		_, r, err := Open(disk.Crash(rand.New(rand.NewPCG(seed, 0)), 0.7), "wal", small())
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if r.TornBytes > 0 {
			seen++
			if r.TornAt != synced || r.TornBytes != frameSize(recHead+entriesSize(entriesOf(1, 2, 4, 1000))) {
				t.Fatalf("seed %d: torn at %d, %d bytes", seed, r.TornAt, r.TornBytes)
			}
		}
		if n := len(r.Groups[2].Entries); n != 1 && n != 4 {
			t.Fatalf("seed %d: %d entries", seed, n)
		}
	}
	if seen < 10 {
		t.Fatalf("only %d torn rounds", seen)
	}
}

// TestFailedSync: a sync fails at any time of a node's life, which marks pages clean that are on no disk. The process ends;
// the next one reads those pages from the cache, and then the power goes. What the second process promised must be there.
func TestFailedSync(t *testing.T) {
	const rounds = 40
	eio := func(m *vfs.Mem, n int) (syncs *int) {
		syncs = new(int)
		m.Before = func(op, _ string) error {
			if op == "sync" {
				if *syncs++; *syncs > n {
					return syscall.EIO
				}
			}
			if *syncs > n {
				return errCrash
			}
			return nil
		}
		return syncs
	}
	disk := vfs.NewMem()
	total := eio(disk, 1<<30)
	life(disk, 5, rounds)
	for n := range *total {
		disk := vfs.NewMem()
		eio(disk, n)
		o := life(disk, 5, rounds)
		second := disk.Kill()
		l, r, err := Open(second, "wal", small())
		if err != nil {
			t.Fatalf("sync %d: %v", n, err)
		}
		if why := o.allows(r.Groups); why != "" {
			t.Fatalf("sync %d: %s", n, why)
		}
		promised := model(r.Groups).clone()
		if n%2 == 0 {
			w := Write{Group: 99, HardState: &HardState{Term: 1}}
			promised.apply(w)
			mustCommit(t, l, w)
		}
		checkRecovery(t, second.Crash(rand.New(rand.NewPCG(uint64(n), 0)), 0), &outcome{acked: promised}, fmt.Sprintf("sync %d", n))
	}
}

// TestUnknownVersions: nothing is written where a newer program was.
func TestUnknownVersions(t *testing.T) {
	x := lay(t, true)
	for name, change := range map[string]func(b []byte){
		"file": func(b []byte) { b[8] = 2 },
		"frame": func(b []byte) {
			last := x.ends[len(x.ends)-2]
			p, _ := decodeHeader2(b)
			_, payload, _ := decodeFrame(b, place{p.Gen, last})
			head := bytes.Clone(b[last : last+frameHead])
			head[12] = 9
			copy(b[last:], resealed(head, payload, place{p.Gen, last}))
		},
		"record": func(b []byte) {
			last := x.ends[len(x.ends)-2]
			p, _ := decodeHeader2(b)
			_, payload, _ := decodeFrame(b, place{p.Gen, last})
			payload[0] = 99
			copy(b[last:], resealed(b[last:last+frameHead], payload, place{p.Gen, last}))
		},
	} {
		b := x.bytes(t)
		change(b)
		d := x.with(t, b)
		count := crashAt(d, 1<<30)
		if _, _, err := Open(d, "wal", small()); !errors.Is(err, ErrUnknownVersion) || !strings.Contains(err.Error(), x.newest) {
			t.Errorf("%s: %v", name, err)
		}
		if *count > 0 {
			t.Errorf("%s: %d operations changed the disk", name, *count)
		}
	}
}

func decodeHeader2(b []byte) (fileHeader, error) {
	h, _, err := decodeHeader(b, "test")
	return h, err
}

// resealed returns a frame's head and payload with the CRC that belongs to them.
func resealed(head, payload []byte, at place) []byte {
	out := append(bytes.Clone(head), payload...)
	le.PutUint32(out[4:], checksum(seed(at), out[8:]))
	return out
}

// TestReleasedInTheTail: a start writes the last round again, but what that round itself releases stays released.
func TestReleasedInTheTail(t *testing.T) {
	disk := vfs.NewMem()
	l, _ := mustOpen(t, disk, small())
	m := model{}
	w := Write{Group: 2, Entries: entriesOf(1, 1, 3, 10), HardState: &HardState{1, 1, 3}, Release: &Position{2, 1}}
	m.apply(w)
	mustCommit(t, l, w)
	_ = l.Close()
	l, r := mustOpen(t, disk, small())
	if why := m.differ(r.Groups); why != "" {
		t.Fatal(why)
	}
	if why := spansMatch(l, m); why != "" {
		t.Fatal(why)
	}
}
