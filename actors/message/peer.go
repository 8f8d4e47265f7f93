package message

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors/cluster"
	"chronik/protocol/kafka"
	"chronik/wal"
)

// PeerUp tells the broker that the link to a node is proved. ClusterID is "" and Replica 0 while the peer belongs to no
// cluster. AddrOfUs is how the peer's flags name this node, "" when they do not. Row is how the peer wants to be registered.
type PeerUp struct {
	Node      kafka.NodeID
	Link      *actor.PID
	Replica   wal.ReplicaID
	ClusterID string
	Directory wal.DirectoryID
	AddrOfUs  string
	Row       cluster.Node
}

// PeerDown tells the broker that a link that was up is dead.
type PeerDown struct {
	Node    kafka.NodeID
	Replica wal.ReplicaID
}

// PeerRefused tells the broker that a node refused us, or (ByUs) that we refused it.
type PeerRefused struct {
	Node kafka.NodeID
	Why  string
	ByUs bool
}

// Refuse makes a link tell its peer why it is not wanted, and close.
type Refuse struct{ Why string }

// Adopt gives a blank node the cluster that it is a voter of.
type Adopt struct {
	From     kafka.NodeID
	Snapshot []byte // of the metadata
}

// Gossip carries leaderships between brokers.
type Gossip struct {
	From  kafka.NodeID
	Unfit bool // the sender should not lead: its disk is full or does not answer
	Rows  []GossipRow
}

// GossipRow is one group's leadership.
type GossipRow struct {
	Group      wal.GroupID
	Leadership cluster.Leadership
}

// MoveLeadership asks, over a link, the leader of a group to hand over to a voter.
type MoveLeadership struct {
	Group wal.GroupID
	To    wal.ReplicaID
}

// SegmentRequest asks the leader of a group for entries that are only in its segments. It is answered by SegmentChunk to
// the asking replica.
type SegmentRequest struct {
	From     wal.ReplicaID // set by the link
	Group    wal.GroupID
	Index    wal.Index // first entry
	UpTo     wal.Index // last entry
	MaxBytes int
	Token    uint64
}

// SegmentChunk answers SegmentRequest. Why is set when there is nothing to give; Copied.Entries is empty when the leader's
// segments begin later. Rest is how long the peer waits before it asks for more: the operator throttles the leader.
type SegmentChunk struct {
	Group  wal.GroupID
	Token  uint64
	Why    string
	Rest   time.Duration
	Copied wal.Copied
}

// ReadEntries has the segment reader answer a SegmentRequest to a link.
type ReadEntries struct {
	Request   *SegmentRequest
	To        *actor.PID
	Throttled bool // the operator's throttle holds for it
}
