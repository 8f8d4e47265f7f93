package broker

import (
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors"
	"chronik/actors/cluster"
	"chronik/actors/connection"
	"chronik/actors/env"
	"chronik/actors/group"
	"chronik/actors/message"
	"chronik/actors/metadata"
	"chronik/actors/producerid"
	"chronik/actors/segmentio"
	"chronik/actors/walwriter"
	"chronik/protocol/config"
	"chronik/protocol/kafka"
	"chronik/wal"
)

// tickEvery is the node's heartbeat: one Raft tick.
const tickEvery = 100 * time.Millisecond

// child is a replica actor of this node.
type child struct {
	pid     *actor.PID
	self    wal.ReplicaID
	target  []wal.ReplicaID
	topic   kafka.TopicID
	name    string
	configs map[string]string
	until   uint64 // the tick that ends its rest; 0: it is ticked
}

// Broker is the actor.
type Broker struct {
	o        Options
	st       *opened
	node     *actors.Node
	log      *slog.Logger
	self     atomic.Uint64 // registration number
	config   atomic.Pointer[config.Broker]
	linkPIDs sync.Map // wal.ReplicaID -> *actor.PID: what Node.Link reads

	kafkaListener, raftListener env.Listener
	connections                 *connection.Shared
	ctx                         actor.Context
	replicas                    map[wal.GroupID]*child
	leaving                     map[wal.GroupID]bool             // replicas that were told to stop and to let their data go
	order                       []wal.GroupID                    // of replicas, sorted: what is sent to all of them goes in this order
	awake                       awake                            // of replicas
	moving                      moving                           // leaderships on their way to other nodes
	seen                        map[kafka.TopicID]*cluster.Topic // topics as of the last reconciliation
	again                       map[kafka.TopicID]bool           // of these some replica waits for the image to be up to date
	metaLast                    wal.Index                        // where the metadata log ended when this node started
	creating                    map[string]bool
	peers                       peers
	admissions                  map[uint64]*peer                   // questions to the metadata replica on the way of blank nodes into the cluster, by token
	leading                     map[wal.GroupID]cluster.Leadership // what this node's replicas lead, for gossip
	incarnation                 uint64
	formed                      bool
	ticks                       uint64
	disk                        message.DiskState
	waiting                     []message.ReplyTo // of Shutdown
	stopping                    bool
	brokerConfigs               map[string]map[string]string
	token                       uint64
	asked                       map[uint64]string // creations under way: token → topic
	shutdownPhase               int
	shutdownTicks               int
	replicasToStop              int
}

type ticked struct{}

type accepted struct{ socket env.Socket }

// listen opens the Kafka port before anything else, so that a port in use is a refusal and not a crash.
func (b *Broker) listen() error {
	s := b.o.Settings
	addr := net.JoinHostPort(s.BindAddr, strconv.Itoa(s.KafkaPort))
	var err error
	root := b.node.Runtime.System.Root
	b.kafkaListener, err = b.node.Env.Network.Listen(addr, func(c env.Socket) {
		if pid := b.node.View.Broker(); pid != nil {
			root.Send(pid, &accepted{c})
		} else {
			c.Close()
		}
	})
	if err != nil {
		return &ListenError{"--kafka-port", addr, err}
	}
	return b.listenPeers()
}

func (b *Broker) spawn() *Handle {
	v := b.node.View
	v.SetBroker(b.node.Runtime.System.Root.Spawn(b.node.Runtime.Props(actors.KindBroker, func() actor.Actor { return b })))
	h := &Handle{Node: b.node, Broker: v.Broker(), KafkaAddr: b.kafkaListener.Addr(), Directory: b.st.dir.Format.Directory, NodeID: v.NodeID}
	if b.raftListener != nil {
		h.RaftAddr = b.raftListener.Addr()
	}
	return h
}

