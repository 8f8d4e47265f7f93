package cluster

import (
	"sync"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"chronik/protocol/kafka"
	"chronik/wal"
)

// Leadership is what is known of a group's leader. Version counts changes of InSync within one term.
type Leadership struct {
	Term    wal.Term
	Version uint64
	Leader  kafka.NodeID // NoNode: none known
	InSync  []kafka.NodeID
}

// Epoch is the Kafka leader epoch.
func (l *Leadership) Epoch() kafka.LeaderEpoch { return kafka.LeaderEpoch(l.Term) }

// View is one node's window on the cluster. Reads are lock-free; each field has one writer (see doc.go).
type View struct {
	NodeID      kafka.NodeID
	image       atomic.Pointer[Image]
	leaders     sync.Map // wal.GroupID -> *Leadership
	replicas    sync.Map // wal.GroupID -> *actor.PID
	offline     sync.Map // kafka.NodeID -> struct{}: peers whose link is down
	unfit       sync.Map // kafka.NodeID -> struct{}: nodes that should not lead
	broker      atomic.Pointer[actor.PID]
	metadata    atomic.Pointer[actor.PID]
	Groups      *actor.PID // group coordinator manager
	SegmentIO   *actor.PID // reads cold segments
	ProducerIDs *actor.PID // hands out producer ids
	Standalone  bool
}

// Broker is the node's root actor; nil before it is spawned.
func (v *View) Broker() *actor.PID { return v.broker.Load() }

// SetBroker announces the root actor.
func (v *View) SetBroker(p *actor.PID) { v.broker.Store(p) }

// Metadata is the node's replica of the metadata log; nil while the node belongs to no cluster.
func (v *View) Metadata() *actor.PID { return v.metadata.Load() }

// SetMetadata announces it; only the broker actor calls it.
func (v *View) SetMetadata(p *actor.PID) { v.metadata.Store(p) }

// NewView returns a view with an empty image.
func NewView(id kafka.NodeID) *View {
	v := &View{NodeID: id}
	v.image.Store(&Image{Nodes: map[kafka.NodeID]*Node{}, Topics: map[string]*Topic{}, ByID: map[kafka.TopicID]*Topic{}, ByGroup: map[wal.GroupID]PartitionRef{}, BrokerConfigs: map[string]map[string]string{}})
	return v
}

// Image returns the newest published image; never nil.
func (v *View) Image() *Image { return v.image.Load() }

// Publish replaces the image; only the metadata actor calls it.
func (v *View) Publish(im *Image) { v.image.Store(im) }

var unknown = &Leadership{Leader: kafka.NoNode}

// Leader returns what is known of the group's leader; never nil.
func (v *View) Leader(g wal.GroupID) *Leadership {
	if l, ok := v.leaders.Load(g); ok {
		return l.(*Leadership)
	}
	return unknown
}

// SetLeader replaces the group's leadership when l is newer, and says whether it did; only the broker actor calls it.
func (v *View) SetLeader(g wal.GroupID, l *Leadership) bool {
	old := v.Leader(g)
	if l.Term < old.Term || l.Term == old.Term && l.Version < old.Version {
		return false
	}
	v.leaders.Store(g, l)
	return true
}

// ForgetGroup removes a deleted partition's rows.
func (v *View) ForgetGroup(g wal.GroupID) { v.leaders.Delete(g); v.replicas.Delete(g) }

// Replica returns the PID of this node's replica actor of the group, nil when it has none.
func (v *View) Replica(g wal.GroupID) *actor.PID {
	if p, ok := v.replicas.Load(g); ok {
		return p.(*actor.PID)
	}
	return nil
}

// SetReplica announces a local replica actor, nil removes it; only the broker actor calls it.
func (v *View) SetReplica(g wal.GroupID, p *actor.PID) {
	if p == nil {
		v.replicas.Delete(g)
		return
	}
	v.replicas.Store(g, p)
}

// Online says whether the node's link is up (the local node always is).
func (v *View) Online(n kafka.NodeID) bool {
	_, down := v.offline.Load(n)
	return !down || n == v.NodeID
}

// Fit says whether a node is fit to lead: its disk has room and answers, by its own word.
func (v *View) Fit(n kafka.NodeID) bool {
	_, unfit := v.unfit.Load(n)
	return !unfit
}

// SetFit records what a node says of itself; only the broker actor calls it.
func (v *View) SetFit(n kafka.NodeID, fit bool) { mark(&v.unfit, n, !fit) }

// SetOnline records a link's state; only the broker actor calls it.
func (v *View) SetOnline(n kafka.NodeID, up bool) { mark(&v.offline, n, !up) }

func mark(set *sync.Map, n kafka.NodeID, in bool) {
	if in {
		set.Store(n, struct{}{})
	} else {
		set.Delete(n)
	}
}
