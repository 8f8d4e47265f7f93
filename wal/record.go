package wal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// The layout is drawn in FORMAT.md.
const (
	fileMagic     = "CHRONIKW"
	fileVersion   = 1
	headerSize    = 4096 // the header has a block of its own
	headerUsed    = 64   // of which this much is used
	maxGeneration = 1 << 62
	frameAlign    = 512 // frames begin on sectors, so that they can be found again behind damage
	frameHead     = 32
	frameMagic    = 0x4b52_4843 // "CHRK"
	recordVersion = 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var le = binary.LittleEndian

// place is a position in the log: a generation and a byte offset in its file.
type place struct {
	Gen uint64
	Pos int64
}

func (p place) less(q place) bool { return p.Gen < q.Gen || p.Gen == q.Gen && p.Pos < q.Pos }

// fileHeader says what one use of a file is. It is written after the first frames (recovery) or before any, and synced.
type fileHeader struct {
	Gen     uint64
	PrevGen uint64 // 0: none
	PrevEnd int64  // where the previous generation ends; everything before is intact or damaged, never torn
	Synced  int64  // frames up to here were synced before this header was written
	Size    int64  // of the file, allocated
}

func (h fileHeader) encode() []byte {
	b := make([]byte, headerSize)
	copy(b, fileMagic)
	le.PutUint32(b[8:], fileVersion)
	le.PutUint64(b[16:], h.Gen)
	le.PutUint64(b[24:], h.PrevGen)
	le.PutUint64(b[32:], uint64(h.PrevEnd))
	le.PutUint64(b[40:], uint64(h.Synced))
	le.PutUint64(b[48:], uint64(h.Size))
	le.PutUint32(b[12:], crc32.Checksum(b[16:headerUsed], castagnoli))
	return b
}

// decodeHeader returns live=false for a file that is free: never used, retired, or whose header did not get through. All
// of these leave zeros, since a sector is written whole or not at all; anything else is damage.
func decodeHeader(b []byte, name string) (h fileHeader, live bool, err error) {
	b = b[:min(len(b), headerUsed)]
	if bytes.Count(b, []byte{0}) == len(b) {
		return h, false, nil
	}
	if len(b) < headerUsed || string(b[:8]) != fileMagic {
		return h, false, &CorruptionError{File: name, What: "its header is none of ours"}
	}
	if v := le.Uint32(b[8:]); v != fileVersion {
		return h, false, fmt.Errorf("%s: %w %d (this program knows %d)", name, ErrUnknownVersion, v, fileVersion)
	}
	h = fileHeader{Gen: le.Uint64(b[16:]), PrevGen: le.Uint64(b[24:]), PrevEnd: int64(le.Uint64(b[32:])), Synced: int64(le.Uint64(b[40:])), Size: int64(le.Uint64(b[48:]))}
	if crc32.Checksum(b[16:], castagnoli) != le.Uint32(b[12:]) {
		return h, false, &CorruptionError{File: name, Offset: 12, What: "its header does not verify"}
	}
	if h.Gen == 0 || h.Gen > maxGeneration || h.PrevGen >= h.Gen || h.PrevEnd < 0 || h.PrevGen > 0 && h.PrevEnd < headerSize || h.Synced < headerSize {
		return h, false, &CorruptionError{File: name, Offset: 16, What: "its header contradicts itself"}
	}
	return h, true, nil
}

// frame is what one Commit writes at once: head, payload, padding to the next sector. Payload is a run of records.
//
//	0 magic u32 | 4 crc u32 | 8 length u32 | 12 version u8, 3 spare | 16 synced generation u64 | 24 synced position u64
type frame struct {
	length  int
	synced  place
	version byte
}

func seed(p place) uint32 {
	var b [16]byte
	le.PutUint64(b[:], p.Gen)
	le.PutUint64(b[8:], uint64(p.Pos))
	return crc32.Checksum(b[:], castagnoli)
}

func encodeFrame(head []byte, at place, synced place, payload [][]byte) {
	n := 0
	for _, p := range payload {
		n += len(p)
	}
	le.PutUint32(head, frameMagic)
	le.PutUint32(head[8:], uint32(n))
	head[12], head[13], head[14], head[15] = recordVersion, 0, 0, 0
	le.PutUint64(head[16:], synced.Gen)
	le.PutUint64(head[24:], uint64(synced.Pos))
	crc := crc32.Update(seed(at), castagnoli, head[8:frameHead])
	for _, p := range payload {
		crc = crc32.Update(crc, castagnoli, p)
	}
	le.PutUint32(head[4:], crc)
}

// decodeFrame checks the frame at a place in a file's bytes.
func decodeFrame(b []byte, at place) (f frame, payload []byte, ok bool) {
	if at.Pos+frameHead > int64(len(b)) {
		return f, nil, false
	}
	h := b[at.Pos:]
	n := int64(le.Uint32(h[8:]))
	if le.Uint32(h) != frameMagic || at.Pos+frameHead+n > int64(len(b)) {
		return f, nil, false
	}
	if crc32.Update(seed(at), castagnoli, h[8:frameHead+n]) != le.Uint32(h[4:]) {
		return f, nil, false
	}
	return frame{int(n), place{le.Uint64(h[16:]), int64(le.Uint64(h[24:]))}, h[12]}, h[frameHead : frameHead+n], true
}

func aligned(n int64) int64 { return (n + frameAlign - 1) / frameAlign * frameAlign }

func frameSize(payload int) int64 { return aligned(frameHead + int64(payload)) }

// recordType tells the records of a frame apart.
type recordType byte

const (
	recEntries   recordType = 1 // new entries; the first truncates what the group has from there on
	recHardState recordType = 2
	recBirth     recordType = 3
	recReset     recordType = 4 // the log begins after this position; all entries are gone
	recRelease   recordType = 5 // everything up to this position is in segments
	recDrop      recordType = 6
	recRewritten recordType = 7 // entries written again at the head: see invariant 6
)

const (
	recHead   = 1 + 8 + 4
	entryHead = 8 + 8 + 1 + 4
)

func appendRecordHead(b []byte, t recordType, g GroupID, size int) []byte {
	b = append(b, byte(t))
	b = le.AppendUint64(b, uint64(g))
	return le.AppendUint32(b, uint32(size))
}

func entriesSize(es []Entry) int {
	n := 4
	for i := range es {
		n += entryHead + len(es[i].Data)
	}
	return n
}

func appendEntryHead(b []byte, e *Entry) []byte {
	b = le.AppendUint64(b, uint64(e.Index))
	b = le.AppendUint64(b, uint64(e.Term))
	b = append(b, byte(e.Type))
	return le.AppendUint32(b, uint32(len(e.Data)))
}

func appendPosition(b []byte, p Position) []byte {
	return le.AppendUint64(le.AppendUint64(b, uint64(p.Index)), uint64(p.Term))
}

func appendHardState(b []byte, g GroupID, hs HardState) []byte {
	b = appendRecordHead(b, recHardState, g, 24)
	b = le.AppendUint64(b, uint64(hs.Term))
	b = le.AppendUint64(b, uint64(hs.Vote))
	return le.AppendUint64(b, uint64(hs.Commit))
}

func birthSize(x *Birth) int {
	n := 2 + len(x.Name) + 16 + 4 + 4 + 8*len(x.Voters)
	if x.Self != 0 {
		n += 8
	}
	return n
}

func appendBirth(b []byte, x *Birth) []byte {
	b = appendRecordHead(b, recBirth, x.Group, birthSize(x))
	b = le.AppendUint16(b, uint16(len(x.Name)))
	b = append(b, x.Name...)
	b = append(b, x.Topic[:]...)
	b = le.AppendUint32(b, uint32(x.Partition))
	b = le.AppendUint32(b, uint32(len(x.Voters)))
	for _, v := range x.Voters {
		b = le.AppendUint64(b, uint64(v))
	}
	if x.Self != 0 {
		b = le.AppendUint64(b, uint64(x.Self))
	}
	return b
}

// reader takes a record's body apart; bad is set by the first field that does not fit.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.bad = true
		return make([]byte, min(max(n, 0), 16))
	}
	x := r.b[:n]
	r.b = r.b[n:]
	return x
}