// Receive is the table of contents.
func (b *Broker) Receive(ctx actor.Context) {
	b.ctx = ctx
	switch m := ctx.Message().(type) {
	case *actor.Started:
		b.started(ctx)
	case *ticked:
		b.tick(ctx)
	case *accepted:
		b.accept(ctx, m.socket)
	case *message.ImagePublished:
		b.published(ctx, m)
	case *message.LeadershipChanged:
		b.leadershipChanged(ctx, m)
	case *message.EnsureTopic:
		b.ensureTopic(ctx, m)
	case *message.MetaCommandReply:
		if !b.admissionAnswered(ctx, m) {
			b.created(m)
		}
	case *message.TakeSnapshotReply:
		b.snapshotTaken(ctx, m)
	case *message.DiskState:
		b.diskChanged(ctx, m)
	case *message.ReplicaGone:
		b.replicaGone(ctx, m)
	case *message.ReplicaRests:
		b.replicaRests(m)
	case *message.ReplicaWakes:
		b.replicaWakes(m.Group)
	case *message.NodeReady:
		b.readiness(ctx, m)
	case *message.Shutdown:
		b.shutdown(ctx, m)
	case *message.ShutdownReply:
		b.shutdownAnswered(ctx)
	default:
		b.peerMessage(ctx)
	}
}

func (b *Broker) started(ctx actor.Context) {
	n, p := b.node, b.node.Runtime.Props
	n.View.SetBroker(ctx.Self())
	n.WAL = ctx.Spawn(p(actors.KindWAL, walwriter.New(n, b.st.log)))
	n.SegmentWriter = ctx.Spawn(p(actors.KindSegmentWriter, segmentio.NewWriter(n, b.st.segments)))
	n.SegmentReader = ctx.Spawn(p(actors.KindSegmentReader, segmentio.NewReader(n, wal.NewSegmentReader(n.Env.FS, b.o.Settings.DataDir+"/segments"), 2)))
	n.View.SegmentIO = n.SegmentReader
	n.View.Groups = ctx.Spawn(p(actors.KindGroup, group.NewManager(n)))
	n.View.ProducerIDs = ctx.Spawn(p(actors.KindGroup, producerid.New(n)))
	b.connections = connection.NewShared(n, n.View.ProducerIDs)
	b.startPeers(ctx)
	if b.st.snapshot != nil {
		b.startMetadata(ctx)
	}
	b.gauges()
	n.Env.Clock.After(tickEvery, b.sendTick)
}

func (b *Broker) sendTick() { b.node.Runtime.System.Root.Send(b.node.View.Broker(), &ticked{}) }

// startMetadata runs `__meta` from what the directory has: a cluster was formed or joined.
func (b *Broker) startMetadata(ctx actor.Context) {
	known, err := metadata.Peek(b.st.snapshot)
	if err != nil {
		b.node.Env.Fatal("FATAL: " + err.Error())
		return
	}
	f := b.st.dir.Format
	b.self.Store(uint64(f.Replica))
	restored := b.st.recovery.Groups[wal.MetaGroup]
	b.metaLast = known.Position.Index
	if restored != nil {
		b.metaLast = max(b.metaLast, restored.Last().Index)
	}
	if restored == nil || restored.Birth == nil {
		// The log continues behind the snapshot.
		ctx.Send(b.node.WAL, &message.WriteLog{Write: wal.Write{Group: wal.MetaGroup, Reset: &known.Position, Birth: &wal.Birth{Group: wal.MetaGroup, Name: "__meta-0", Voters: known.Voters}}})
	}
	produce, err := metadata.New(metadata.Options{Node: b.node, Restored: restored, Snapshot: b.st.snapshot, Register: b.registration(),
		FileMetadata: b.o.Settings.FileMetadata, SnapshotEvery: b.o.SnapshotEvery, Incarnation: b.nextIncarnation()})
	if err != nil {
		b.node.Env.Fatal("FATAL: starting the metadata log: " + err.Error())
		return
	}
	b.formed = true
	b.node.View.SetMetadata(ctx.Spawn(b.node.Runtime.Props(actors.KindMetadata, produce)))
	b.log.Info("cluster "+known.ClusterID, "node", f.NodeID, "directory", f.Directory.String())
	b.meetNodes(ctx)
	b.reconcile(ctx)
}

