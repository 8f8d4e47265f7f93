package rig

import (
	"path"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors"
	"chronik/actors/actortest"
	"chronik/actors/cluster"
	"chronik/actors/env"
	"chronik/actors/message"
	"chronik/actors/metadata"
	"chronik/actors/replica"
	"chronik/actors/segmentio"
	"chronik/actors/walwriter"
	"chronik/protocol/config"
	"chronik/protocol/kafka"
	"chronik/wal"
)

// DataDir is where a node keeps its files.
const DataDir = "data"

// Tick is one tick of Raft's clock; a link that was silent for silence counts as down.
const (
	Tick    = 100 * time.Millisecond
	silence = time.Second
)

// Options of a rig.
type Options struct {
	Seed  uint64
	Nodes int // 1 to 5; 0 means 1
	// Groups are the partitions, each on all nodes; none means one, Group.
	Groups []wal.GroupID
	// Configs are the partitions' topic configs.
	Configs map[string]string
	// Broker changes the defaults of the broker's configuration.
	Broker func(*config.Broker)
	// FlushBytes and KeepBytes as in replica.Options; 0 means 1 MiB and 64 KiB.
	FlushBytes, KeepBytes int64
	WAL                   wal.Options
	// Metadata starts the metadata replicas too; FileMetadata as in metadata.Options.
	Metadata, FileMetadata bool
	SnapshotEvery          int
	// Silent keeps the end of a node's life from its peers: no closed connection tells them, only silence.
	Silent bool
}

// Group is the group that a rig has when nothing is said.
const Group wal.GroupID = 2

// Rig is a simulated cluster of some actors.
type Rig struct {
	*actortest.Cluster
	Invariants *actortest.Invariants
	Machines   []*Machine
	// Drop, when set, is asked for every message between nodes.
	Drop func(from, to int, m any) bool
	// Delay bounds the time that a message travels.
	MinDelay, MaxDelay time.Duration

	o   Options
	cut map[[2]int]bool
	up  map[[2]*Machine]lives // links that are up, as the first of the two knows
}

// lives are which lives of two nodes a link is between; zero: it is down.
type lives [2]uint64

// Machine is one node.
type Machine struct {
	*actortest.Node
	Replica wal.ReplicaID
	// Actors is what the actors were handed; nil while the node is down.
	Actors *actors.Node
	// Leaders is the newest LeadershipChanged of each group in this life; Full the newest DiskState.
	Leaders map[wal.GroupID]*message.LeadershipChanged
	Full    bool
	// Published counts the metadata images that were told in this life.
	Published int

	rig   *Rig
	asker *asker
	links map[wal.ReplicaID]*actor.PID
	rests map[wal.GroupID]time.Duration // when the rest of those ends that asked for no ticks, by the node's monotonic clock
	pids  []*actor.PID                  // replicas, in the order of Options.Groups
	incs  uint64
}

// ReplicaOf is the registration number of a node: not its id, so that nobody mixes them up.
func ReplicaOf(node int) wal.ReplicaID { return wal.ReplicaID(10 + node) }

// New prepares a rig; StartAll or Machine.Start begins.
func New(o Options) *Rig {
	if o.Nodes == 0 {
		o.Nodes = 1
	}
	if len(o.Groups) == 0 {
		o.Groups = []wal.GroupID{Group}
	}
	if o.FlushBytes == 0 {
		o.FlushBytes = 1 << 20
	}
	if o.KeepBytes == 0 {
		o.KeepBytes = 64 << 10
	}
	if o.WAL.FileSize == 0 {
		o.WAL = wal.Options{FileSize: 256 << 10, FirstFile: 64 << 10, Files: 4, NoSync: o.WAL.NoSync}
	}
	r := &Rig{Cluster: actortest.NewCluster(o.Seed, o.Nodes), o: o, cut: map[[2]int]bool{}, up: map[[2]*Machine]lives{}, MinDelay: 50 * time.Microsecond, MaxDelay: 2 * time.Millisecond}
	r.Invariants = actortest.Watch(r.Cluster)
	for _, n := range r.Cluster.Nodes {
		m := &Machine{Node: n, Replica: ReplicaOf(n.ID), rig: r}
		n.Boot = m.boot
		r.Machines = append(r.Machines, m)
	}
	return r
}

// StartAll starts every node that is down.
func (r *Rig) StartAll() {
	for _, m := range r.Machines {
		m.Start()
	}
}

// Voters are the registration numbers of all nodes.
func (r *Rig) Voters() []wal.ReplicaID {
	var vs []wal.ReplicaID
	for _, m := range r.Machines {
		vs = append(vs, m.Replica)
	}
	return vs
}

