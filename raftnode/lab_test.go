package raftnode

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"chronik/wal"
)

// lab is a group whose disks and network the test moves by hand. After every step it checks what must always hold:
//
//   - a vote and an acknowledgement of entries leave a node only when its disk has what they promise;
//   - no two leaders in one term;
//   - an entry is applied only when a majority of disks has it, each index once and in order, and everywhere the same.
type lab struct {
	peers   []*peer
	flying  []*pb.Message
	cut     map[[2]uint64]bool
	leaders map[wal.Term]wal.ReplicaID
	applied map[wal.Index]wal.Entry
	conf    *pb.ConfState
	broken  []string
	told    strings.Builder
}

// peer is one replica: what runs, what its disk has, and what it asked the disk to write.
type peer struct {
	lab   *lab
	id    wal.ReplicaID
	n     *Node // nil: crashed
	hs    wal.HardState
	base  wal.Position
	log   []wal.Entry // durable, from base.Index+1 on
	queue []Append    // handed over, not durable
	conf  *pb.ConfState
	upTo  wal.Index // applied
	early bool      // a planted bug: answers leave before the write they depend on
	reads []string
}

func newLab(n int) *lab {
	l := &lab{cut: map[[2]uint64]bool{}, leaders: map[wal.Term]wal.ReplicaID{}, applied: map[wal.Index]wal.Entry{}, conf: &pb.ConfState{}}
	for i := 1; i <= n; i++ {
		l.conf.Voters = append(l.conf.Voters, uint64(i))
	}
	for i := 1; i <= n; i++ {
		p := &peer{lab: l, id: wal.ReplicaID(i), conf: l.conf}
		l.peers = append(l.peers, p)
		p.start()
	}
	return l
}

func (l *lab) tell(format string, args ...any) { fmt.Fprintf(&l.told, format+"\n", args...) }

func (l *lab) violation(format string, args ...any) {
	l.broken = append(l.broken, fmt.Sprintf(format, args...))
	l.tell("VIOLATION: "+format, args...)
}

func (l *lab) peer(id wal.ReplicaID) *peer { return l.peers[id-1] }

func (p *peer) start() {
	n, err := New(Config{ID: p.id, Name: fmt.Sprint("replica ", p.id)},
		Start{HardState: p.hs, Base: p.base, Entries: slices.Clone(p.log), Conf: p.conf, Applied: p.base.Index}, p.snapshot)
	if err != nil {
		p.lab.violation("replica %d does not start: %v", p.id, err)
		return
	}
	p.n, p.upTo, p.queue = n, p.base.Index, nil
}

// snapshot stands for the newest applied position.
func (p *peer) snapshot() ([]byte, wal.Position, *pb.ConfState, bool) {
	t, ok := p.n.TermAt(p.upTo)
	return []byte("state"), wal.Position{Index: p.upTo, Term: t}, p.n.Conf(), ok && p.upTo > 0
}

// crash loses everything that the disk was not done with.
func (p *peer) crash() {
	p.n, p.queue = nil, nil
	p.lab.flying = slices.DeleteFunc(p.lab.flying, func(m *pb.Message) bool { return m.GetTo() == uint64(p.id) })
}

func (p *peer) has(i wal.Index, t wal.Term) bool {
	if i == p.base.Index {
		return t == p.base.Term
	}
	if i < p.base.Index {
		return true
	}
	k := int(i - p.base.Index - 1)
	return k < len(p.log) && p.log[k].Term == t
}

func (p *peer) last() wal.Index { return p.base.Index + wal.Index(len(p.log)) }

// ready carries out what the node asks for, until it asks for nothing.
func (p *peer) ready() {
	for p.n != nil && p.n.HasReady() {
		rd := p.n.Ready()
		if r := p.n.Role(); rd.RoleSeen && r.State == raft.StateLeader {
			if other, ok := p.lab.leaders[r.Term]; ok && other != p.id {
				p.lab.violation("replicas %d and %d lead in term %d", other, p.id, r.Term)
			}
			p.lab.leaders[r.Term] = p.id
		}
		if rd.Snapshot != nil {
			p.upTo = wal.Index(rd.Snapshot.GetMetadata().GetIndex())
		}
		for _, a := range rd.Appends {
			p.append(a)
		}
		for _, m := range rd.Messages {
			p.send(m)
		}
		for _, e := range rd.Committed {
			p.apply(e)
		}
		for _, r := range rd.Reads {
			p.reads = append(p.reads, fmt.Sprintf("%s at %d", r.RequestCtx, r.Index))
			p.lab.tell("%d may read %s at %d", p.id, r.RequestCtx, r.Index)
		}
		p.n.Applied(&rd)
	}
}

// append is what package raftgroup does with an Append, with a disk that waits.
func (p *peer) append(a Append) {
	if p.early {
		p.answer(a.Responses)
		a.Responses = nil
	}
	switch {
	case a.Write:
		p.queue = append(p.queue, a)
	case len(p.queue) == 0:
		p.answer(a.Responses)
	default:
		q := &p.queue[len(p.queue)-1]
		q.Responses = append(slices.Clone(q.Responses), a.Responses...)
	}
}

func (p *peer) answer(responses []*pb.Message) {
	for _, m := range p.n.AppendDone(responses) {
		p.send(m)
	}
}

// sync makes the oldest write durable: entries, then hard state.
func (p *peer) sync() {
	if p.n == nil || len(p.queue) == 0 {
		return
	}
	a := p.queue[0]
	p.queue = p.queue[1:]
	p.write(a)
	p.answer(a.Responses)
}

