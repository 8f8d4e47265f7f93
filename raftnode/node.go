package raftnode

import (
	"errors"
	"fmt"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
	"google.golang.org/protobuf/proto"

	"chronik/wal"
)

// Config of a group's replica.
type Config struct {
	ID             wal.ReplicaID
	ElectionTicks  int // 10
	HeartbeatTicks int // 1
	Name           string
}

// Start is what the replica begins with: the recovered log, or a birth. Conf is the configuration as of Applied, the last
// index whose effects the owner has already.
type Start struct {
	HardState wal.HardState
	Base      wal.Position
	Entries   []wal.Entry
	Conf      *pb.ConfState
	Applied   wal.Index
}

// Node is one replica of a group. One owner.
type Node struct {
	id   wal.ReplicaID
	rn   *raft.RawNode
	st   *storage
	soft raft.SoftState
	term wal.Term
}

// Role says who leads and what this replica is.
type Role struct {
	Leader wal.ReplicaID // 0: nobody known
	Term   wal.Term
	State  raft.StateType
}

// Append is a part of the log to make durable. Write false: nothing to write, but what was handed out before must be
// durable before its answers leave.
type Append struct {
	Write     bool
	Entries   []wal.Entry
	HardState *wal.HardState
	Reset     *wal.Position
	Responses []*pb.Message
}

// Ready is what is to be done now, in this order: take over Snapshot, take note of Entries, hand Append to the WAL,
// send Messages, apply Committed and answer with Applied.
type Ready struct {
	Snapshot  *pb.Snapshot
	Truncated wal.Index   // first index that Entries replace; 0: none
	Entries   []wal.Entry // handed out now: the new end of the log
	Appends   []Append
	Messages  []*pb.Message
	Committed []wal.Entry
	applied   []*pb.Message
	RoleSeen  bool // Role may have changed
	Reads     []raft.ReadState
}

// New returns a replica. snapshot is asked when a follower needs what is no longer in memory.
func New(c Config, s Start, snapshot func() ([]byte, wal.Position, *pb.ConfState, bool)) (*Node, error) {
	if c.ElectionTicks == 0 {
		c.ElectionTicks = 10
	}
	if c.HeartbeatTicks == 0 {
		c.HeartbeatTicks = 1
	}
	st := &storage{hard: s.HardState, base: s.Base, conf: s.Conf, snapshot: snapshot}
	for _, e := range s.Entries {
		st.append([]*pb.Entry{toRaft(e)})
	}
	if st.hard.Commit < st.base.Index { // what is in segments or a snapshot is committed
		st.hard.Commit = st.base.Index
	}
	if st.hard.Term < st.base.Term {
		st.hard.Term, st.hard.Vote = st.base.Term, 0 // its vote was in an older term
	}
	n := &Node{id: c.ID, st: st, term: st.hard.Term}
	rn, err := raft.NewRawNode(&raft.Config{
		ID: uint64(c.ID), ElectionTick: c.ElectionTicks, HeartbeatTick: c.HeartbeatTicks, Storage: st, Applied: uint64(s.Applied),
		MaxSizePerMsg: 1 << 20, MaxInflightMsgs: 128, MaxInflightBytes: 16 << 20, MaxCommittedSizePerReady: 16 << 20,
		MaxUncommittedEntriesSize: 64 << 20, PreVote: true, CheckQuorum: true, AsyncStorageWrites: true,
		DisableProposalForwarding: true, StepDownOnRemoval: true, Logger: logger{c.Name},
	})
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", c.Name, err)
	}
	n.rn = rn
	return n, nil
}

func toRaft(e wal.Entry) *pb.Entry {
	return &pb.Entry{Index: ptr(uint64(e.Index)), Term: ptr(uint64(e.Term)), Type: pb.EntryType(e.Type).Enum(), Data: e.Data}
}

func fromRaft(e *pb.Entry) wal.Entry {
	return wal.Entry{Index: wal.Index(e.GetIndex()), Term: wal.Term(e.GetTerm()), Type: wal.EntryType(e.GetType()), Data: e.Data}
}

func fromRaftAll(es []*pb.Entry) []wal.Entry {
	out := make([]wal.Entry, len(es))
	for i, e := range es {
		out[i] = fromRaft(e)
	}
	return out
}

// ErrForged refuses messages that only the local storage may send, or that are not for this replica.
var ErrForged = errors.New("a message that no peer may send")

