package metadata

import (
	"slices"
	"testing"

	"chronik/actors/cluster"
	"chronik/actors/message"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
	"chronik/wal"
)

// moved asks for new replicas of t-0 (nil: takes the wish back) and returns the partition and the code.
func (l *leader) moved(replicas ...int32) (*cluster.Partition, kerror.Code) {
	l.t.Helper()
	out := l.run(message.CmdReassign, message.Reassign{Topics: []message.ReassignTopic{{Name: "t", Partitions: []message.ReassignPartition{{Index: 0, Replicas: replicas}}}}})
	return l.image.Topics["t"].Partitions[0], out.body.(message.ReassignResults).Partitions[0].Code
}

func (l *leader) reached(voters ...wal.ReplicaID) *cluster.Partition {
	l.t.Helper()
	p := l.image.Topics["t"].Partitions[0]
	l.run(message.CmdReached, message.Reached{Group: p.Group, Voters: voters})
	return l.image.Topics["t"].Partitions[0]
}

// TestReassignment walks a partition from nodes 1 and 2 to 2 and 3 and back: who comes again is somebody else to Raft, who was on the
// way is not forgotten before the group says that it is rid of it.
func TestReassignment(t *testing.T) {
	l := newLeader(t, 4)
	l.create(message.CreateTopic{Name: "t", Partitions: -1, ReplicationFactor: -1, Assignments: map[int32][]int32{0: {1, 2}}})
	if _, code := l.moved(); code != kerror.NoReassignmentInProgress {
		t.Fatalf("taking nothing back: %v", code)
	}
	p, _ := l.moved(2, 3)
	third := wal.NewReplicaID(13, 1)
	if !slices.Equal(p.TargetVoters, []wal.ReplicaID{12, third}) || !slices.Equal(p.BirthVoters(), []wal.ReplicaID{11, 12}) || !slices.Equal(p.All(), []kafka.NodeID{2, 3, 1}) {
		t.Fatalf("%+v", p)
	}
	if q := l.reached(11, 12); q != p {
		t.Fatalf("reached without being there: %+v", q)
	}
	p, _ = l.moved() // taken back: node 3 may vote by now
	if p.ReplicaOf(13) != third || p.Reassigning() || p.Target == nil {
		t.Fatalf("%+v", p)
	}
	p, _ = l.moved(2, 3) // again: it is still there, and the same
	if p.TargetVoters[1] != third {
		t.Fatalf("%+v", p)
	}
	p = l.reached(third, 12)
	if p.Target != nil || !slices.Equal(p.Voters, []wal.ReplicaID{12, third}) || p.ReplicaOf(11) != 0 {
		t.Fatalf("%+v", p)
	}
	p, _ = l.moved(1, 2) // node 1 has let its data go: it comes as somebody else
	if p.TargetVoters[0].Registration() != 11 || p.TargetVoters[0] == 11 || !slices.Equal(p.BirthVoters(), []wal.ReplicaID{11, 12}) {
		t.Fatalf("%+v", p)
	}
}

