package wal

import (
	"errors"
	"testing"

	"chronik/wal/vfs"
)

// FuzzRecover starts on arbitrary bytes. first and second are what the two newest files hold; how says what of them is
// put right, so that the search gets behind the checksums: bit 0 and 1 the headers, bit 2 makes the second a frame around
// these bytes, bit 3 follows on with it in the chain. Whatever it is: an error or a log that takes writes and is found
// again, never a panic.
func FuzzRecover(f *testing.F) {
	x := lay(f, true)
	f.Add(x.bytes(f), x.bytes(f)[:6000], uint8(0))
	f.Add(readTest(f, x.disk, "wal/00000001.wal")[:7000], x.bytes(f), uint8(8))
	var payload []byte
	for _, w := range []Write{{Group: 2, Birth: &Birth{Group: 2, Name: "a-0", Voters: []ReplicaID{1, 2}}, HardState: &HardState{1, 2, 3}, Reset: &Position{9, 1}}, {Group: 2, Entries: entriesOf(2, 10, 12, 20), Release: &Position{10, 2}}, {Group: 3, Drop: true}} {
		l := &Log{}
		l.hdr = make([]byte, 0, 4096)
		l.appendWrite(&w)
		for _, p := range l.parts {
			payload = append(payload, p...)
		}
	}
	f.Add([]byte{}, payload, uint8(0xff))
	f.Fuzz(func(t *testing.T, first, second []byte, how uint8) {
		if len(first)+len(second) > 1<<20 {
			return
		}
		disk := vfs.NewMem()
		if how&4 != 0 {
			head := make([]byte, frameHead)
			encodeFrame(head, place{2, headerSize}, place{2, headerSize}, [][]byte{second})
			second = append(append(make([]byte, headerSize), head...), second...)
		}
		headers := func(b []byte, h fileHeader) []byte {
			h.Synced, h.Size = headerSize, int64(len(b))
			return append(h.encode()[:headerUsed], b[min(len(b), headerUsed):]...)
		}
		if how&1 != 0 {
			first = headers(first, fileHeader{Gen: 1})
		}
		if how&2 != 0 {
			h := fileHeader{Gen: 2}
			if how&8 != 0 {
				h.PrevGen, h.PrevEnd = 1, headerSize
			}
			second = headers(second, h)
		}
		writeTest(t, disk, "wal", "00000001.wal", first)
		writeTest(t, disk, "wal", "00000002.wal", second)
		l, r, err := Open(disk, "wal", small())
		if err != nil {
			var damage *CorruptionError
			if !errors.As(err, &damage) && !errors.Is(err, ErrUnknownVersion) {
				t.Fatalf("an error of an unknown kind: %v", err)
			}
			return
		}
		m := model(r.Groups).clone()
		w := Write{Group: 1 << 60, Entries: entriesOf(1, 1, 3, 50)}
		if m[w.Group] != nil {
			return
		}
		m.apply(w)
		mustCommit(t, l, w)
		_ = l.Close()
		if _, r, err = Open(disk, "wal", small()); err != nil {
			t.Fatalf("the second start: %v", err)
		}
		if why := m.differ(r.Groups); why != "" {
			t.Fatalf("the second start: %s", why)
		}
	})
}

// FuzzManifest reads arbitrary bytes as a manifest, with the checksum put right.
func FuzzManifest(f *testing.F) {
	disk := vfs.NewMem()
	s := openSegments(f, disk)
	feed := newFeed(2)
	mustAppend(f, s, feed.append(feed.batch(1), feed.other(true), feed.batch(2)))
	f.Add(readTest(f, disk, "segments/2/manifest")[16:])
	f.Fuzz(func(t *testing.T, b []byte) {
		disk := vfs.NewMem()
		head := append([]byte(manifestMagic), make([]byte, 8)...)
		head[8] = manifestVersion
		le.PutUint32(head[12:], checksum(0, b))
		writeTest(t, disk, "segments/2", manifestName, append(head, b...))
		var damage *CorruptionError
		if _, err := OpenSegments(disk, "segments"); err != nil && !errors.As(err, &damage) {
			t.Fatal(err)
		}
	})
}