// Step takes a message from a peer.
func (n *Node) Step(m *pb.Message) error {
	from := m.GetFrom()
	if raft.IsLocalMsg(m.GetType()) || from == raft.LocalAppendThread || from == raft.LocalApplyThread || from == uint64(n.id) || m.GetTo() != uint64(n.id) {
		return ErrForged
	}
	if c := len(m.Context); m.GetType() == pb.MsgHeartbeatResp && c != 0 && c != 8 { // raft reads the number of a read from it
		return ErrForged
	}
	return n.rn.Step(m)
}

// Propose appends entries in one step, all or none; an error means that none will be.
func (n *Node) Propose(data [][]byte) error {
	es := make([]*pb.Entry, len(data))
	for i, d := range data {
		es[i] = &pb.Entry{Data: d}
	}
	return n.rn.Step(&pb.Message{Type: pb.MsgProp.Enum(), From: ptr(uint64(n.id)), Entries: es})
}

// Tick advances Raft's clock by one tick.
func (n *Node) Tick() { n.rn.Tick() }

// Campaign starts an election (a pre-vote) now.
func (n *Node) Campaign() { _ = n.rn.Campaign() }

// ForgetLeader makes a follower ready to vote at once: its leader's link is dead.
func (n *Node) ForgetLeader() { _ = n.rn.ForgetLeader() }

// TransferLeader asks to hand leadership over. Raft drops the wish silently when it cannot be fulfilled.
func (n *Node) TransferLeader(to wal.ReplicaID) { n.rn.TransferLeader(uint64(to)) }

// ReadIndex asks for a linearizable read point; the answer comes in Ready.Reads, or never.
func (n *Node) ReadIndex(ctx []byte) { n.rn.ReadIndex(ctx) }

// ReportUnreachable makes Raft probe the peer instead of streaming to it.
func (n *Node) ReportUnreachable(id wal.ReplicaID) { n.rn.ReportUnreachable(uint64(id)) }

// ReportSnapshot says whether a snapshot reached the peer.
func (n *Node) ReportSnapshot(id wal.ReplicaID, ok bool) {
	status := raft.SnapshotFailure
	if ok {
		status = raft.SnapshotFinish
	}
	n.rn.ReportSnapshot(uint64(id), status)
}

// HardState is what Raft must not forget, as of now; commit is never beyond the log.
func (n *Node) HardState() wal.HardState {
	hs := n.rn.BasicStatus().HardState
	return wal.HardState{Term: wal.Term(hs.GetTerm()), Vote: wal.ReplicaID(hs.GetVote()), Commit: min(wal.Index(hs.GetCommit()), n.st.last())}
}

// HasReady says whether Ready has something.
func (n *Node) HasReady() bool { return n.rn.HasReady() }

// Role is who leads, as of the last Ready.
func (n *Node) Role() Role {
	st := n.rn.BasicStatus()
	return Role{Leader: wal.ReplicaID(st.Lead), Term: wal.Term(st.HardState.GetTerm()), State: st.RaftState}
}

// Ready returns what is to be done; call it while HasReady.
func (n *Node) Ready() Ready {
	rd := n.rn.Ready()
	out := Ready{Reads: rd.ReadStates, RoleSeen: rd.SoftState != nil || rd.HardState != nil}
	if sn := rd.Snapshot; sn != nil && sn.GetMetadata().GetIndex() > 0 {
		out.Snapshot = sn
		n.st.base = wal.Position{Index: wal.Index(sn.GetMetadata().GetIndex()), Term: wal.Term(sn.GetMetadata().GetTerm())}
		n.st.entries, n.st.bytes = nil, 0
		n.st.conf = sn.GetMetadata().GetConfState()
	}
	if len(rd.Entries) > 0 {
		out.Truncated = n.st.append(rd.Entries)
		out.Entries = fromRaftAll(rd.Entries)
	}
	for _, m := range rd.Messages {
		switch m.GetTo() {
		case raft.LocalAppendThread:
			out.Appends = append(out.Appends, n.append(m))
		case raft.LocalApplyThread:
			out.Committed = append(out.Committed, fromRaftAll(m.Entries)...)
			out.applied = append(out.applied, m.Responses...)
		default:
			out.Messages = append(out.Messages, m)
		}
	}
	return out
}

func (n *Node) append(m *pb.Message) Append {
	a := Append{Responses: m.Responses, Entries: fromRaftAll(m.Entries)}
	a.Write = len(m.Entries) > 0 || m.Snapshot != nil
	if sn := m.Snapshot; sn != nil {
		a.Reset = &wal.Position{Index: wal.Index(sn.GetMetadata().GetIndex()), Term: wal.Term(sn.GetMetadata().GetTerm())}
	}
	if m.Term != nil {
		hs := wal.HardState{Term: wal.Term(m.GetTerm()), Vote: wal.ReplicaID(m.GetVote()), Commit: wal.Index(m.GetCommit())}
		a.Write = a.Write || hs.Term != n.st.hard.Term || hs.Vote != n.st.hard.Vote
		n.st.hard = hs
	}
	if a.Write { // the newest hard state rides along; entries precede it in the record
		hs := n.st.hard
		hs.Commit = min(hs.Commit, n.st.last())
		a.HardState = &hs
	}
	return a
}

