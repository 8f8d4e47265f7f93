package metadata

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	pb "go.etcd.io/raft/v3/raftpb"

	"chronik/actors"
	"chronik/actors/cluster"
	"chronik/actors/message"
	"chronik/actors/raftgroup"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
	"chronik/raftnode"
	"chronik/wal"
)

// Options of the metadata replica.
type Options struct {
	Node     *actors.Node
	Restored *wal.GroupState // nil when the log is empty
	Snapshot []byte          // the newest snapshot; InitialSnapshot's bytes for a new cluster
	// Register is what this node wants to be known as; proposed when the image says otherwise.
	Register *cluster.Node
	// FileMetadata keeps the image in a readable file, written at every change (--file-metadata).
	FileMetadata bool
	Incarnation  uint64
	// SnapshotEvery is the number of entries between snapshots; 0 means 4096.
	SnapshotEvery int
}

// pending is a command that was decided and waits for its entry, or an answer that waits for an index.
type pending struct {
	to    message.ReplyTo
	from  wal.ReplicaID // not 0: the asker is on another node
	id    uint64
	index wal.Index
	body  json.RawMessage
	// records of a proposal, to compute the tip anew when a later one is dropped.
	records []record
}

// forwarded is a command of this node's that another node decides.
type forwarded struct {
	m        *message.MetaCommand
	deadline time.Time
	sent     wal.ReplicaID
}

// Metadata is the actor.
type Metadata struct {
	o         Options
	g         *raftgroup.Group
	now       time.Time
	image     *cluster.Image
	tip       *cluster.Image // image plus what is proposed; nil: equal to image
	confirmed bool
	proposed  []*pending // in the order of their entries
	parked    []*pending // decided elsewhere, waiting for this node to apply their index
	waiting   []*forwarded
	forwards  map[uint64]*forwarded
	nextID    uint64
	conf      *pb.ConfState
	pos       wal.Position
	snapped   wal.Position
	asked     time.Time // when this node last asked to be registered
}

// New returns the producer of the metadata actor. The image of the snapshot is published at once.
func New(o Options) (func() actor.Actor, error) {
	s, err := decodeSnapshot(o.Snapshot)
	if err != nil {
		return nil, err
	}
	if o.SnapshotEvery == 0 {
		o.SnapshotEvery = 4096
	}
	m := &Metadata{o: o, image: s.image(), forwards: map[uint64]*forwarded{}}
	m.pos = wal.Position{Index: s.Index, Term: s.Term}
	m.snapped = m.pos
	m.conf = s.conf()
	start := raftnode.Start{Base: m.pos, Conf: m.conf, Applied: m.pos.Index}
	if w := o.Restored; w != nil {
		start.HardState = w.HardState
		for _, e := range w.Entries {
			// What is older than the snapshot was replaced by it, even if the log had no time to say so.
			if e.Index > m.pos.Index && e.Term >= m.pos.Term {
				start.Entries = append(start.Entries, e)
			}
		}
	}
	m.g, err = raftgroup.New(raftgroup.Config{Node: o.Node, Group: wal.MetaGroup, Name: "__meta-0", Self: o.Node.Self(), Start: start, Restored: o.Restored, Incarnation: o.Incarnation}, m)
	if err != nil {
		return nil, err
	}
	o.Node.View.Publish(m.image)
	return func() actor.Actor { return m }, nil
}

// Receive is the table of contents.
func (m *Metadata) Receive(ctx actor.Context) {
	m.g.Use(ctx)
	if m.g.Receive(ctx) {
		return
	}
	switch x := ctx.Message().(type) {
	case *actor.Started:
		m.now = m.o.Node.Env.Clock.Now()
		m.checkReadable()
		m.g.Begin(ctx)
	case *message.MetaCommand:
		m.command(ctx, x)
	case *message.ForwardMeta:
		m.forwardedHere(ctx, x)
	case *message.ForwardMetaReply:
		m.forwardAnswered(ctx, x)
	case *message.Tick:
		m.tick(ctx, x)
	case *message.TakeSnapshot:
		x.Send(ctx, &message.TakeSnapshotReply{Answered: message.Answered{Token: x.Token}, Snapshot: makeSnapshot(m.image, m.pos, m.conf).encode()})
	case *message.ReleaseLog:
		m.snapshot()
	case *message.TransferLeadership:
		m.g.Transfer(ctx, x.To)
		x.Send(ctx, &message.TransferLeadershipReply{Answered: message.Answered{Token: x.Token}})
	}
}

