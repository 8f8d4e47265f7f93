package raftgroup_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/cryptotest"

	"github.com/asynkron/protoactor-go/actor"
	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"chronik/actors"
	"chronik/actors/actortest"
	"chronik/actors/cluster"
	"chronik/actors/env"
	"chronik/actors/message"
	"chronik/actors/raftgroup"
	"chronik/raftnode"
	"chronik/wal"
)

const group wal.GroupID = 7

// site is one node: an owner of a group, and a log and links that do nothing until the test says so.
type site struct {
	world *world
	node  *actors.Node
	id    wal.ReplicaID
	pid   *actor.PID
	owner *owner
	log   []*message.WriteLog                      // handed over, not done
	all   []*message.WriteLog                      // ever
	sent  map[wal.ReplicaID][]*message.RaftMessage // not delivered
	alone map[wal.ReplicaID]bool                   // there is no link
	links map[wal.ReplicaID]*actor.PID
	start func(*raftgroup.Config)
	inc   uint64
}

// world is a group of sites.
type world struct {
	*actortest.Cluster
	t     *testing.T
	sites []*site
}

type catcher func(any)

func (c catcher) Receive(ctx actor.Context) { c(ctx.Message()) }

func newWorld(t *testing.T, n int, change func(*site, *raftgroup.Config)) *world {
	cryptotest.SetGlobalRandom(t, 1)
	w := &world{Cluster: actortest.NewCluster(1, n), t: t}
	t.Cleanup(func() {
		if w.Violation != nil && !t.Failed() {
			t.Error(w.Violation)
		}
	})
	conf := &pb.ConfState{}
	for i := 1; i <= n; i++ {
		conf.Voters = append(conf.Voters, uint64(i))
	}
	for i, node := range w.Nodes {
		s := &site{world: w, id: wal.ReplicaID(i + 1), sent: map[wal.ReplicaID][]*message.RaftMessage{}, alone: map[wal.ReplicaID]bool{}, links: map[wal.ReplicaID]*actor.PID{}, inc: 5}
		w.sites = append(w.sites, s)
		node.Boot = func(e *env.Env, rt *actors.Runtime) error {
			s.node = &actors.Node{Env: e, Runtime: rt, View: cluster.NewView(1), Self: func() wal.ReplicaID { return s.id }, Link: func(to wal.ReplicaID) *actor.PID {
				if s.alone[to] {
					return nil
				}
				return s.links[to]
			}, Probe: node.Probe}
			spawn := func(a actor.Actor) *actor.PID {
				return rt.System.Root.Spawn(rt.Props(actors.KindReplica, func() actor.Actor { return a }))
			}
			s.node.WAL = spawn(catcher(func(m any) {
				if x, ok := m.(*message.WriteLog); ok {
					s.log, s.all = append(s.log, x), append(s.all, x)
				}
			}))
			for to := 1; to <= n; to++ {
				s.links[wal.ReplicaID(to)] = spawn(catcher(func(m any) {
					if x, ok := m.(*message.RaftMessage); ok {
						s.sent[wal.ReplicaID(to)] = append(s.sent[wal.ReplicaID(to)], x)
					}
				}))
			}
			c := raftgroup.Config{Node: s.node, Group: group, Name: "t-0", Self: s.id, Start: raftnode.Start{Conf: conf}, Incarnation: s.inc}
			if change != nil {
				change(s, &c)
			}
			s.owner = &owner{site: s}
			g, err := raftgroup.New(c, s.owner)
			if err != nil {
				return err
			}
			s.owner.g = g
			s.pid = spawn(s.owner)
			return nil
		}
		node.Start()
	}
	w.settle()
	return w
}

// settle runs what is runnable; no time passes.
func (w *world) settle() {
	w.RunFor(0)
	if w.Violation != nil {
		w.t.Fatal(w.Violation)
	}
}

func (s *site) send(m any) {
	s.node.Runtime.System.Root.Send(s.pid, m)
	s.world.settle()
}

// done answers the n oldest writes.
func (s *site) done(n int) {
	for range min(n, len(s.log)) {
		m := s.log[0]
		s.log = s.log[1:]
		if m.Owner != nil {
			s.node.Runtime.System.Root.Send(m.Owner, &message.WriteDone{Incarnation: m.Incarnation, Token: m.Token})
		}
		s.world.settle()
	}
}

// deliver hands what was sent to a peer over to it.
func (s *site) deliver(to wal.ReplicaID) {
	ms := s.sent[to]
	s.sent[to] = nil
	for _, m := range ms {
		s.world.sites[to-1].send(&message.RaftMessage{Group: m.Group, Msg: proto.Clone(m.Msg).(*pb.Message)})
	}
}

