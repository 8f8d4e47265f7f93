package raftgroup

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"slices"

	"github.com/asynkron/protoactor-go/actor"
	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"

	"chronik/actors"
	"chronik/actors/message"
	"chronik/raftnode"
	"chronik/wal"
)

// Machine is the owner of a group: what its log means.
type Machine interface {
	// Appended tells of entries that are now the end of the log, not durable yet. truncated, when not 0, is the first index
	// that they replace. leading says that they were appended by this replica as leader: data entries among them are its
	// own proposals, in the order of Propose.
	Appended(entries []wal.Entry, truncated wal.Index, leading bool)
	// Durable says that the log is on this node's disk up to an index of a term.
	Durable(index wal.Index, term wal.Term)
	// Apply hands over committed entries.
	Apply(entries []wal.Entry)
	// Conf tells of an applied membership change.
	Conf(index wal.Index, conf *pb.ConfState)
	// RoleChanged tells of a new leader, term or state.
	RoleChanged(r raftnode.Role)
	// Progress says that a follower's position may have changed.
	Progress()
	// Dropped says that the last n proposals did not enter the log and never will.
	Dropped(n int)
	// ReadReady answers ReadIndex: what is applied up to index may be read.
	ReadReady(token uint64, index wal.Index)
	// Calm says that the owner has no need of Raft's clock; then a group in which nothing happens may rest.
	Calm() bool
	// Woken says that the group's rest is over: until now nothing happened, and all that could be reached were up to date.
	Woken()
	// Snapshot makes the snapshot that a follower behind the log needs; ok false: not now.
	Snapshot() (data []byte, pos wal.Position, conf *pb.ConfState, ok bool)
	// Prepare fetches and stores what a snapshot stands for, then calls done (inside Receive of the same actor).
	Prepare(from wal.ReplicaID, data []byte, pos wal.Position, done func(ok bool))
	// Restore replaces the machine's state by a prepared snapshot.
	Restore(data []byte, pos wal.Position, conf *pb.ConfState)
}

// Config of a group.
type Config struct {
	Node        *actors.Node
	Group       wal.GroupID
	Name        string // TOPIC-P or __meta-0
	Self        wal.ReplicaID
	Start       raftnode.Start
	Restored    *wal.GroupState // what the WAL has of the group; nil: nothing
	Incarnation uint64
	// First says that this replica should lead first: it campaigns at once at birth.
	First bool
}

// A new group's first leader may be born before the others: it stands again before their election timeout ends, so that
// leaders stay where they were placed.
// After a leader's death the other voters may not know of it yet, and refuse; so it stands again then too. An election that
// is past its pre-vote is left alone.
const (
	retryTicks = 2
	firstTries = 20
	deathTries = 4
)

type flush struct{}

var flushMessage = &flush{}

// pendingAppend is an append in flight to the WAL.
type pendingAppend struct {
	responses []*pb.Message
	last      wal.Position // last entry of it, zero when none
}

// Group drives one raftnode inside its owner's mailbox. One owner; every method is called inside Receive.
type Group struct {
	c          Config
	m          Machine
	rn         *raftnode.Node
	ctx        actor.Context
	queued     bool
	writing    []pendingAppend
	token      uint64 // of the newest WriteLog
	proposed   [][]byte
	role       raftnode.Role
	applied    wal.Index
	reads      uint64
	campaignIn int // ticks until this replica stands for election; -1: not planned
	tries      int // how often it still stands again when nobody was elected
	log        *slog.Logger
	holding    bool // a snapshot is being prepared
	leaderSeen wal.ReplicaID
	sinceWatch int // ticks
	snapshots  map[wal.ReplicaID]onTheWay
	members    membership
	rest       quiescence
}

// New starts a group from what was recovered. The owner calls Begin when it gets its Started message.
func New(c Config, m Machine) (*Group, error) {
	g := &Group{c: c, m: m, applied: c.Start.Applied, campaignIn: -1, snapshots: map[wal.ReplicaID]onTheWay{}, log: c.Node.Env.Log}
	rn, err := raftnode.New(raftnode.Config{ID: c.Self, Name: c.Name}, c.Start, m.Snapshot)
	if err != nil {
		return nil, err
	}
	g.rn = rn
	g.role = rn.Role()
	return g, nil
}