// ready says whether this replica may decide.
func (m *Metadata) ready() bool { return m.g.Leading() && m.confirmed }

func (m *Metadata) command(ctx actor.Context, c *message.MetaCommand) {
	if m.ready() {
		m.decide(ctx, c.Kind, c.Body, c.ValidateOnly, &pending{to: c.ReplyTo})
		return
	}
	f := &forwarded{m: c, deadline: c.Deadline}
	if f.deadline.IsZero() {
		f.deadline = m.o.Node.Env.Clock.Now().Add(30 * time.Second)
	}
	m.waiting = append(m.waiting, f)
	m.forward(ctx)
}

// forward sends what waits to the leader, when there is one.
func (m *Metadata) forward(ctx actor.Context) {
	if m.ready() {
		waiting := m.waiting
		m.waiting = nil
		for _, f := range waiting {
			m.decide(ctx, f.m.Kind, f.m.Body, f.m.ValidateOnly, &pending{to: f.m.ReplyTo})
		}
		return
	}
	leader := m.g.Role().Leader
	if leader == 0 || leader == m.o.Node.Self() {
		return
	}
	link := m.o.Node.Link(leader)
	if link == nil {
		return
	}
	for _, f := range m.waiting {
		m.nextID++
		f.sent = leader
		m.forwards[m.nextID] = f
		ctx.Send(link, &message.ForwardMeta{From: m.o.Node.Self(), ID: m.nextID, Kind: f.m.Kind, Body: f.m.Body, ValidateOnly: f.m.ValidateOnly})
	}
	m.waiting = nil
}

// takeBack takes commands back from a node that does not lead any more: no answer may ever come. The next leader gets them,
// as Apache Kafka's brokers do; it may find that they were done already.
func (m *Metadata) takeBack(leader wal.ReplicaID) {
	for _, id := range slices.Sorted(maps.Keys(m.forwards)) {
		if f := m.forwards[id]; f.sent != leader {
			delete(m.forwards, id)
			m.waiting = append(m.waiting, f)
		}
	}
}

func (m *Metadata) forwardedHere(ctx actor.Context, f *message.ForwardMeta) {
	p := &pending{from: f.From, id: f.ID}
	if !m.ready() {
		m.answer(ctx, p, kerror.NotController, "this node does not lead the metadata log", nil)
		return
	}
	m.decide(ctx, f.Kind, f.Body, f.ValidateOnly, p)
}

func (m *Metadata) forwardAnswered(ctx actor.Context, r *message.ForwardMetaReply) {
	f := m.forwards[r.ID]
	if f == nil {
		return
	}
	delete(m.forwards, r.ID)
	if r.Reason == kerror.NotController { // the leader changed meanwhile; nothing was proposed
		m.waiting = append(m.waiting, f)
		return
	}
	p := &pending{to: f.m.ReplyTo, index: r.Index, body: r.Body}
	if r.Reason != kerror.None || r.Index <= m.pos.Index {
		m.answer(ctx, p, r.Reason, r.Message, r.Body)
		return
	}
	m.parked = append(m.parked, p)
}

// decide runs a command against the tip and proposes its records.
func (m *Metadata) decide(ctx actor.Context, kind message.CommandKind, body json.RawMessage, validateOnly bool, p *pending) {
	if kind == message.CmdDescribeQuorum {
		encoded, err := json.Marshal(m.quorum())
		if err != nil {
			panic("BUG: the state of the quorum does not encode: " + err.Error())
		}
		m.answer(ctx, p, kerror.None, "", encoded)
		return
	}
	base := m.tip
	if base == nil {
		base = m.image
	}
	d := &decider{im: draft(base), newID: m.randomID, online: m.o.Node.View.Online, broker: m.o.Node.Config()}
	out := d.decide(kind, body)
	if out.code != kerror.None {
		m.answer(ctx, p, out.code, out.text, nil)
		return
	}
	encoded, err := json.Marshal(out.body)
	if err != nil {
		panic("BUG: the answer to a metadata command does not encode: " + err.Error())
	}
	p.body = encoded
	if len(out.records) == 0 || validateOnly {
		p.index = m.pos.Index
		m.answer(ctx, p, kerror.None, "", encoded)
		return
	}
	m.tip = d.im
	p.records = out.records
	m.proposed = append(m.proposed, p)
	e := entry{Records: out.records}
	m.g.Propose(ctx, e.encode())
}