// TestRegistration: a node with a new directory is somebody else everywhere; its old one is retired, and a running one is not
// pushed out.
func TestRegistration(t *testing.T) {
	l := newLeader(t, 3)
	l.create(message.CreateTopic{Name: "t", Partitions: -1, ReplicationFactor: -1, Assignments: map[int32][]int32{0: {3, 1, 2}}})
	old := *l.image.Nodes[3]
	wiped := old
	wiped.Directory[0] = 99
	l.online = true
	if out := l.run(message.CmdRegister, &wiped); out.code != kerror.DuplicateBrokerRegistration {
		t.Fatalf("%+v", out)
	}
	l.online = false
	if out := l.run(message.CmdRegister, &wiped); out.code != kerror.None {
		t.Fatalf("%+v", out)
	}
	now := l.image.Nodes[3]
	p := l.image.Topics["t"].Partitions[0]
	if now.Replica != 14 || p.ReplicaOf(13) != 13 || p.TargetVoters[0].Registration() != 14 || p.Reassigning() || p.Target == nil {
		t.Fatalf("%+v %+v", now, p)
	}
	if out := l.run(message.CmdRegister, &wiped); out.code != kerror.None || len(out.records) > 0 {
		t.Fatalf("again: %+v", out)
	}
	if out := l.run(message.CmdRegister, &old); out.code != kerror.InvalidRegistration {
		t.Fatalf("the old directory: %+v", out)
	}
	fifth := cluster.Node{ID: 5, PeerAddr: "five:5001"}
	fifth.Directory[0] = 5
	if l.run(message.CmdRegister, &fifth); l.image.Nodes[5] == nil || l.image.Nodes[5].Replica != 15 {
		t.Fatalf("%+v", l.image.Nodes[5])
	}
	for node, want := range map[kafka.NodeID]kerror.Code{7: kerror.BrokerIDNotRegistered, 1: kerror.InvalidRequest, 5: kerror.None} {
		if out := l.run(message.CmdUnregister, message.Unregister{Node: node}); out.code != want {
			t.Errorf("node %d leaves: %v %q", node, out.code, out.text)
		}
	}
	if l.image.Nodes[5] != nil || !slices.Contains(l.image.Retired, fifth.Directory) {
		t.Error("node 5 is still there")
	}
	again, err := decodeSnapshot(bytesOf(l.image))
	if err != nil || string(bytesOf(again.image())) != string(bytesOf(replayAll(t, again.image()))) {
		t.Errorf("a snapshot of it does not survive: %v", err)
	}
}

// replayAll is an image through its own snapshot.
func replayAll(t *testing.T, im *cluster.Image) *cluster.Image {
	t.Helper()
	s, err := decodeSnapshot(bytesOf(im))
	if err != nil {
		t.Fatal(err)
	}
	return s.image()
}

// TestVoters: who votes in the metadata log can be said; nonsense is refused, and the last voter stays.
func TestVoters(t *testing.T) {
	l := newLeader(t, 4)
	l.image.MetaVoters = []wal.ReplicaID{11, 12, 13}
	vote := func(node kafka.NodeID, votes bool, directory ...byte) kerror.Code {
		t.Helper()
		c := message.SetVoter{Node: node, Votes: votes}
		if n := l.image.Nodes[node]; n != nil {
			c.Directory = n.Directory
		}
		copy(c.Directory[:], directory)
		return l.run(message.CmdSetVoter, c).code
	}
	for _, step := range []struct {
		what string
		got  kerror.Code
		want kerror.Code
	}{
		{"a stranger votes", vote(9, true), kerror.InvalidRequest},
		{"another directory votes", vote(4, true, 99, 99), kerror.InvalidVoterKey},
		{"a voter votes", vote(1, true), kerror.DuplicateVoter},
		{"a listener is removed", vote(4, false), kerror.VoterNotFound},
		{"a stranger is removed", vote(9, false), kerror.VoterNotFound},
		{"another directory is removed", vote(1, false, 99, 99), kerror.VoterNotFound},
		{"a listener votes", vote(4, true), kerror.None},
		{"and once more", vote(4, true), kerror.DuplicateVoter},
		{"three are removed", vote(1, false) + vote(2, false) + vote(4, false), kerror.None},
		{"the last is removed", vote(3, false), kerror.VoterNotFound},
		{"one comes back", vote(1, true), kerror.None},
	} {
		if step.got != step.want {
			t.Errorf("%s: %v, want %v", step.what, step.got, step.want)
		}
	}
	if l.image.Nodes[1].Vote != cluster.VoteAlways || l.image.Nodes[2].Vote != cluster.VoteNever || l.image.Nodes[3].Vote != cluster.VoteAsNeeded {
		t.Errorf("%+v", l.image.Nodes)
	}
	row := *l.image.Nodes[2]
	row.Vote, row.Host = cluster.VoteAsNeeded, "elsewhere" // as a node describes itself when it starts
	if l.run(message.CmdUpdateNode, row); l.image.Nodes[2].Vote != cluster.VoteNever || l.image.Nodes[2].Host != "elsewhere" {
		t.Errorf("%+v", l.image.Nodes[2])
	}
}