// Begin makes a replica that is alone, or that should lead first, stand for election without waiting for the clock.
func (g *Group) Begin(ctx actor.Context) {
	g.ctx = ctx
	g.settle()
	conf := g.rn.Conf()
	alone := conf != nil && len(conf.GetVoters()) == 1 && conf.GetVoters()[0] == uint64(g.c.Self)
	if alone || g.c.First && g.rn.Last() == 0 {
		g.rn.Campaign()
	}
	if !alone && g.c.First && g.rn.Last() == 0 {
		g.campaignIn, g.tries = retryTicks, firstTries
	}
	g.kick()
}

// Receive handles what is the group's own; false: the message is the owner's.
func (g *Group) Receive(ctx actor.Context) bool {
	g.ctx = ctx
	switch m := ctx.Message().(type) {
	case *flush:
		g.flush()
	case *message.RaftMessage:
		g.step(m)
	case *message.WriteDone:
		g.writeDone(m)
	case *message.LinkDropped:
		g.Wake()
		g.unreachable(m.Peer)
		g.kick()
	case *message.PeerChanged:
		g.peerChanged(m)
	default:
		return false
	}
	return true
}

// Node is the group's Raft state, for reading.
func (g *Group) Node() *raftnode.Node { return g.rn }

// Role is who leads, as the owner was told.
func (g *Group) Role() raftnode.Role { return g.role }

// Leading says whether this replica leads.
func (g *Group) Leading() bool { return g.role.State == raft.StateLeader }

// Applied is the last index that was handed to Machine.Apply.
func (g *Group) Applied() wal.Index { return g.applied }

// Tick advances the group's clock by n ticks.
func (g *Group) Tick(ctx actor.Context, n int) {
	g.ctx = ctx
	if g.rest.quiesced || g.quiesce(n) {
		return
	}
	for range n {
		g.rn.Tick()
		if g.campaignIn >= 0 {
			g.campaignIn--
			if g.campaignIn < 0 && g.role.Leader == 0 {
				g.stand()
			}
		}
	}
	g.watchSnapshots(n)
	if g.rn.HasReady() {
		g.kick()
	}
}

// Propose queues data for the next flush; Machine.Appended or Machine.Dropped tells what became of it.
func (g *Group) Propose(ctx actor.Context, data []byte) {
	g.ctx = ctx
	g.Wake()
	g.proposed = append(g.proposed, data)
	g.kick()
}

// ReadIndex asks for a linearizable read point and returns the token that ReadReady will carry. It may never come.
func (g *Group) ReadIndex(ctx actor.Context) uint64 {
	g.ctx = ctx
	g.Wake()
	g.reads++
	g.rn.ReadIndex(binary.LittleEndian.AppendUint64(nil, g.reads))
	g.kick()
	return g.reads
}

// Transfer hands leadership to a voter; 0: to the one that is furthest.
func (g *Group) Transfer(ctx actor.Context, to wal.ReplicaID) bool {
	g.ctx = ctx
	if !g.Leading() {
		return false
	}
	if to == 0 {
		to = g.furthest()
	}
	if to == 0 || to == g.c.Self {
		return false
	}
	g.Wake()
	g.rn.TransferLeader(to)
	g.kick()
	return true
}

// furthest is the voter beside this one that has most of the log and was heard of lately; 0: none.
func (g *Group) furthest() (to wal.ReplicaID) {
	best := wal.Index(0)
	for _, p := range g.rn.Peers() {
		if p.ID != g.c.Self && p.Active && !p.Learner && (to == 0 || p.Match > best) {
			best, to = p.Match, p.ID
		}
	}
	return to
}

func (g *Group) kick() {
	if !g.queued {
		g.queued = true
		g.ctx.Send(g.ctx.Self(), flushMessage)
	}
}

func (g *Group) step(m *message.RaftMessage) {
	if m.Msg == nil {
		return
	}
	if lastHeartbeat(m.Msg) {
		g.rest.asked = m.Msg
		m = &message.RaftMessage{Group: m.Group, Msg: withoutContext(m.Msg)}
	} else if m.Msg.GetType() != pb.MsgHeartbeatResp { // answers to heartbeats come late and mean nothing
		g.Wake()
	}
	if m.Msg.GetType() == pb.MsgSnap && m.Msg.GetTo() == uint64(g.c.Self) {
		g.hold(m.Msg)
		return
	}
	_ = g.rn.Step(m.Msg) // an error is a message that means nothing to us (unknown peer, forged, stale)
	if m.Msg.GetType() == pb.MsgAppResp {
		g.arrived(m.Msg)
		g.m.Progress()
	}
	g.kick()
}