func (b *Broker) nextIncarnation() uint64 {
	b.incarnation++
	return b.incarnation
}

// registration is how this node wants to be known.
func (b *Broker) registration() *cluster.Node {
	s, f := b.o.Settings, b.st.dir.Format
	n := &cluster.Node{ID: kafka.NodeID(f.NodeID), Replica: f.Replica, Directory: f.Directory, Host: s.AdvertisedHost, Port: int32(s.AdvertisedPort), Rack: s.Rack, PeerAddr: b.peerAddr()}
	if n.Host != "" && n.Port == 0 {
		n.Port = int32(s.KafkaPort)
	}
	return n
}

// tick passes time on. Once a second the WAL writer looks after its room.
func (b *Broker) tick(ctx actor.Context) {
	b.ticks++
	t := &message.Tick{Now: b.node.Env.Clock.Now(), N: 1}
	if b.node.View.Metadata() != nil {
		ctx.Send(b.node.View.Metadata(), t)
	}
	b.tickReplicas(ctx, t)
	if b.ticks%10 == 0 {
		ctx.Send(b.node.WAL, t)
	}
	b.tickPeers(ctx, t)
	b.tickLeaders(ctx)
	b.tickShutdown(ctx)
	b.node.Env.Clock.After(tickEvery, b.sendTick)
}

func (b *Broker) accept(ctx actor.Context, s env.Socket) {
	if b.stopping {
		s.Close()
		return
	}
	ctx.Spawn(b.node.Runtime.Props(actors.KindConnection, connection.New(b.node, s, b.connections)))
}

func (b *Broker) diskChanged(ctx actor.Context, m *message.DiskState) {
	if m.Full {
		b.log.Error("the disk is full: produce and commits are refused until there is room", "why", m.Why)
	} else {
		b.log.Info("there is room on the disk again")
	}
	b.disk = *m
	for _, g := range b.order {
		ctx.Send(b.replicas[g].pid, m)
	}
}

// readiness answers /readyz.
func (b *Broker) readiness(ctx actor.Context, m *message.NodeReady) {
	out := &message.NodeReadyReply{Answered: message.Answered{Token: m.Token}, Node: b.node.View.NodeID}
	switch {
	case b.stopping:
		out.Why = "shutting down"
	case !b.formed:
		out.Why = b.whyNotFormed()
	case b.node.View.Leader(wal.MetaGroup).Leader == kafka.NoNode:
		out.Why = "No leader elected yet: " + b.waitsFor()
	case b.disk.Full:
		out.Why = "the disk is full: " + b.disk.Why
	case b.moving.stalled():
		out.Why = "the disk does not answer"
	default:
		out.Ready = true
	}
	m.Send(ctx, out)
}

// gauges declares what a node shows of itself.
func (b *Broker) gauges() {
	v := b.node.View
	count := func(f func(l *cluster.Leadership, replicas int) bool) func() float64 {
		return func() float64 {
			n := 0
			for g, ref := range v.Image().ByGroup {
				if f(v.Leader(g), len(ref.Partition.Replicas)) {
					n++
				}
			}
			return float64(n)
		}
	}
	b.node.Metrics.NewGauge("chronik_partitions_leaderless", count(func(l *cluster.Leadership, _ int) bool { return l.Leader == kafka.NoNode }))
	b.node.Metrics.NewGauge("chronik_partitions_offline", count(func(l *cluster.Leadership, _ int) bool { return l.Leader == kafka.NoNode || !v.Online(l.Leader) }))
	b.node.Metrics.NewGauge("chronik_partitions_under_replicated", count(func(l *cluster.Leadership, n int) bool {
		return l.Leader == v.NodeID && len(l.InSync) < n
	}))
	b.node.Metrics.NewGauge("chronik_replicas_awake", func() float64 { return float64(b.awake.count.Load()) })
	b.node.Metrics.NewGauge("chronik_partitions_led", count(func(l *cluster.Leadership, _ int) bool { return l.Leader == v.NodeID }))
}