// nodes are the rows of the metadata image.
func (r *Rig) nodes() []*cluster.Node {
	var ns []*cluster.Node
	for _, m := range r.Machines {
		n := &cluster.Node{ID: kafka.NodeID(m.ID), Replica: m.Replica, Host: m.Settings.AdvertisedHost, Port: 9092}
		n.Directory[0] = byte(m.ID)
		ns = append(ns, n)
	}
	return ns
}

// boot starts a life of the node's actors.
func (m *Machine) boot(e *env.Env, rt *actors.Runtime) error {
	o := m.rig.o
	log, recovery, err := wal.Open(m.Disk, path.Join(DataDir, "wal"), o.WAL)
	if err != nil {
		return err
	}
	segments, err := wal.OpenSegments(m.Disk, path.Join(DataDir, "segments"))
	if err != nil {
		return err
	}
	cfg := *config.Default()
	if o.Broker != nil {
		o.Broker(&cfg)
	}
	node := &actors.Node{Env: e, Runtime: rt, View: cluster.NewView(kafka.NodeID(m.ID)), DataDir: DataDir, Metrics: metrics.NewSet(), Probe: m.Probe,
		Config: func() *config.Broker { return &cfg }, Self: func() wal.ReplicaID { return m.Replica }, Link: m.link}
	m.Actors, m.Leaders, m.Full, m.Published, m.pids, m.rests = node, map[wal.GroupID]*message.LeadershipChanged{}, false, 0, nil, map[wal.GroupID]time.Duration{}
	m.asker = &asker{answers: map[uint64]any{}, next: m.nextToken()}
	spawn := func(k actors.Kind, p func() actor.Actor) *actor.PID { return rt.System.Root.Spawn(rt.Props(k, p)) }
	m.asker.pid = spawn(actors.KindConnection, func() actor.Actor { return m.asker })
	node.View.SetBroker(spawn(actors.KindBroker, func() actor.Actor { return &stand{m} }))
	node.WAL = spawn(actors.KindWAL, walwriter.New(node, log))
	node.SegmentWriter = spawn(actors.KindSegmentWriter, segmentio.NewWriter(node, segments))
	node.SegmentReader = spawn(actors.KindSegmentReader, segmentio.NewReader(node, wal.NewSegmentReader(m.Disk, path.Join(DataDir, "segments")), 0))
	node.View.SegmentIO = node.SegmentReader
	m.links = map[wal.ReplicaID]*actor.PID{}
	for _, peer := range m.rig.Machines {
		if peer != m {
			m.links[peer.Replica] = spawn(actors.KindPeerLink, func() actor.Actor { return &link{from: m, to: peer} })
		}
	}
	if err := m.bootGroups(spawn, recovery, segments); err != nil {
		return err
	}
	m.tick()
	for _, peer := range m.rig.Machines {
		m.rig.watch(m, peer, time.Millisecond)
	}
	return nil
}

// link is the actor of a link that is up.
func (m *Machine) link(to wal.ReplicaID) *actor.PID {
	for _, peer := range m.rig.Machines {
		if peer.Replica == to.Registration() && m.rig.up[[2]*Machine{m, peer}][0] == m.Life() {
			return m.links[peer.Replica]
		}
	}
	return nil
}

func (m *Machine) nextToken() uint64 { m.incs += 1 << 32; return m.incs }

func (m *Machine) bootGroups(spawn func(actors.Kind, func() actor.Actor) *actor.PID, recovery *wal.Recovery, segments *wal.Segments) error {
	o, node := m.rig.o, m.Actors
	im := *node.View.Image()
	im.Nodes = map[kafka.NodeID]*cluster.Node{}
	for _, n := range m.rig.nodes() {
		im.Nodes[n.ID] = n
	}
	node.View.Publish(&im)
	if o.Metadata {
		snapshot, err := metadata.Load(m.Disk, DataDir)
		if err != nil {
			snapshot = metadata.InitialSnapshot("rig", m.rig.nodes())
			if err := metadata.Store(m.Disk, DataDir, snapshot); err != nil {
				return err
			}
		}
		m.incs++
		p, err := metadata.New(metadata.Options{Node: node, Restored: recovery.Groups[wal.MetaGroup], Snapshot: snapshot, FileMetadata: o.FileMetadata,
			Incarnation: m.incs, SnapshotEvery: o.SnapshotEvery})
		if err != nil {
			return err
		}
		node.View.SetMetadata(spawn(actors.KindMetadata, p))
	}
	for i, g := range o.Groups {
		birth := wal.Birth{Group: g, Name: "t-" + string(rune('0'+i)), Partition: int32(i), Voters: m.rig.Voters()}
		if st := recovery.Groups[g]; st == nil || st.Birth == nil {
			node.Runtime.System.Root.Send(node.WAL, &message.WriteLog{Write: wal.Write{Group: g, Birth: &birth}})
		}
		m.incs++
		p, err := replica.New(replica.Options{Node: node, Birth: birth, Restored: recovery.Groups[g], Segments: segments.Groups()[g], Configs: o.Configs,
			First: i%o.Nodes == m.ID-1, Incarnation: m.incs, FlushBytes: o.FlushBytes, KeepBytes: o.KeepBytes})
		if err != nil {
			return err
		}
		pid := spawn(actors.KindReplica, p)
		m.pids = append(m.pids, pid)
		node.View.SetReplica(g, pid)
	}
	return nil
}