func (g *Group) peerChanged(m *message.PeerChanged) {
	if !g.concerns(m.Replica) {
		return
	}
	if g.Leading() || g.role.Leader == 0 || m.Replica == g.role.Leader.Registration() {
		g.Wake()
	}
	if g.Leading() {
		for _, p := range g.rn.Peers() {
			if p.ID.Registration() == m.Replica && p.Snapshotting { // what was under way is lost with the link
				g.rn.ReportSnapshot(p.ID, false)
				g.kick()
			}
		}
	}
	if m.Up {
		return
	}
	g.unreachable(m.Replica)
	if m.Replica == g.role.Leader.Registration() && !g.Leading() {
		g.rn.ForgetLeader()
		g.tries = deathTries
		if g.campaignIn = g.rank(m.Replica); g.campaignIn == 0 {
			g.stand()
		}
	}
	g.kick()
}

// stand makes this replica a candidate, and plans the next time.
func (g *Group) stand() {
	g.campaignIn = -1
	if g.role.State != raft.StateCandidate {
		g.rn.Campaign()
	}
	if g.tries--; g.tries > 0 {
		g.campaignIn = retryTicks
	}
}

// unreachable tells raft that nothing gets through to a node for now.
func (g *Group) unreachable(node wal.ReplicaID) {
	for _, p := range g.rn.Peers() {
		if p.ID.Registration() == node {
			g.rn.ReportUnreachable(p.ID)
		}
	}
}

// rank spreads the candidates after a leader's death: the first of the other voters stands at once.
func (g *Group) rank(dead wal.ReplicaID) int {
	r := 0
	for _, v := range g.rn.Conf().GetVoters() {
		if id := wal.ReplicaID(v); id == g.c.Self {
			return r
		} else if id.Registration() != dead {
			r += 2
		}
	}
	return r
}

func (g *Group) flush() {
	g.queued = false
	if n := len(g.proposed); n > 0 {
		err := raft.ErrProposalDropped
		if g.Leading() {
			err = g.rn.Propose(g.proposed)
		}
		clear(g.proposed)
		g.proposed = g.proposed[:0]
		if err != nil {
			g.m.Dropped(n)
		}
	}
	for g.rn.HasReady() {
		g.ready()
	}
	if g.rest.asked != nil {
		g.agree()
	}
}

func (g *Group) ready() {
	rd := g.rn.Ready()
	if rd.RoleSeen {
		g.roleChanged() // before Appended: a new leader's first entries are its own
	}
	if rd.Snapshot != nil {
		meta := rd.Snapshot.GetMetadata()
		pos := wal.Position{Index: wal.Index(meta.GetIndex()), Term: wal.Term(meta.GetTerm())}
		g.applied = pos.Index
		g.m.Restore(rd.Snapshot.Data, pos, meta.GetConfState())
	}
	if len(rd.Entries) > 0 {
		g.m.Appended(rd.Entries, rd.Truncated, g.Leading())
	}
	for i := range rd.Appends {
		g.append(&rd.Appends[i])
	}
	for _, m := range rd.Messages {
		g.send(m)
	}
	if len(rd.Committed) > 0 {
		g.apply(rd.Committed)
	}
	g.rn.Applied(&rd)
	for _, r := range rd.Reads {
		if len(r.RequestCtx) == 8 {
			g.m.ReadReady(binary.LittleEndian.Uint64(r.RequestCtx), wal.Index(r.Index))
		}
	}
}

func (g *Group) apply(entries []wal.Entry) {
	for _, e := range entries {
		if e.Type != wal.EntryNormal {
			g.members.proposed = 0
			g.m.Conf(e.Index, g.rn.ApplyConfChange(e))
		}
	}
	g.applied = entries[len(entries)-1].Index
	if p := g.c.Node.Probe; p != nil {
		p(&actors.Applied{Group: g.c.Group, Incarnation: g.c.Incarnation, Entries: entries})
	}
	g.m.Apply(entries)
}

