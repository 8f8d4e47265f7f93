package message

import (
	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors/cluster"
	"chronik/protocol/kafka"
	"chronik/wal"
)

// PeerUp tells the broker that the link to a node is proved. ClusterID is "" and Replica 0 while the peer belongs to no
// cluster. AddrOfUs is how the peer's flags name this node, "" when they do not.
type PeerUp struct {
	Node      kafka.NodeID
	Link      *actor.PID
	Replica   wal.ReplicaID
	ClusterID string
	Directory wal.DirectoryID
	AddrOfUs  string
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
	From kafka.NodeID
	Rows []GossipRow
}

// GossipRow is one group's leadership.
type GossipRow struct {
	Group      wal.GroupID
	Leadership cluster.Leadership
}

// SegmentRequest asks a peer for a part of a file of a group's segments. It is answered by SegmentChunk to the replica of
// that group.
type SegmentRequest struct {
	From   wal.ReplicaID // set by the link
	Group  wal.GroupID
	Base   int64 // of the segment
	Offset int64 // in the file
	Length int
	Token  uint64
}

// SegmentChunk answers SegmentRequest. Why is set when there is nothing to give.
type SegmentChunk struct {
	Group wal.GroupID
	Base  int64
	// Offset of Data in the file; Data is shorter than asked for only at the end of what is committed.
	Offset int64
	Token  uint64
	Why    string
	Data   []byte `json:",omitempty"`
}