func (p *peer) write(a Append) {
	if a.Reset != nil {
		p.base, p.log, p.conf = *a.Reset, nil, p.n.Conf()
	}
	if len(a.Entries) > 0 {
		keep := int(a.Entries[0].Index - p.base.Index - 1)
		if keep > len(p.log) {
			p.lab.violation("replica %d writes entry %d behind %d", p.id, a.Entries[0].Index, p.last())
			return
		}
		p.log = append(p.log[:keep:keep], a.Entries...)
	}
	if a.HardState != nil {
		if a.HardState.Term < p.hs.Term || a.HardState.Commit > p.last() {
			p.lab.violation("replica %d writes %+v after %+v, its log ends at %d", p.id, *a.HardState, p.hs, p.last())
		}
		p.hs = *a.HardState
	}
}

func (p *peer) send(m *pb.Message) {
	l := p.lab
	if !m.GetReject() {
		switch i := wal.Index(m.GetIndex()); m.GetType() {
		case pb.MsgAppResp:
			if i > p.last() || p.hs.Term < wal.Term(m.GetTerm()) {
				l.violation("replica %d acknowledges %d in term %d; its disk has term %d and ends at %d", p.id, i, m.GetTerm(), p.hs.Term, p.last())
			}
		case pb.MsgVoteResp:
			if p.hs.Term != wal.Term(m.GetTerm()) || p.hs.Vote != wal.ReplicaID(m.GetTo()) {
				l.violation("replica %d votes for %d in term %d; its disk has term %d and a vote for %d", p.id, m.GetTo(), m.GetTerm(), p.hs.Term, p.hs.Vote)
			}
		}
	}
	l.flying = append(l.flying, proto.Clone(m).(*pb.Message))
}

func (p *peer) apply(e wal.Entry) {
	l := p.lab
	if e.Index != p.upTo+1 {
		l.violation("replica %d applies %d after %d", p.id, e.Index, p.upTo)
	}
	p.upTo = e.Index
	if known, ok := l.applied[e.Index]; ok && (known.Term != e.Term || !bytes.Equal(known.Data, e.Data)) {
		l.violation("replica %d applies %d/%d %q, elsewhere it is %d/%d %q", p.id, e.Term, e.Index, e.Data, known.Term, known.Index, known.Data)
	}
	l.applied[e.Index] = e
	copies := 0
	voters := p.n.Conf().GetVoters()
	for _, v := range voters {
		if l.peer(wal.ReplicaID(v)).has(e.Index, e.Term) {
			copies++
		}
	}
	if copies <= len(voters)/2 {
		l.violation("replica %d applies %d/%d, which %d of %d disks have", p.id, e.Term, e.Index, copies, len(voters))
	}
	if e.Type != wal.EntryNormal {
		p.n.ApplyConfChange(e)
	}
}

// deliver hands over the messages that are on their way now and that the filter takes; the others stay.
func (l *lab) deliver(takes func(*pb.Message) bool) (n int) {
	now := l.flying
	l.flying = nil
	var stay []*pb.Message
	for _, m := range now {
		if takes != nil && !takes(m) {
			stay = append(stay, m)
			continue
		}
		to := l.peer(wal.ReplicaID(m.GetTo()))
		if to.n == nil || l.cut[[2]uint64{m.GetFrom(), m.GetTo()}] {
			continue
		}
		n++
		_ = to.n.Step(m)
		to.ready()
	}
	l.flying = append(stay, l.flying...)
	return n
}

// stabilize lets some replicas, all when none are named, work until nothing is left to do.
func (l *lab) stabilize(ids ...wal.ReplicaID) {
	in := func(id uint64) bool { return len(ids) == 0 || slices.Contains(ids, wal.ReplicaID(id)) }
	for range 10_000 {
		busy := false
		for _, p := range l.peers {
			if p.n == nil || !in(uint64(p.id)) {
				continue
			}
			busy = busy || p.n.HasReady() || len(p.queue) > 0
			p.ready()
			p.sync()
		}
		if l.deliver(func(m *pb.Message) bool { return in(m.GetTo()) }) == 0 && !busy {
			return
		}
	}
	l.violation("the group does not come to rest")
}

func (l *lab) leader() *peer {
	var best *peer
	for _, p := range l.peers {
		if p.n != nil && p.n.Role().State == raft.StateLeader && (best == nil || p.n.Role().Term > best.n.Role().Term) {
			best = p
		}
	}
	return best
}

// check fails a test that saw a violation.
func (l *lab) check(t *testing.T) {
	t.Helper()
	if len(l.broken) > 0 {
		t.Fatal(strings.Join(l.broken, "\n"))
	}
}

func describe(m *pb.Message) string {
	s := fmt.Sprintf("%d->%d %v term %d", m.GetFrom(), m.GetTo(), m.GetType(), m.GetTerm())
	switch m.GetType() {
	case pb.MsgApp:
		s += fmt.Sprintf(" after %d/%d commit %d", m.GetLogTerm(), m.GetIndex(), m.GetCommit())
	case pb.MsgAppResp:
		s += fmt.Sprintf(" index %d", m.GetIndex())
	case pb.MsgVote, pb.MsgPreVote:
		s += fmt.Sprintf(" last %d/%d", m.GetLogTerm(), m.GetIndex())
	case pb.MsgSnap:
		s += fmt.Sprintf(" at %d/%d", m.Snapshot.GetMetadata().GetTerm(), m.Snapshot.GetMetadata().GetIndex())
	}
	for _, e := range m.Entries {
		s += fmt.Sprintf(" %d/%d:%q", e.GetTerm(), e.GetIndex(), e.Data)
	}
	if m.GetReject() {
		s += fmt.Sprintf(" rejected, hint %d/%d", m.GetLogTerm(), m.GetRejectHint())
	}
	return s
}