// types of what is on its way to a peer.
func (s *site) types(to wal.ReplicaID) (out []string) {
	for _, m := range s.sent[to] {
		out = append(out, m.Msg.GetType().String())
	}
	return out
}

// stabilize lets everybody work until nothing is left.
func (w *world) stabilize() {
	for range 1000 {
		busy := false
		for _, s := range w.sites {
			busy = busy || len(s.log) > 0
			s.done(len(s.log))
			for to := range w.sites {
				id := wal.ReplicaID(to + 1)
				busy = busy || len(s.sent[id]) > 0
				s.deliver(id)
			}
		}
		if !busy {
			return
		}
	}
	w.t.Fatal("the group does not come to rest")
}

func (w *world) tick(n int) {
	for range n {
		for _, s := range w.sites {
			s.send(&message.Tick{N: 1})
		}
	}
}

// lead makes the first site the leader.
func (w *world) lead() *site {
	w.t.Helper()
	for range 40 {
		w.stabilize()
		if w.sites[0].owner.g.Leading() {
			w.sites[0].owner.events = nil
			return w.sites[0]
		}
		w.sites[0].send(&message.Tick{N: 1})
	}
	w.t.Fatal("no leader")
	return nil
}

// owner is an actor that owns a group and notes what it is told.
type owner struct {
	site    *site
	g       *raftgroup.Group
	events  []string
	prepare func(ok bool) // of the snapshot that is being prepared
	snap    bool
	calm    bool
}

type propose struct{ data string }
type readIndex struct{}
type transfer struct{ to wal.ReplicaID }

func (o *owner) Receive(ctx actor.Context) {
	o.g.Use(ctx)
	if o.g.Receive(ctx) {
		return
	}
	switch m := ctx.Message().(type) {
	case *actor.Started:
		o.g.Begin(ctx)
	case *message.Tick:
		o.g.Tick(ctx, m.N)
	case *propose:
		o.g.Propose(ctx, []byte(m.data))
	case *readIndex:
		o.note("asked %d", o.g.ReadIndex(ctx))
	case *transfer:
		o.note("transfer %v", o.g.Transfer(ctx, m.to))
	}
}

func (o *owner) note(format string, args ...any) {
	o.events = append(o.events, fmt.Sprintf(format, args...))
}

func text(es []wal.Entry) (out []string) {
	for _, e := range es {
		out = append(out, fmt.Sprintf("%d/%d:%s", e.Term, e.Index, e.Data))
	}
	return out
}

func (o *owner) Appended(es []wal.Entry, truncated wal.Index, leading bool) {
	o.note("appended %v truncated %d leading %v", text(es), truncated, leading)
}
func (o *owner) Durable(i wal.Index, t wal.Term)   { o.note("durable %d/%d", t, i) }
func (o *owner) Apply(es []wal.Entry)              { o.note("apply %v", text(es)) }
func (o *owner) Conf(i wal.Index, c *pb.ConfState) { o.note("conf at %d: %v", i, c.GetVoters()) }
func (o *owner) RoleChanged(r raftnode.Role) {
	o.note("role %v of term %d, leader %d", r.State, r.Term, r.Leader)
}
func (o *owner) Progress()                            {}
func (o *owner) Calm() bool                           { return o.calm }
func (o *owner) Woken()                               { o.note("woken") }
func (o *owner) Dropped(n int)                        { o.note("dropped %d", n) }
func (o *owner) ReadReady(token uint64, at wal.Index) { o.note("read %d at %d", token, at) }
func (o *owner) Snapshot() ([]byte, wal.Position, *pb.ConfState, bool) {
	t, _ := o.g.Node().TermAt(o.g.Applied())
	return []byte("state"), wal.Position{Index: o.g.Applied(), Term: t}, o.g.Node().Conf(), o.snap
}
func (o *owner) Prepare(from wal.ReplicaID, data []byte, pos wal.Position, done func(bool)) {
	o.note("prepare %q of %d at %d/%d", data, from, pos.Term, pos.Index)
	o.prepare = done
}
func (o *owner) Restore(data []byte, pos wal.Position, _ *pb.ConfState) {
	o.note("restore %q at %d/%d", data, pos.Term, pos.Index)
}

func (o *owner) saw(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(o.events, want) {
		t.Errorf("replica %d saw\n%q, wanted\n%q", o.site.id, o.events, want)
	}
	o.events = nil
}

func (s *site) state() raft.StateType { return s.owner.g.Role().State }