// tick lets time pass for the node's actors, as long as this life lasts.
func (m *Machine) tick() {
	node := m.Actors
	node.Env.Clock.After(Tick, func() {
		t := &message.Tick{Now: node.Env.Clock.Now(), N: 1}
		for _, pid := range []*actor.PID{node.WAL, node.View.Metadata()} {
			m.Send(pid, t)
		}
		for i, pid := range m.pids {
			if g := m.rig.o.Groups[i]; node.Env.Clock.Monotonic() >= m.rests[g] {
				delete(m.rests, g)
				m.Send(pid, t)
			}
		}
		m.tick()
	})
}

// Send hands an actor of the node a message; nil PIDs get none.
func (m *Machine) Send(pid *actor.PID, message any) {
	if pid != nil && m.Alive() {
		m.Actors.Runtime.System.Root.Send(pid, message)
	}
}

// Resting says that the node's replica of a group asked for no ticks.
func (m *Machine) Resting(g wal.GroupID) bool { return m.rests[g] > 0 }

// PID is the node's replica of a group.
func (m *Machine) PID(g wal.GroupID) *actor.PID { return m.Actors.View.Replica(g) }

// Crash ends the node's life; its disk keeps each unsynced sector with probability p.
func (m *Machine) Crash(p float64) {
	if !m.Alive() {
		return
	}
	m.Node.CrashKeeping(p)
	after := time.Millisecond
	if m.rig.o.Silent {
		after = silence
	}
	for _, peer := range m.rig.Machines {
		m.rig.watch(m, peer, after)
	}
}

// watch looks after a while whether the link between two nodes is up, and tells them when that changed.
func (r *Rig) watch(m, peer *Machine, after time.Duration) {
	if m == peer {
		return
	}
	r.After(after, func() {
		up := m.Alive() && peer.Alive() && !r.cut[[2]int{m.ID, peer.ID}] && !r.cut[[2]int{peer.ID, m.ID}]
		r.linkIs(m, peer, up)
		r.linkIs(peer, m, up)
	})
}

// linkIs tells a node's actors when the link to another came up, went down, or is one to another life of it.
func (r *Rig) linkIs(of, to *Machine, up bool) {
	ends := [2]*Machine{of, to}
	was, is := r.up[ends], lives{}
	if was[0] != of.Life() {
		was = lives{}
	}
	if up {
		is = lives{of.Life(), to.Life()}
	}
	if was == is || !of.Alive() {
		return
	}
	r.up[ends] = is
	for _, pid := range append([]*actor.PID{of.Actors.View.Metadata()}, of.pids...) {
		if was != (lives{}) {
			of.Send(pid, &message.PeerChanged{Replica: to.Replica})
		}
		if up {
			of.Send(pid, &message.PeerChanged{Replica: to.Replica, Up: true})
		}
	}
}

// Cut stops messages from one node to another.
func (r *Rig) Cut(from, to int) {
	r.cut[[2]int{from, to}] = true
	r.watch(r.Machines[from-1], r.Machines[to-1], silence)
}

// Isolate stops messages from and to a node.
func (r *Rig) Isolate(node int) {
	for _, m := range r.Machines {
		if m.ID != node {
			r.Cut(node, m.ID)
			r.Cut(m.ID, node)
		}
	}
}

// Heal removes every cut.
func (r *Rig) Heal() {
	clear(r.cut)
	for i, m := range r.Machines {
		for _, peer := range r.Machines[i+1:] {
			r.watch(m, peer, time.Millisecond)
		}
	}
}

// Leader is the node that leads a group and has an entry of its own term committed; nil while there is none. Of two that
// believe so the one with the higher term does.
func (r *Rig) Leader(g wal.GroupID) *Machine {
	var best *Machine
	for _, m := range r.Machines {
		if !m.Alive() || m.Leaders[g] == nil || !m.Leaders[g].Leading {
			continue
		}
		if best == nil || m.Leaders[g].Leadership.Term > best.Leaders[g].Leadership.Term {
			best = m
		}
	}
	return best
}

// WaitLeader runs until a group has a leader; nil when it gets none.
func (r *Rig) WaitLeader(g wal.GroupID) *Machine {
	r.RunUntil(30*time.Second, func() bool { return r.Leader(g) != nil })
	return r.Leader(g)
}
