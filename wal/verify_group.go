package wal

import (
	"hash/crc32"

	"chronik/protocol/batch"
)

// commandByte begins an entry that is a command of the partition's leader; no batch begins with it.
const commandByte = 0xFF

// located is a batch with where it was found.
type located struct {
	row    row
	header batch.Header
	data   []byte
	ok     bool   // both CRCs match, and the row tells the truth
	file   string // base name
	pos    int64
	log    bool // only in the log
}

// visitor is shown every batch of a group in the order of offsets; committed says whether this directory knows that it is.
type visitor func(b *located, committed bool) error

// chain follows a group's entries and says where one does not continue the one before it.
type chain struct {
	s     *stopped
	next  Index // 0: any
	term  Term
	epoch int32
	begun bool // next is the offset that must follow
	off   int64
	r     *GroupReport
}

// entry checks one entry's place in the log.
func (c *chain) entry(file string, pos int64, i Index, t Term) {
	if c.next != 0 && i != c.next {
		c.s.problem(file, pos, "entry %d stands where entry %d belongs", i, c.next)
	}
	if t < c.term {
		c.s.problem(file, pos, "entry %d is of term %d, the one before it of term %d", i, t, c.term)
	}
	c.next, c.term = i+1, max(c.term, t)
}

// batch checks a batch's header against the chain. The batch is whole.
func (c *chain) batch(file string, pos int64, h *batch.Header, t Term) {
	base, last := int64(h.BaseOffset), int64(h.LastOffset())
	if c.begun && base != c.off {
		c.s.problem(file, pos, "the batch begins at offset %d, the one before it ends at %d: offsets are not dense", base, c.off-1)
	}
	if int32(h.LeaderEpoch) < c.epoch {
		c.s.problem(file, pos, "the batch at offset %d has leader epoch %d, the one before it %d", base, h.LeaderEpoch, c.epoch)
	}
	if int64(h.LeaderEpoch) != int64(t) {
		c.s.problem(file, pos, "the batch at offset %d has leader epoch %d, its entry term %d", base, h.LeaderEpoch, t)
	}
	if last < base || h.RecordCount < 0 {
		c.s.problem(file, pos, "the batch at offset %d ends at %d and counts %d records", base, last, h.RecordCount)
		last = base
	}
	if c.r.FirstOffset < 0 {
		c.r.FirstOffset = base
	}
	c.epoch = max(c.epoch, int32(h.LeaderEpoch))
	c.off, c.begun = last+1, true
	c.r.Batches++
	c.r.Records += int64(h.RecordCount)
}

// group checks one group in segments and log and adds it to the report; visit may be nil.
func (s *stopped) group(id GroupID, visit visitor) error {
	s.Groups = append(s.Groups, GroupReport{Group: id, Name: s.name(id), FirstOffset: -1, NextOffset: -1, HighWatermark: -1})
	r := &s.Groups[len(s.Groups)-1]
	var g *groupLog
	if s.wal != nil {
		g = s.wal.groups[id]
	}
	st := s.segments[id]
	if st != nil {
		r.SegmentLast = st.Last
		r.Commit, r.LastIndex = st.Last.Index, st.Last.Index
	}
	if g != nil {
		r.HardState, r.Base = g.hs, g.base
		r.Commit = max(r.Commit, g.hs.Commit)
	}
	c := &chain{s: s, r: r}
	if st != nil && g != nil {
		if e, ok := g.entries[st.Last.Index]; ok && e.Term != st.Last.Term && st.Last.Index > g.hs.Commit {
			s.note("group %d (%s): what the log has was overtaken by a copy of segments from the leader", id, st.Name)
			g = &groupLog{birth: g.birth, hs: g.hs, base: st.Last, hasBase: true}
		}
	}
	if st != nil {
		if g == nil && s.wal != nil {
			s.note("group %d (%s) has segments, but the log does not know it: left over from a deletion", id, st.Name)
		}
		if err := s.checkSegments(id, st, c, g, visit); err != nil {
			return err
		}
	}
	var err error
	if g != nil {
		err = s.checkEntries(id, g, st, c, visit)
	}
	c.finish()
	return err
}

// finish notes where a partition's offsets end.
func (c *chain) finish() {
	if c.r.Group == MetaGroup || !c.begun {
		return
	}
	c.r.NextOffset = c.off
	if c.r.HighWatermark < 0 {
		c.r.HighWatermark = c.off
	}
}

// checkEntries checks what the log has of a group beyond its segments.
func (s *stopped) checkEntries(id GroupID, g *groupLog, st *SegmentState, c *chain, visit visitor) error {
	r, dir := c.r, s.Dir+"/wal"
	inSegments := Index(0)
	switch {
	case st != nil:
		inSegments = st.Last.Index
	case id == MetaGroup:
		inSegments = g.base.Index // in a snapshot
	case g.base.Index == 0:
		c.begun = true // the partition begins here, at offset 0
	case s.broken[id]:
	default:
		s.note("group %d (%s): the log begins behind entry %d and there are no segments: damage, unless its topic was being deleted", id, r.Name, g.base.Index)
		inSegments = g.base.Index
	}
	if g.base.Index > inSegments && !s.broken[id] {
		s.problem(dir, -1, "group %d (%s): the log begins behind entry %d, segments end at entry %d", id, r.Name, g.base.Index, inSegments)
	}
	if c.next == 0 && inSegments > 0 {
		c.next = inSegments + 1
	}
	c.term = max(c.term, g.base.Term)
	for _, i := range g.indexes() {
		if i <= inSegments {
			continue
		}
		if c.next == 0 {
			c.next = max(g.base.Index, 0) + 1
		}
		e := g.entries[i]
		file, pos := s.files[g.at[i].Gen], g.at[i].Pos
		c.entry(file, pos, i, e.Term)
		r.LogEntries++
		r.LastIndex = max(r.LastIndex, i)
		if id == MetaGroup || e.Type != EntryNormal || len(e.Data) == 0 || e.Data[0] == commandByte {
			continue
		}
		if err := s.logBatch(c, &e, file, pos, visit); err != nil {
			return err
		}
	}
	r.LastIndex = max(r.LastIndex, g.base.Index)
	if g.hs.Commit > r.LastIndex && !s.broken[id] {
		s.problem(dir, -1, "group %d (%s): committed up to entry %d, but the log ends at %d", id, r.Name, g.hs.Commit, r.LastIndex)
	}
	return nil
}

// logBatch checks one batch of the log.
func (s *stopped) logBatch(c *chain, e *Entry, file string, pos int64, visit visitor) error {
	b := &located{data: e.Data, file: file, pos: pos, log: true, ok: true}
	h, whole := batch.ParseHeader(e.Data)
	committed := e.Index <= c.r.Commit
	if !whole || h.Size != len(e.Data) {
		s.problem(file, pos, "entry %d is neither a batch nor a command", e.Index)
		return nil
	}
	if !committed && c.r.HighWatermark < 0 {
		c.r.HighWatermark = int64(h.BaseOffset)
	}
	if got := batch.Checksum(e.Data); got != h.CRC {
		s.problem(file, pos, "the batch at offset %d does not verify: its CRC is %08x, its bytes give %08x", h.BaseOffset, h.CRC, got)
		b.ok = false
	}
	c.batch(file, pos, &h, e.Term)
	if visit == nil {
		return nil
	}
	b.header = h
	b.row = row{index: e.Index, term: e.Term, base: int64(h.BaseOffset), last: int64(h.LastOffset()), length: uint32(len(e.Data)), crc: crc32.Checksum(e.Data, castagnoli)}
	return visit(b, committed)
}
