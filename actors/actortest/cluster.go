package actortest

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"chronik/actors"
	"chronik/actors/broker"
	"chronik/actors/cluster"
	"chronik/actors/env"
	"chronik/actors/message"
	"chronik/protocol/config"
	"chronik/wal"
	"chronik/wal/vfs"
)

// Node is one simulated machine: a disk that survives crashes, and at most one life of a broker at a time.
type Node struct {
	ID       int
	Skew     time.Duration // of its wall clock, from its next start on
	Disk     *vfs.Mem
	Settings config.Settings
	// NoSync makes the node's disk skip every fdatasync: a planted bug.
	NoSync bool
	// Boot, when set, starts something else than a broker: some of its actors, for their own tests (package rig).
	Boot func(e *env.Env, rt *actors.Runtime) error
	// Handle is the running broker's; nil while the node is down, or when Boot is set.
	Handle *broker.Handle

	cluster     *Cluster
	world       *World
	net         *Network
	alive       bool
	incarnation uint64
	crashIn     int // disk operations until it crashes; 0: not planned
}

// Cluster is a set of nodes that form one raft-cluster in a world, node 1 with --bootstrap.
type Cluster struct {
	*World
	Net   *Network
	Nodes []*Node
	// Crashes counts them; Lost those in which unsynced writes may have been lost.
	Crashes, Lost int
	committed     map[wal.GroupID]int64 // end of what any replica has applied, as offsets
	// OnEvent is told of the probes of all nodes.
	OnEvent func(node *Node, event any)
	// OnTopic is told when a node has applied the creation of a topic.
	OnTopic func(node *Node, topic string)
}

// NewCluster prepares n nodes, 1 to 5, without starting them. Kafka clients reach node i at KafkaAddr(i).
func NewCluster(seed uint64, n int) *Cluster {
	w := NewWorld(seed)
	c := &Cluster{World: w, Net: newNetwork(w), committed: map[wal.GroupID]int64{}}
	for i := 1; i <= n; i++ {
		s := config.Settings{Mode: config.RaftCluster, KafkaPort: 9092, BindAddr: fmt.Sprintf("node-%d", i), AdvertisedHost: fmt.Sprintf("node-%d", i), AdvertisedPort: 9092,
			NodeID: int32(i), DataDir: "data", Kafka: map[string]string{"offsets.topic.num.partitions": "2", "group.initial.rebalance.delay.ms": "300"}, RaftAddr: fmt.Sprintf("node-%d:5001", i), Bootstrap: i == 1}
		for j := 1; j <= n; j++ {
			if j != i {
				s.Peers = append(s.Peers, config.Peer{ID: int32(j), Addr: fmt.Sprintf("node-%d:5001", j)})
			}
		}
		c.Nodes = append(c.Nodes, &Node{ID: i, Disk: vfs.NewMem(), Settings: s, cluster: c, world: w, net: c.Net})
	}
	return c
}

// KafkaAddr is where clients reach a node.
func KafkaAddr(id int) string { return fmt.Sprintf("node-%d:9092", id) }

// Alive says whether the node runs.
func (n *Node) Alive() bool { return n.alive }

// Start begins a life of the node's broker; nothing happens when it lives already.
func (n *Node) Start() {
	if n.alive {
		return
	}
	n.alive = true
	n.incarnation++
	n.world.telling("node %d  START", n.ID)
	defer n.caught()
	source := func() *rand.Rand { return rand.New(rand.NewPCG(n.world.Rand.Uint64(), uint64(n.ID))) }
	n.Disk.Before = n.beforeDisk
	e := &env.Env{Clock: clock{n, n.Skew}, Rand: source(), NewRand: source, Network: &network{world: n.world, node: n, net: n.net}, FS: n.Disk,
		Log: n.logger(), Fatal: n.fatal}
	if n.Boot != nil {
		if err := n.Boot(e, n.runtime()); err != nil {
			n.world.Fail("node %d does not start: %v", n.ID, err)
		}
		return
	}
	settings := n.Settings
	h, err := broker.Start(broker.Options{Settings: &settings, Env: e, Runtime: n.runtime(), Metrics: metrics.NewSet(), NoSync: n.NoSync,
		WAL: wal.Options{FileSize: 128 << 10, FirstFile: 64 << 10, Files: 4}, FlushBytes: 8 << 10, KeepBytes: 4 << 10, SnapshotEvery: 20, Probe: n.probe})
	if err != nil {
		n.world.Fail("node %d does not start: %v", n.ID, err)
		return
	}
	n.Handle = h
}

// Probe is what the actors of the node report to; Start hands it to a broker, Boot does so itself.
func (n *Node) Probe(event any) { n.probe(event) }

// Life counts the starts and crashes of the node: what belongs to another life must not be listened to.
func (n *Node) Life() uint64 { return n.incarnation }

func (n *Node) probe(event any) {
	if n.cluster.OnEvent != nil {
		n.cluster.OnEvent(n, event)
	}
}

// caught turns the panic of a planned crash in the middle of a disk operation into that crash.
func (n *Node) caught() {
	if r := recover(); r != nil {
		if crash, ok := r.(crashPoint); ok {
			n.crashNow(string(crash))
			return
		}
		panic(r)
	}
}

// beforeDisk counts down to a planned crash.
func (n *Node) beforeDisk(op, name string) error {
	if n.crashIn > 0 {
		if n.crashIn--; n.crashIn == 0 {
			panic(crashPoint("at " + op + " " + name))
		}
	}
	return nil
}

// fatal is Env.Fatal: a node that says FATAL ends, one that says BUG fails the run.
func (n *Node) fatal(text string) {
	n.world.Fail("node %d: %s", n.ID, text)
}

// Crash ends the node's life now: its connections are reset, its disk keeps what was synced and, of the rest, whatever
// chance decides.
func (n *Node) Crash() { n.crashNow("now") }

// CrashKeeping is Crash with a disk that keeps each unsynced sector with probability p.
func (n *Node) CrashKeeping(p float64) { n.crash("now", p) }

// CrashAtDisk ends the node's life in the middle of a disk operation, the k-th from now.
func (n *Node) CrashAtDisk(k int) { n.crashIn = k }

func (n *Node) crashNow(why string) {
	if n.alive {
		n.crash(why, []float64{0, 0.5, 1}[n.world.Rand.IntN(3)])
	}
}

func (n *Node) crash(why string, p float64) {
	if !n.alive {
		return
	}
	n.alive = false
	n.Handle = nil
	n.incarnation++
	n.crashIn = 0
	n.world.telling("node %d  CRASH %s", n.ID, why)
	n.net.closeOf(n, false)
	n.cluster.Crashes++
	if p < 1 {
		n.cluster.Lost++
	}
	n.Disk = n.Disk.Crash(n.world.Rand, p)
}

// View is what the node's connections see; nil while it is down.
func (n *Node) View() *cluster.View {
	if n.Handle == nil {
		return nil
	}
	return n.Handle.Node.View
}

// Transfer asks the node's replica of a group to hand leadership over, should it lead.
func (n *Node) Transfer(g wal.GroupID) {
	if v := n.View(); v != nil {
		if pid := v.Replica(g); pid != nil {
			n.Handle.Node.Runtime.System.Root.Send(pid, &message.TransferLeadership{})
		}
	}
}

// logger tells the story of the node when somebody listens, and of topics that it created.
func (n *Node) logger() *slog.Logger {
	return slog.New(&logHandler{n, slog.NewTextHandler(io.Discard, nil)})
}
