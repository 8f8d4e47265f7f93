package cluster

import (
	"slices"

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
	// Retired are directories whose nodes were registered anew with others, or left, oldest first; they stay out for good.
	Retired []wal.DirectoryID
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
	Vote      Vote   `json:",omitempty"`
}

// Vote is what was asked for about a node's vote in the metadata log (KIP-853).
type Vote int8

// The votes. By default a node votes while the log needs one more voter.
const (
	VoteAsNeeded Vote = 0
	VoteAlways   Vote = 1
	VoteNever    Vote = -1
)

// Topic is one topic.
type Topic struct {
	Name       string
	ID         kafka.TopicID
	Internal   bool
	Partitions []*Partition // by index, dense
	Configs    map[string]string
}

// Partition is one partition's birth certificate and assignment. Its group's own configuration is the truth about who votes;
// this is where it is meant to go, and what its leader last said that it reached.
type Partition struct {
	Index    kafka.PartitionIndex
	Group    wal.GroupID
	Replicas []kafka.NodeID  // preferred leader first
	Voters   []wal.ReplicaID // Raft ids of Replicas, same order
	// Birth is what the group's log begins with; nil: Voters. Generation counts the reassignments.
	Birth      []wal.ReplicaID `json:",omitempty"`
	Generation uint32          `json:",omitempty"`
	// Target is where a reassignment under way leads, nil when there is none; TargetVoters are the Raft ids, same order.
	Target       []kafka.NodeID  `json:",omitempty"`
	TargetVoters []wal.ReplicaID `json:",omitempty"`
	// Former are replicas that were on their way to an earlier target: they may vote until the present one is reached.
	Former []wal.ReplicaID `json:",omitempty"`
}

// BirthVoters is the configuration that the group's log begins with.
func (p *Partition) BirthVoters() []wal.ReplicaID {
	if p.Birth != nil {
		return p.Birth
	}
	return p.Voters
}

// ReplicaOf is the Raft id of a directory's replica, now, on its way or not dismissed yet; 0: it has none.
func (p *Partition) ReplicaOf(registration wal.ReplicaID) wal.ReplicaID {
	for _, list := range [...][]wal.ReplicaID{p.TargetVoters, p.Voters, p.Former} {
		for _, v := range list {
			if v.Registration() == registration {
				return v
			}
		}
	}
	return 0
}

// All lists the nodes with a replica, on their way ones included: as Apache Kafka, the target first.
func (p *Partition) All() []kafka.NodeID {
	if p.Target == nil {
		return p.Replicas
	}
	return append(slices.Clone(p.Target), p.Removing()...)
}

// Adding and Removing are what a reassignment under way changes.
func (p *Partition) Adding() []kafka.NodeID { return without(p.Target, p.Replicas) }

// Removing lists the nodes that a reassignment under way takes away.
func (p *Partition) Removing() []kafka.NodeID {
	if p.Target == nil {
		return nil
	}
	return without(p.Replicas, p.Target)
}

// Reassigning says that a reassignment is under way that changes something.
func (p *Partition) Reassigning() bool { return len(p.Adding()) > 0 || len(p.Removing()) > 0 }

func without(list, other []kafka.NodeID) (out []kafka.NodeID) {
	for _, n := range list {
		if !slices.Contains(other, n) {
			out = append(out, n)
		}
	}
	return out
}

// NodeByReplica finds the node of a replica, nil when unknown.
func (im *Image) NodeByReplica(r wal.ReplicaID) *Node {
	for _, n := range im.Nodes {
		if n.Replica == r.Registration() {
			return n
		}
	}
	return nil
}