func (r *reader) u8() byte    { return r.take(1)[0] }
func (r *reader) u16() uint16 { return le.Uint16(r.take(2)) }
func (r *reader) u32() uint32 { return le.Uint32(r.take(4)) }
func (r *reader) u64() uint64 { return le.Uint64(r.take(8)) }

func (r *reader) position() Position { return Position{Index(r.u64()), Term(r.u64())} }

func (r *reader) hardState() HardState {
	return HardState{Term(r.u64()), ReplicaID(r.u64()), Index(r.u64())}
}

func (r *reader) birth(g GroupID) *Birth {
	x := &Birth{Group: g}
	x.Name = string(r.take(int(r.u16())))
	copy(x.Topic[:], r.take(16))
	x.Partition = int32(r.u32())
	n := int(r.u32())
	if n > len(r.b)/8 {
		r.bad = true
		return x
	}
	for range n {
		x.Voters = append(x.Voters, ReplicaID(r.u64()))
	}
	if len(r.b) > 0 {
		x.Self = ReplicaID(r.u64())
	}
	return x
}

// entries decodes a run of entries; Data is a copy, because the file's bytes are recycled.
func (r *reader) entries() []Entry {
	n := int(r.u32())
	if r.bad || n > len(r.b)/entryHead {
		r.bad = true
		return nil
	}
	es := make([]Entry, 0, n)
	for range n {
		e := Entry{Index: Index(r.u64()), Term: Term(r.u64()), Type: EntryType(r.u8())}
		if size := int(r.u32()); size > 0 {
			e.Data = append([]byte(nil), r.take(size)...)
		}
		es = append(es, e)
	}
	return es
}
