package message

import (
	"chronik/actors/cluster"
	"chronik/protocol/kafka"
	"chronik/wal"
)

// LeadershipChanged is sent to the broker actor by a local replica when its view of leader, term or in-sync set
// changes. Only the leader's own message (Leader = this node) carries InSync; the broker gossips it to all peers.
type LeadershipChanged struct {
	Group      wal.GroupID
	Name       string
	Leadership cluster.Leadership
	// Leading is true only when this node leads and the first entry of its own term is committed: coordinators may load.
	Leading bool
}

// SendPeer asks the broker's peer links to carry something to another node; over budget or without a link it is
// dropped and, for raft payload, LinkDropped is told to the sender's group.
type SendPeer struct {
	To   wal.ReplicaID
	Raft *RaftMessage
}

// LinkDropped tells a replica that messages to a peer were dropped (raft ReportUnreachable).
type LinkDropped struct {
	Group wal.GroupID
	Peer  wal.ReplicaID
}

// EnsureTopic asks the broker for automatic creation of a topic; it is answered by the metadata image changing, never
// directly. Asked at most once at a time per name.
type EnsureTopic struct {
	Name     string
	Internal bool
}

// Shutdown asks the broker actor to hand over leadership, flush and stop; answered when done.
type Shutdown struct{ ReplyTo }

// ShutdownReply answers Shutdown.
type ShutdownReply struct{ Answered }

// NodeReady asks whether the node can serve, for /readyz.
type NodeReady struct{ ReplyTo }

// NodeReadyReply answers NodeReady.
type NodeReadyReply struct {
	Answered
	Ready bool
	Why   string
	Node  kafka.NodeID
}