func (g *Group) append(a *raftnode.Append) {
	p := pendingAppend{responses: a.Responses}
	if n := len(a.Entries); n > 0 {
		p.last = wal.Position{Index: a.Entries[n-1].Index, Term: a.Entries[n-1].Term}
	}
	if !a.Write {
		switch {
		case len(g.writing) == 0:
			g.answer(p)
		case len(a.Responses) > 0: // behind those in flight: ride on the newest
			last := &g.writing[len(g.writing)-1]
			last.responses = append(last.responses[:len(last.responses):len(last.responses)], a.Responses...)
		}
		return
	}
	g.writing = append(g.writing, p)
	g.token++
	g.ctx.Send(g.c.Node.WAL, &message.WriteLog{Owner: g.ctx.Self(), Incarnation: g.c.Incarnation, Token: g.token,
		Write: wal.Write{Group: g.c.Group, Entries: a.Entries, HardState: a.HardState, Reset: a.Reset}})
}

func (g *Group) writeDone(m *message.WriteDone) {
	if m.Incarnation != g.c.Incarnation || m.Token == 0 {
		return // of an earlier life, or a write of the owner's own
	}
	if len(g.writing) == 0 {
		panic(fmt.Sprintf("BUG: %s: a write was answered that nobody waits for", g.c.Name))
	}
	p := g.writing[0]
	g.writing = g.writing[1:]
	g.answer(p)
	g.kick()
}

func (g *Group) answer(p pendingAppend) {
	for _, m := range g.rn.AppendDone(p.responses) {
		g.send(m)
	}
	if p.last.Index > 0 {
		if t, ok := g.rn.TermAt(p.last.Index); ok && t == p.last.Term {
			g.m.Durable(p.last.Index, p.last.Term)
		}
	}
}

func (g *Group) send(m *pb.Message) {
	to := wal.ReplicaID(m.GetTo())
	if m.GetType() == pb.MsgSnap && !names(m.Snapshot.GetMetadata().GetConfState(), m.GetTo()) {
		g.rn.ReportSnapshot(to, false) // made before the receiver was added: it could not take it; a newer one is on its way
		return
	}
	link := g.c.Node.Link(to)
	if link == nil {
		if m.GetType() == pb.MsgSnap {
			g.rn.ReportSnapshot(to, false)
		}
		if m.GetType() == pb.MsgApp {
			g.rn.ReportUnreachable(to)
		}
		return
	}
	if m.GetType() == pb.MsgSnap {
		g.snapshots[to] = onTheWay{index: wal.Index(m.Snapshot.GetMetadata().GetIndex())}
	}
	g.ctx.Send(link, &message.RaftMessage{Group: g.c.Group, Msg: m})
}

// names says whether a configuration has a replica, in whichever role.
func names(c *pb.ConfState, id uint64) bool {
	return slices.Contains(c.GetVoters(), id) || slices.Contains(c.GetLearners(), id) || slices.Contains(c.GetVotersOutgoing(), id) || slices.Contains(c.GetLearnersNext(), id)
}

func (g *Group) roleChanged() {
	now := g.rn.Role()
	if now == g.role {
		return
	}
	was := g.role
	g.role = now
	g.members = membership{}
	clear(g.snapshots)
	if now.Leader != 0 {
		g.campaignIn = -1
	}
	if p := g.c.Node.Probe; p != nil && g.Leading() {
		p(&actors.Elected{Group: g.c.Group, Term: now.Term, Replica: g.c.Self})
	}
	g.tell(was, now)
	g.m.RoleChanged(now)
}

// Note writes the newest commit index, which usually rides along with the next entries: the node stops, and there are none.
func (g *Group) Note(ctx actor.Context) {
	hs := g.rn.HardState()
	ctx.Send(g.c.Node.WAL, &message.WriteLog{Write: wal.Write{Group: g.c.Group, HardState: &hs}})
}

// Context is the actor context of the Receive that is running.
func (g *Group) Context() actor.Context { return g.ctx }

// Use makes the owner's own Receive the running one, for messages that are not the group's.
func (g *Group) Use(ctx actor.Context) { g.ctx = ctx }
