package actors

import (
	"sync/atomic"

	"github.com/VictoriaMetrics/metrics"
	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors/cluster"
	"chronik/actors/env"
	"chronik/protocol/config"
	"chronik/wal"
)

// Kind is a class of actors; it decides dispatcher, mailbox and supervision.
type Kind int

// The kinds. Pool kinds never block in Receive; blocking kinds have a goroutine of their own.
const (
	KindBroker Kind = iota // pool; a panic is a bug: process stops
	KindReplica
	KindMetadata
	KindGroup
	KindConnection // pool; a panic closes that connection
	KindPeerLink
	KindWAL           // blocking: writes and syncs; any error ends the process
	KindSegmentWriter // blocking
	KindSegmentReader // blocking; several
)

// Runtime makes Props for a kind: production (NewRuntime) or simulation (actortest). Actors spawn children only with it.
type Runtime struct {
	System *actor.ActorSystem
	Props  func(k Kind, produce func() actor.Actor) *actor.Props
}

// Node is what every actor of a broker is handed at birth.
type Node struct {
	Env     *env.Env
	Runtime *Runtime
	View    *cluster.View
	// Config returns the node's current effective broker configuration; an immutable value behind an atomic pointer.
	Config func() *config.Broker
	// DataDir is the data directory's path inside Env.FS.
	DataDir string
	// Self is this directory's registration number; 0 until the node is registered.
	Self func() wal.ReplicaID
	// WAL, SegmentWriter and SegmentReader are the node's disk actors.
	WAL, SegmentWriter, SegmentReader *actor.PID
	// Link returns the actor of the link to a peer, nil when there is none.
	Link func(wal.ReplicaID) *actor.PID
	// Metrics is this node's own set, so that two nodes can live in one process.
	Metrics *metrics.Set
	// Replicas is the number of partition replicas on this node, among which bounds on memory are shared; only the broker
	// actor changes it.
	Replicas atomic.Int64
	// Rounds counts the beginnings and ends of the log's commits: odd while one is under way. The WAL writer cannot answer
	// while its disk does not, so others look here.
	Rounds atomic.Uint64
	// Probe, when set, is told of what tests check: Elected, Applied. Nil in production.
	Probe func(event any)
}

// The events of Probe.
type (
	// Elected says that a replica leads a group in a term.
	Elected struct {
		Group   wal.GroupID
		Term    wal.Term
		Replica wal.ReplicaID
	}
	// Applied says that a replica applies committed entries.
	Applied struct {
		Group       wal.GroupID
		Incarnation uint64 // of the replica, within its node's life
		Entries     []wal.Entry
	}
)