func (m *Metadata) randomID() kafka.TopicID {
	for {
		var id kafka.TopicID
		for i := 0; i < len(id); i += 8 {
			v := m.o.Node.Env.Rand.Uint64()
			for k := range 8 {
				id[i+k] = byte(v >> (8 * k))
			}
		}
		id[6] = id[6]&0x0f | 0x40 // a version 4 UUID, as Kafka's
		id[8] = id[8]&0x3f | 0x80
		if !id.IsZero() && m.image.ByID[id] == nil && id.String()[0] != '-' {
			return id
		}
	}
}

func (m *Metadata) answer(ctx actor.Context, p *pending, code kerror.Code, text string, body json.RawMessage) {
	if p.from == 0 {
		p.to.Send(ctx, &message.MetaCommandReply{Answered: message.Answered{Token: p.to.Token}, Reason: code, Message: text, Body: body})
		return
	}
	if link := m.o.Node.Link(p.from); link != nil {
		ctx.Send(link, &message.ForwardMetaReply{ID: p.id, Reason: code, Message: text, Body: body, Index: p.index})
	}
}

func (m *Metadata) tick(ctx actor.Context, t *message.Tick) {
	m.now = t.Now
	m.g.Tick(ctx, t.N)
	m.forward(ctx)
	m.expire(ctx)
	m.register(ctx)
	m.driveMembers(ctx)
}

// expire answers commands that found no leader, or whose answer never came, with a retriable error.
func (m *Metadata) expire(ctx actor.Context) {
	late := func(f *forwarded) bool { return m.now.After(f.deadline) }
	keep := m.waiting[:0]
	for _, f := range m.waiting {
		if late(f) {
			m.answer(ctx, &pending{to: f.m.ReplyTo}, kerror.RequestTimedOut, "No leader elected yet", nil)
		} else {
			keep = append(keep, f)
		}
	}
	m.waiting = keep
	for _, id := range slices.Sorted(maps.Keys(m.forwards)) {
		if f := m.forwards[id]; late(f) {
			delete(m.forwards, id)
			m.answer(ctx, &pending{to: f.m.ReplyTo}, kerror.RequestTimedOut, "the leader of the metadata log did not answer in time", nil)
		}
	}
}

// register proposes this node's own row when the image says something else.
func (m *Metadata) register(ctx actor.Context) {
	want := m.o.Register
	if want == nil || m.g.Role().Leader == 0 || m.now.Sub(m.asked) < time.Second {
		return
	}
	have := m.image.Nodes[want.ID]
	if have == nil || *have == *want {
		return
	}
	m.asked = m.now
	body, err := json.Marshal(want)
	if err != nil {
		panic("BUG: a node's row does not encode: " + err.Error())
	}
	m.command(ctx, &message.MetaCommand{Kind: message.CmdUpdateNode, Body: body, Deadline: m.now.Add(5 * time.Second)})
}

// quorum is what a leader knows of the log's replicas.
func (m *Metadata) quorum() message.QuorumState {
	out := message.QuorumState{Leader: m.o.Node.View.NodeID, Epoch: kafka.LeaderEpoch(m.g.Role().Term), HighWatermark: int64(m.pos.Index) + 1}
	now := kafka.Timestamp(m.now.UnixMilli())
	for _, p := range m.g.Node().Peers() {
		v := message.VoterState{Replica: p.ID, LogEnd: int64(p.Match) + 1, LastFetch: kafka.NoTimestamp, LastCaughtUp: kafka.NoTimestamp, Learner: p.Learner}
		if p.Active {
			v.LastFetch = now
			if p.Match >= m.pos.Index {
				v.LastCaughtUp = now
			}
		}
		out.Voters = append(out.Voters, v)
	}
	return out
}
