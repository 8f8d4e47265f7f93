package metadata

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"

	pb "go.etcd.io/raft/v3/raftpb"

	"chronik/actors/cluster"
	"chronik/protocol/kafka"
	"chronik/wal"
)

const snapshotVersion = 1

// snapshot is the image as of one index, with the configuration of `__meta` there.
type snapshot struct {
	FormatVersion int
	Index         wal.Index
	Term          wal.Term
	Voters        []uint64
	Learners      []uint64 `json:",omitempty"`
	// Of a configuration in transition, as Raft has it.
	VotersOutgoing []uint64 `json:",omitempty"`
	LearnersNext   []uint64 `json:",omitempty"`
	AutoLeave      bool     `json:",omitempty"`
	ClusterID      string
	Nodes          []*cluster.Node
	Topics         []*cluster.Topic
	BrokerConfigs  map[string]map[string]string `json:",omitempty"`
	Retired        []wal.DirectoryID            `json:",omitempty"`
	NextGroup      wal.GroupID
	NextReplica    wal.ReplicaID
	NextProducer   kafka.ProducerID
}

// conf is the configuration of `__meta` at the snapshot.
func (s *snapshot) conf() *pb.ConfState {
	c := &pb.ConfState{Voters: s.Voters, Learners: s.Learners, VotersOutgoing: s.VotersOutgoing, LearnersNext: s.LearnersNext}
	if s.AutoLeave {
		c.AutoLeave = &s.AutoLeave
	}
	return c
}

func makeSnapshot(im *cluster.Image, pos wal.Position, conf *pb.ConfState) *snapshot {
	s := &snapshot{FormatVersion: snapshotVersion, Index: pos.Index, Term: pos.Term, ClusterID: im.ClusterID,
		Voters: conf.GetVoters(), Learners: conf.GetLearners(), VotersOutgoing: conf.GetVotersOutgoing(), LearnersNext: conf.GetLearnersNext(), AutoLeave: conf.GetAutoLeave(),
		BrokerConfigs: im.BrokerConfigs, Retired: im.Retired, NextGroup: im.NextGroup, NextReplica: im.NextReplica, NextProducer: im.NextProducer}
	for _, n := range im.Nodes {
		s.Nodes = append(s.Nodes, n)
	}
	sort.Slice(s.Nodes, func(i, j int) bool { return s.Nodes[i].ID < s.Nodes[j].ID })
	for _, t := range im.Topics {
		s.Topics = append(s.Topics, t)
	}
	sort.Slice(s.Topics, func(i, j int) bool { return s.Topics[i].Name < s.Topics[j].Name })
	return s
}

func (s *snapshot) encode() []byte {
	b, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		panic("BUG: a metadata snapshot does not encode: " + err.Error())
	}
	return append(b, '\n')
}

func decodeSnapshot(b []byte) (*snapshot, error) {
	s := &snapshot{}
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("metadata snapshot: %w", err)
	}
	if s.FormatVersion != snapshotVersion {
		return nil, fmt.Errorf("metadata snapshot: %w %d", wal.ErrUnknownVersion, s.FormatVersion)
	}
	for _, n := range s.Nodes {
		if n == nil {
			return nil, errors.New("metadata snapshot: a node without a row")
		}
	}
	for _, t := range s.Topics {
		if t == nil || len(t.Partitions) == 0 || slices.Contains(t.Partitions, nil) {
			return nil, errors.New("metadata snapshot: a topic without partitions")
		}
	}
	return s, nil
}

func (s *snapshot) image() *cluster.Image {
	im := emptyImage()
	im.Index, im.ClusterID = s.Index, s.ClusterID
	for _, n := range s.Nodes {
		im.Nodes[n.ID] = n
	}
	for _, t := range s.Topics {
		putTopic(im, t)
	}
	for k, v := range s.BrokerConfigs {
		im.BrokerConfigs[k] = v
	}
	im.NextGroup, im.NextReplica, im.NextProducer = s.NextGroup, s.NextReplica, s.NextProducer
	im.MetaVoters, im.Retired = votersOf(s.conf()), s.Retired
	return im
}

// votersOf lists who votes on metadata, in transition also those that are about to leave.
func votersOf(c *pb.ConfState) (out []wal.ReplicaID) {
	for _, v := range slices.Concat(c.GetVoters(), c.GetVotersOutgoing()) {
		if !slices.Contains(out, wal.ReplicaID(v)) {
			out = append(out, wal.ReplicaID(v))
		}
	}
	slices.Sort(out)
	return out
}

// birthPosition is where a new cluster's log of metadata begins: the first snapshot stands for entry 1 of term 1.
var birthPosition = wal.Position{Index: 1, Term: 1}

// InitialSnapshot is the first state of a new cluster: its id, its first nodes, all of them voters of `__meta`. Every
// first voter stores the same bytes before it runs Raft.
func InitialSnapshot(clusterID string, nodes []*cluster.Node) []byte {
	im := emptyImage()
	im.ClusterID = clusterID
	var voters []uint64
	for _, n := range nodes {
		im.Nodes[n.ID] = n
		im.NextReplica = max(im.NextReplica, n.Replica+1)
		voters = append(voters, uint64(n.Replica))
	}
	sort.Slice(voters, func(i, j int) bool { return voters[i] < voters[j] })
	return makeSnapshot(im, birthPosition, &pb.ConfState{Voters: voters}).encode()
}

// Summary is who forms a cluster, and where its metadata log continues.
type Summary struct {
	ClusterID string
	Nodes     []*cluster.Node
	Voters    []wal.ReplicaID
	Position  wal.Position
}

// Peek reads a snapshot's summary.
func Peek(b []byte) (*Summary, error) {
	s, err := decodeSnapshot(b)
	if err != nil {
		return nil, err
	}
	return &Summary{s.ClusterID, s.Nodes, s.image().MetaVoters, wal.Position{Index: s.Index, Term: s.Term}}, nil
}
