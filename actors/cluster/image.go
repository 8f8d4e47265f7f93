package cluster

import (
	"chronik/protocol/kafka"
	"chronik/wal"
)

// Image is the cluster's metadata as of one applied index of the metadata log.
type Image struct {
	Index     wal.Index
	ClusterID string
	Nodes     map[kafka.NodeID]*Node
	Topics    map[string]*Topic
	ByID      map[kafka.TopicID]*Topic
	ByGroup   map[wal.GroupID]PartitionRef
	// BrokerConfigs holds dynamic broker configs: key "" is the cluster-wide default, else the node id in decimal.
	BrokerConfigs map[string]map[string]string
	NextGroup     wal.GroupID      // next group id to hand out
	NextReplica   wal.ReplicaID    // next registration number
	NextProducer  kafka.ProducerID // next producer id block starts here
	MetaVoters    []wal.ReplicaID
}

// PartitionRef finds a partition by its group.
type PartitionRef struct {
	Topic     *Topic
	Partition *Partition
}

// Node is one registered broker.
type Node struct {
	ID        kafka.NodeID
	Replica   wal.ReplicaID // registration number of its directory, never reused
	Directory wal.DirectoryID
	Host      string // what clients connect to; may be "" in standalone: answer with the connection's own local address
	Port      int32
	Rack      string
	PeerAddr  string // where peers connect to
}

// Topic is one topic.
type Topic struct {
	Name       string
	ID         kafka.TopicID
	Internal   bool
	Partitions []*Partition // by index, dense
	Configs    map[string]string
}

// Partition is one partition's birth certificate and assignment.
type Partition struct {
	Index    kafka.PartitionIndex
	Group    wal.GroupID
	Replicas []kafka.NodeID  // preferred leader first
	Voters   []wal.ReplicaID // registration numbers of Replicas, same order
}

// NodeByReplica finds a node by registration number, nil when unknown.
func (im *Image) NodeByReplica(r wal.ReplicaID) *Node {
	for _, n := range im.Nodes {
		if n.Replica == r {
			return n
		}
	}
	return nil
}