// AppendDone steps an append's answers that are for this replica and returns those that are for peers.
func (n *Node) AppendDone(responses []*pb.Message) (send []*pb.Message) {
	for _, m := range responses {
		if m.GetTo() == uint64(n.id) {
			_ = n.rn.Step(m)
		} else {
			send = append(send, m)
		}
	}
	return send
}

// Applied says that Ready.Committed was applied.
func (n *Node) Applied(rd *Ready) {
	for _, m := range rd.applied {
		_ = n.rn.Step(m)
	}
}

// ApplyConfChange applies a membership entry and returns the configuration after it.
func (n *Node) ApplyConfChange(e wal.Entry) *pb.ConfState {
	var cc pb.ConfChangeV2
	if e.Type == wal.EntryConfChange {
		var v1 pb.ConfChange
		if err := proto.Unmarshal(e.Data, &v1); err != nil {
			panic("BUG: a committed membership change does not decode: " + err.Error())
		}
		cc = *v1.AsV2()
	} else if err := proto.Unmarshal(e.Data, &cc); err != nil {
		panic("BUG: a committed membership change does not decode: " + err.Error())
	}
	n.st.conf = n.rn.ApplyConfChange(&cc)
	return n.st.conf
}

// ProposeConfChange proposes a membership change.
func (n *Node) ProposeConfChange(cc *pb.ConfChangeV2) error { return n.rn.ProposeConfChange(cc) }

// Conf is the configuration as applied.
func (n *Node) Conf() *pb.ConfState { return n.st.conf }

// Base is the position below which nothing is in memory.
func (n *Node) Base() wal.Position { return n.st.base }

// Last is the last index of the log, durable or not.
func (n *Node) Last() wal.Index { return n.st.last() }

// TermAt returns the term of an index that is in memory.
func (n *Node) TermAt(i wal.Index) (wal.Term, bool) {
	t, err := n.st.Term(uint64(i))
	return wal.Term(t), err == nil
}

// Bytes is the payload that is held in memory.
func (n *Node) Bytes() int { return n.st.bytes }

// Entry returns an entry that is in memory.
func (n *Node) Entry(i wal.Index) (wal.Entry, bool) {
	if i <= n.st.base.Index || i > n.st.last() {
		return wal.Entry{}, false
	}
	return fromRaft(n.st.entries[i-n.st.base.Index-1]), true
}

// Compact forgets entries up to an index; they must be applied, and durable elsewhere.
func (n *Node) Compact(upTo wal.Index) { n.st.compact(upTo) }

// Peer is a leader's view of one replica.
type Peer struct {
	ID           wal.ReplicaID
	Match        wal.Index
	Active       bool
	Learner      bool
	Snapshotting bool
}

// Peers lists the replicas by id, this one included; only a leader's figures mean something.
func (n *Node) Peers() []Peer {
	var ps []Peer
	n.rn.WithProgress(func(id uint64, t raft.ProgressType, pr tracker.Progress) {
		ps = append(ps, Peer{wal.ReplicaID(id), wal.Index(pr.Match), pr.RecentActive || id == uint64(n.id), t == raft.ProgressTypeLearner, pr.State == tracker.StateSnapshot})
	})
	return ps
}

// logger drops raft's own chatter and turns its panics into ours.
type logger struct{ name string }

func (logger) Debug(...any)            {}
func (logger) Debugf(string, ...any)   {}
func (logger) Error(...any)            {}
func (logger) Errorf(string, ...any)   {}
func (logger) Info(...any)             {}
func (logger) Infof(string, ...any)    {}
func (logger) Warning(...any)          {}
func (logger) Warningf(string, ...any) {}
func (l logger) Fatal(v ...any)        { panic("BUG: raft of " + l.name + ": " + fmt.Sprint(v...)) }
func (l logger) Fatalf(f string, v ...any) {
	panic("BUG: raft of " + l.name + ": " + fmt.Sprintf(f, v...))
}
func (l logger) Panic(v ...any) { l.Fatal(v...) }
func (l logger) Panicf(f string, v ...any) {
	l.Fatalf(f, v...)
}
