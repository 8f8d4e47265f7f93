package wal

import (
	"fmt"
	"hash/crc32"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"chronik/wal/vfs"
)

// small are options under which a few hundred bytes fill a file.
func small() Options { return Options{FileSize: 16 << 10, FirstFile: 12 << 10, Files: 4} }

// entriesOf makes entries first..last of a term; their payload names them.
func entriesOf(term Term, first, last Index, size int) []Entry {
	var es []Entry
	for i := first; i <= last; i++ {
		data := []byte(fmt.Sprintf("entry %d of term %d ", i, term))
		for len(data) < size {
			data = append(data, byte('a'+i%26))
		}
		es = append(es, Entry{Index: i, Term: term, Data: data})
	}
	return es
}

// model is what a log should hold: GroupStates to which writes are applied one by one.
type model map[GroupID]*GroupState

func (m model) clone() model {
	c := model{}
	for id, g := range m {
		x := *g
		x.Entries = slices.Clone(g.Entries)
		c[id] = &x
	}
	return c
}

func (m model) apply(w Write) {
	if w.Drop {
		delete(m, w.Group)
		return
	}
	g := m[w.Group]
	if g == nil {
		g = &GroupState{}
		m[w.Group] = g
	}
	if w.Birth != nil {
		g.Birth = w.Birth
	}
	if w.Reset != nil {
		g.Base, g.Entries = *w.Reset, nil
	}
	if len(w.Entries) > 0 {
		g.Entries = append(g.Entries[:w.Entries[0].Index-g.Base.Index-1:w.Entries[0].Index-g.Base.Index-1], w.Entries...)
	}
	if w.HardState != nil {
		g.HardState = *w.HardState
	}
	if w.Release != nil && w.Release.Index > g.Base.Index {
		g.Entries = g.Entries[min(len(g.Entries), int(w.Release.Index-g.Base.Index)):]
		g.Base = *w.Release
	}
}

func (m model) equal(groups map[GroupID]*GroupState) bool { return m.differ(groups) == "" }

func (m model) differ(groups map[GroupID]*GroupState) string {
	ids := slices.Sorted(maps.Keys(m))
	if have := slices.Sorted(maps.Keys(groups)); !slices.Equal(ids, have) {
		return fmt.Sprintf("groups are %v, want %v", have, ids)
	}
	for _, id := range ids {
		have, want := groups[id], m[id]
		switch {
		case have.HardState != want.HardState:
			return fmt.Sprintf("group %d: hard state %v, want %v", id, have.HardState, want.HardState)
		case have.Base != want.Base:
			return fmt.Sprintf("group %d: base %v, want %v", id, have.Base, want.Base)
		case !reflect.DeepEqual(have.Birth, want.Birth):
			return fmt.Sprintf("group %d: birth %v, want %v", id, have.Birth, want.Birth)
		case len(have.Entries) != len(want.Entries):
			return fmt.Sprintf("group %d: %d entries, want %d", id, len(have.Entries), len(want.Entries))
		}
		for i := range have.Entries {
			if h, w := have.Entries[i], want.Entries[i]; h.Index != w.Index || h.Term != w.Term || h.Type != w.Type || string(h.Data) != string(w.Data) {
				return fmt.Sprintf("group %d: entry %d of term %d (%d bytes), want %d of term %d (%d bytes)", id, h.Index, h.Term, len(h.Data), w.Index, w.Term, len(w.Data))
			}
		}
	}
	return ""
}

// script makes the writes of a plausible node: groups are born, vote, append, truncate, release, reset and are dropped.
type script struct {
	rng  *rand.Rand
	m    model
	next GroupID
}

func newScript(seed uint64) *script {
	return &script{rng: rand.New(rand.NewPCG(seed, 1)), m: model{}, next: 2}
}

// round returns the writes of one Commit, which the model has taken into account already.
func (s *script) round() []Write {
	var ws []Write
	for range 1 + s.rng.IntN(3) {
		w := s.write()
		s.m.apply(w)
		ws = append(ws, w)
	}
	return ws
}

func (s *script) write() Write {
	ids := slices.Sorted(maps.Keys(s.m))
	if len(ids) == 0 || len(ids) < 4 && s.rng.IntN(6) == 0 {
		id := s.next
		s.next++
		b := &Birth{Group: id, Name: fmt.Sprintf("topic-%d", id), Topic: [16]byte{byte(id)}, Partition: int32(id), Voters: []ReplicaID{1, 2, 3}}
		return Write{Group: id, Birth: b, HardState: &HardState{Term: 1, Vote: 1}}
	}
	id := ids[s.rng.IntN(len(ids))]
	g := s.m[id]
	w := Write{Group: id}
	hs := g.HardState
	last := g.LastIndex()
	switch k := s.rng.IntN(20); {
	case k < 11: // append, a little often
		w.Entries = entriesOf(hs.Term, last+1, last+1+Index(s.rng.IntN(4)), s.rng.IntN(700))
		hs.Commit = max(hs.Commit, last)
	case k < 14: // a new leader overwrites what was not committed
		hs.Term++
		hs.Vote = ReplicaID(1 + s.rng.IntN(3))
		if first := max(hs.Commit, g.Base.Index) + 1; first <= last {
			w.Entries = entriesOf(hs.Term, first, first+Index(s.rng.IntN(2)), 40)
		}
	case k < 18: // what is committed goes into segments
		if hs.Commit > g.Base.Index {
			upTo := g.Base.Index + 1 + Index(s.rng.IntN(int(hs.Commit-g.Base.Index)))
			w.Release = &Position{upTo, g.Entries[upTo-g.Base.Index-1].Term}
		}
	case k < 19: // a snapshot replaces everything
		w.Reset = &Position{last + 10, hs.Term}
		hs.Commit = last + 10
	default:
		if len(ids) > 2 {
			return Write{Group: id, Drop: true}
		}
	}
	w.HardState = &hs
	return w
}

func mustOpen(t testing.TB, fsys vfs.FS, o Options) (*Log, *Recovery) {
	t.Helper()
	l, r, err := Open(fsys, "wal", o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return l, r
}

func mustCommit(t testing.TB, l *Log, ws ...Write) {
	t.Helper()
	if err := l.Commit(ws); err != nil {
		t.Fatalf("Commit: %v", err)
	}
}

func readTest(t testing.TB, fsys vfs.FS, name string) []byte {
	t.Helper()
	b, err := ReadFile(fsys, name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// writeTest puts bytes under a name, durably.
func writeTest(t testing.TB, fsys vfs.FS, dir, name string, b []byte) {
	t.Helper()
	if err := fsys.MkdirAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := ReplaceFile(fsys, dir, name, b); err != nil {
		t.Fatal(err)
	}
}

func checksum(seed uint32, b []byte) uint32 { return crc32.Update(seed, castagnoli, b) }

// spansMatch says whether the running log knows where each live entry of a model is.
func spansMatch(l *Log, m model) string {
	for _, id := range slices.Sorted(maps.Keys(m)) {
		var have []Index
		for _, s := range l.groups[id].spans {
			for i := s.first; i <= s.last; i++ {
				have = append(have, i)
			}
		}
		var want []Index
		for _, e := range m[id].Entries {
			want = append(want, e.Index)
		}
		if !slices.Equal(have, want) {
			return fmt.Sprintf("group %d: the log tracks entries %v, %v are live", id, have, want)
		}
	}
	return ""
}
