package wal

import (
	"errors"
	"fmt"
	"sort"
)

// recovery collects what the frames say, in the order in which they were written.
type recovery struct {
	groups   map[GroupID]*groupLog
	torn     int64
	tornFile string
	tornAt   int64
	// frameRead, when set, is told of every frame that verified.
	frameRead func(f *file, bytes int64)
}

// groupLog is one group while its records are read. at says which frame holds the newest copy of an entry.
type groupLog struct {
	birth   *Birth
	hs      HardState
	hasHS   bool
	base    Position
	hasBase bool
	entries map[Index]Entry
	at      map[Index]place
	last    Index
	headGen uint64
}

// eachRecord calls visit for every record of a frame's payload; an error when the bytes do not divide into records.
func eachRecord(payload []byte, visit func(recordType, GroupID, *reader)) error {
	r := &reader{b: payload}
	for len(r.b) > 0 {
		t, g, n := recordType(r.u8()), GroupID(r.u64()), int(r.u32())
		body := &reader{b: r.take(n)}
		if r.bad {
			return errors.New("a frame that verifies does not divide into records")
		}
		if t < recEntries || t > recRewritten {
			return fmt.Errorf("%w of a record: type %d", ErrUnknownVersion, t)
		}
		visit(t, g, body)
		if body.bad {
			return fmt.Errorf("a record of type %d is too short", t)
		}
	}
	return nil
}

// frame takes the records of the frame at a place into account.
func (rec *recovery) frame(payload []byte, at place) error {
	return eachRecord(payload, func(t recordType, id GroupID, body *reader) {
		if t == recDrop {
			delete(rec.groups, id)
			return
		}
		g := rec.groups[id]
		if g == nil {
			g = &groupLog{entries: map[Index]Entry{}, at: map[Index]place{}}
			rec.groups[id] = g
		}
		switch t {
		case recEntries:
			for i, e := range body.entries() {
				if i == 0 {
					g.truncate(e.Index)
				}
				g.put(e, at)
			}
		case recRewritten:
			for _, e := range body.entries() {
				if _, there := g.entries[e.Index]; there {
					g.at[e.Index] = at
				} else {
					g.put(e, at)
				}
			}
		case recHardState:
			g.hs, g.hasHS = body.hardState(), true
		case recBirth:
			g.birth = body.birth(id)
		case recReset:
			g.truncate(0)
			g.base, g.hasBase = body.position(), true
		case recRelease:
			g.release(body.position())
		}
		if t != recEntries && t != recRewritten && g.headGen == 0 {
			g.headGen = at.Gen
		}
	})
}

// put takes an entry over, unless it is below the base: then this copy is older than the release.
func (g *groupLog) put(e Entry, at place) {
	if g.hasBase && e.Index <= g.base.Index {
		return
	}
	g.entries[e.Index], g.at[e.Index] = e, at
	g.last = max(g.last, e.Index)
}

func (g *groupLog) truncate(from Index) {
	if from > g.last {
		return
	}
	for i := range g.entries {
		if i >= from {
			delete(g.entries, i)
			delete(g.at, i)
		}
	}
	g.last = 0
	for i := range g.entries {
		g.last = max(g.last, i)
	}
}

func (g *groupLog) release(p Position) {
	if p.Index <= g.base.Index && g.hasBase {
		return
	}
	g.base, g.hasBase = p, true
	for i := range g.entries {
		if i <= p.Index {
			delete(g.entries, i)
			delete(g.at, i)
		}
	}
}

// state turns the collected entries into a log without gaps.
func (g *groupLog) state(id GroupID, dir string) (*GroupState, error) {
	st := &GroupState{Birth: g.birth, HardState: g.hs, Base: g.base}
	for _, i := range g.indexes() {
		if want := st.LastIndex() + 1; i != want {
			return nil, &CorruptionError{File: dir, What: fmt.Sprintf("group %d: entry %d is missing, the next one is %d", id, want, i)}
		}
		st.Entries = append(st.Entries, g.entries[i])
	}
	if st.HardState.Commit > st.LastIndex() {
		return nil, &CorruptionError{File: dir, What: fmt.Sprintf("group %d: committed up to %d, but the log ends at %d", id, st.HardState.Commit, st.LastIndex())}
	}
	return st, nil
}

func (g *groupLog) indexes() []Index {
	is := make([]Index, 0, len(g.entries))
	for i := range g.entries {
		is = append(is, i)
	}
	sort.Slice(is, func(a, b int) bool { return is[a] < is[b] })
	return is
}

// track returns what the running log remembers of the group.
func (g *groupLog) track() *group {
	x := &group{birth: g.birth, hs: g.hs, hasHS: g.hasHS, base: g.base, hasBase: g.hasBase, headGen: g.headGen}
	for _, i := range g.indexes() {
		gen := g.at[i].Gen
		if n := len(x.spans); n > 0 && x.spans[n-1].gen == gen && x.spans[n-1].last+1 == i {
			x.spans[n-1].last = i
		} else {
			x.spans = append(x.spans, span{gen, i, i})
		}
	}
	return x
}
