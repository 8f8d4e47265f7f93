package metadata

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"

	"chronik/actors/cluster"
	"chronik/actors/message"
	"chronik/protocol/config"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
	"chronik/wal"
)

// leader decides commands as the leader's actor does, and applies their records at once.
type leader struct {
	t      *testing.T
	image  *cluster.Image
	ids    byte
	log    [][]byte // entries
	online bool     // all nodes
}

func newLeader(t *testing.T, nodes int, racks ...string) *leader {
	var ns []*cluster.Node
	for i := 1; i <= nodes; i++ {
		n := &cluster.Node{ID: kafka.NodeID(i), Replica: wal.ReplicaID(10 + i), Host: fmt.Sprint("host-", i), Port: 9092}
		n.Directory[0] = byte(i)
		if i <= len(racks) {
			n.Rack = racks[i-1]
		}
		ns = append(ns, n)
	}
	s, err := decodeSnapshot(InitialSnapshot("c", ns))
	if err != nil {
		t.Fatal(err)
	}
	return &leader{t: t, image: s.image()}
}

func (l *leader) run(kind message.CommandKind, body any) decision {
	l.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		l.t.Fatal(err)
	}
	d := &decider{im: draft(l.image), online: func(kafka.NodeID) bool { return l.online }, broker: config.Default(), newID: func() kafka.TopicID { l.ids++; return kafka.TopicID{l.ids} }}
	out := d.decide(kind, b)
	if len(out.records) > 0 {
		e := entry{Records: out.records}
		l.log = append(l.log, e.encode())
		l.image = replay(l.t, l.image, l.log[len(l.log)-1])
	}
	return out
}

// replay applies an entry as every node does.
func replay(t *testing.T, im *cluster.Image, b []byte) *cluster.Image {
	t.Helper()
	e, err := decodeEntry(b)
	if err != nil {
		t.Fatal(err)
	}
	next := draft(im)
	next.Index++
	for i := range e.Records {
		apply(next, &e.Records[i])
	}
	return next
}

func (l *leader) create(ts ...message.CreateTopic) []message.TopicResult {
	l.t.Helper()
	return l.run(message.CmdCreateTopics, message.CreateTopics{Topics: ts}).body.(message.TopicResults).Topics
}

func (l *leader) grow(g message.GrowTopic) message.TopicResult {
	l.t.Helper()
	return l.run(message.CmdCreatePartitions, message.CreatePartitions{Topics: []message.GrowTopic{g}}).body.(message.TopicResults).Topics[0]
}

func bytesOf(im *cluster.Image) []byte {
	return makeSnapshot(im, wal.Position{Index: im.Index, Term: 1}, &pb.ConfState{Voters: []uint64{11}}).encode()
}

func ptr[T any](v T) *T { return &v }

func TestCreateTopicRefusals(t *testing.T) {
	l := newLeader(t, 3)
	l.create(message.CreateTopic{Name: "a.b", Partitions: 1, ReplicationFactor: 1})
	assign := func(a map[int32][]int32) message.CreateTopic {
		return message.CreateTopic{Name: "x", Partitions: -1, ReplicationFactor: -1, Assignments: a}
	}
	for name, c := range map[string]struct {
		topic message.CreateTopic
		code  kerror.Code
		text  string
	}{
		"empty name":          {message.CreateTopic{Partitions: 1, ReplicationFactor: 1}, kerror.InvalidTopicException, "Topic name is invalid: the empty string is not allowed"},
		"dot":                 {message.CreateTopic{Name: ".", Partitions: 1, ReplicationFactor: 1}, kerror.InvalidTopicException, "'.' is not allowed"},
		"bad letter":          {message.CreateTopic{Name: "a/b", Partitions: 1, ReplicationFactor: 1}, kerror.InvalidTopicException, "other than ASCII alphanumerics"},
		"umlaut":              {message.CreateTopic{Name: "ü", Partitions: 1, ReplicationFactor: 1}, kerror.InvalidTopicException, "other than ASCII alphanumerics"},
		"long name":           {message.CreateTopic{Name: strings.Repeat("x", 250), Partitions: 1, ReplicationFactor: 1}, kerror.InvalidTopicException, "longer than the max allowed length 249"},
		"there already":       {message.CreateTopic{Name: "a.b", Partitions: 1, ReplicationFactor: 1}, kerror.TopicAlreadyExists, "Topic 'a.b' already exists."},
		"collides":            {message.CreateTopic{Name: "a_b", Partitions: 1, ReplicationFactor: 1}, kerror.InvalidTopicException, "Topic 'a_b' collides with existing topic: a.b"},
		"no partitions":       {message.CreateTopic{Name: "x", Partitions: 0, ReplicationFactor: 1}, kerror.InvalidPartitions, "Number of partitions was set to an invalid non-positive value."},
		"too many":            {message.CreateTopic{Name: "x", Partitions: 10_001, ReplicationFactor: 1}, kerror.InvalidPartitions, "10001"},
		"no replicas":         {message.CreateTopic{Name: "x", Partitions: 1, ReplicationFactor: 0}, kerror.InvalidReplicationFactor, "Replication factor must be larger than 0"},
		"too many replicas":   {message.CreateTopic{Name: "x", Partitions: 1, ReplicationFactor: 4}, kerror.InvalidReplicationFactor, "only 3 broker(s) are registered"},
		"unknown config":      {message.CreateTopic{Name: "x", Partitions: 1, ReplicationFactor: 1, Configs: map[string]string{"no.such": "1"}}, kerror.InvalidConfig, "no.such"},
		"bad config":          {message.CreateTopic{Name: "x", Partitions: 1, ReplicationFactor: 1, Configs: map[string]string{"retention.ms": "soon"}}, kerror.InvalidConfig, "retention.ms"},
		"unavailable config":  {message.CreateTopic{Name: "x", Partitions: 1, ReplicationFactor: 1, Configs: map[string]string{"cleanup.policy": "compact"}}, kerror.InvalidConfig, "cleanup.policy"},
		"assignment gap":      {assign(map[int32][]int32{0: {1}, 2: {1}}), kerror.InvalidReplicaAssignment, "consecutive 0-based integer sequence"},
		"assignment from 1":   {assign(map[int32][]int32{1: {1}}), kerror.InvalidReplicaAssignment, "consecutive 0-based integer sequence"},
		"assignment empty":    {assign(map[int32][]int32{0: {}}), kerror.InvalidReplicaAssignment, "empty replica list"},
		"assignment twice":    {assign(map[int32][]int32{0: {1, 1}}), kerror.InvalidReplicaAssignment, "broker 1 more than once"},
		"assignment nobody":   {assign(map[int32][]int32{0: {9}}), kerror.InvalidReplicaAssignment, "broker 9, but no such broker is registered"},
		"assignment differs":  {assign(map[int32][]int32{0: {1, 2}, 1: {1}}), kerror.InvalidReplicaAssignment, "1 replica(s), but this is not consistent with previous partitions, which have 2"},
		"assignment negative": {assign(map[int32][]int32{0: {-1}}), kerror.InvalidReplicaAssignment, "no such broker"},
	} {
		t.Run(name, func(t *testing.T) {
			before := bytesOf(l.image)
			l.t = t
			r := l.create(c.topic)[0]
			if r.Code != c.code || !strings.Contains(r.Message, c.text) || r.ID != [16]byte{} {
				t.Errorf("%v %q", r.Code, r.Message)
			}
			if !bytes.Equal(before, bytesOf(l.image)) {
				t.Error("a refused command changed something")
			}
		})
	}
}

// TestOneCommandManyTopics: each succeeds or fails by itself, and sees those before it.
func TestOneCommandManyTopics(t *testing.T) {
	l := newLeader(t, 3)
	one := func(name string) message.CreateTopic {
		return message.CreateTopic{Name: name, Partitions: -1, ReplicationFactor: -1}
	}
	rs := l.create(one("a"), one("a"), one("b.c"), one("b_c"), one(""), one("d"))
	for i, want := range []kerror.Code{0, kerror.TopicAlreadyExists, 0, kerror.InvalidTopicException, kerror.InvalidTopicException, 0} {
		if rs[i].Code != want {
			t.Errorf("topic %d: %v", i, rs[i].Code)
		}
	}
	if rs[0].Partitions != 1 || rs[0].ReplicationFactor != 3 || len(l.log) != 1 || len(l.image.Topics) != 3 {
		t.Errorf("%+v, %d entries", rs[0], len(l.log))
	}
}

func TestDefaultReplicationFactor(t *testing.T) {
	for nodes, want := range map[int]int16{1: 1, 2: 2, 3: 3, 5: 3} {
		if r := newLeader(t, nodes).create(message.CreateTopic{Name: "t", Partitions: -1, ReplicationFactor: -1})[0]; r.ReplicationFactor != want {
			t.Errorf("%d nodes: %d", nodes, r.ReplicationFactor)
		}
	}
}

// TestPlacement: leaders and replicas come out even, over one topic and over many.
func TestPlacement(t *testing.T) {
	for name, topics := range map[string][]int32{"one topic": {30}, "thirty topics": slices30(1), "mixed": {7, 1, 1, 11, 10}} {
		t.Run(name, func(t *testing.T) {
			for _, rf := range []int16{1, 2, 3} {
				l := newLeader(t, 3)
				for i, n := range topics {
					l.create(message.CreateTopic{Name: fmt.Sprint("t", i), Partitions: n, ReplicationFactor: rf})
				}
				leaders, replicas := map[kafka.NodeID]int{}, map[kafka.NodeID]int{}
				for _, tp := range l.image.Topics {
					for _, p := range tp.Partitions {
						leaders[p.Replicas[0]]++
						seen := map[kafka.NodeID]bool{}
						for i, r := range p.Replicas {
							replicas[r]++
							if seen[r] || l.image.Nodes[r].Replica != p.Voters[i] {
								t.Fatalf("%+v", p)
							}
							seen[r] = true
						}
					}
				}
				for n := kafka.NodeID(1); n <= 3; n++ {
					if leaders[n] < 8 || leaders[n] > 12 || replicas[n] < 8*int(rf) || replicas[n] > 12*int(rf) {
						t.Errorf("replication factor %d, node %d: first of %d, one of %d", rf, n, leaders[n], replicas[n])
					}
				}
			}
		})
	}
}

func slices30(n int32) []int32 {
	out := make([]int32, 30)
	for i := range out {
		out[i] = n
	}
	return out
}

// TestRacks: with as many racks as replicas each replica is in a rack of its own.
func TestRacks(t *testing.T) {
	l := newLeader(t, 6, "a", "a", "b", "b", "c", "c")
	l.create(message.CreateTopic{Name: "t", Partitions: 12, ReplicationFactor: 3})
	for _, p := range l.image.Topics["t"].Partitions {
		racks := map[string]bool{}
		for _, r := range p.Replicas {
			racks[l.image.Nodes[r].Rack] = true
		}
		if len(racks) != 3 {
			t.Errorf("partition %d: %v", p.Index, p.Replicas)
		}
	}
}

func TestAssignments(t *testing.T) {
	l := newLeader(t, 3)
	r := l.create(message.CreateTopic{Name: "t", Partitions: -1, ReplicationFactor: -1, Assignments: map[int32][]int32{0: {3, 1}, 1: {2, 3}}})[0]
	if r.Code != 0 || r.Partitions != 2 || r.ReplicationFactor != 2 {
		t.Fatalf("%+v", r)
	}
	ps := l.image.Topics["t"].Partitions
	if fmt.Sprint(ps[0].Replicas, ps[0].Voters, ps[1].Replicas, ps[1].Voters) != "[3 1] [13 11] [2 3] [12 13]" || ps[0].Group == ps[1].Group {
		t.Errorf("%+v %+v", *ps[0], *ps[1])
	}
}

func TestCreatePartitions(t *testing.T) {
	l := newLeader(t, 3)
	l.create(message.CreateTopic{Name: "t", Partitions: 2, ReplicationFactor: 2})
	for name, c := range map[string]struct {
		g    message.GrowTopic
		code kerror.Code
		text string
	}{
		"unknown":         {message.GrowTopic{Name: "u", Count: 3}, kerror.UnknownTopicOrPartition, ""},
		"as many":         {message.GrowTopic{Name: "t", Count: 2}, kerror.InvalidPartitions, "Topic already has 2 partition(s)."},
		"fewer":           {message.GrowTopic{Name: "t", Count: 1}, kerror.InvalidPartitions, "The topic t currently has 2 partition(s); 1 would not be an increase."},
		"none":            {message.GrowTopic{Name: "t", Count: 0}, kerror.InvalidPartitions, "0 would not be an increase"},
		"negative":        {message.GrowTopic{Name: "t", Count: -5}, kerror.InvalidPartitions, "-5 would not be an increase"},
		"too many":        {message.GrowTopic{Name: "t", Count: 10_001}, kerror.InvalidPartitions, "10001"},
		"too few given":   {message.GrowTopic{Name: "t", Count: 4, Assignments: [][]int32{{1, 2}}}, kerror.InvalidReplicaAssignment, "add 2 additional partition(s), but only 1 assignment(s)"},
		"nobody":          {message.GrowTopic{Name: "t", Count: 3, Assignments: [][]int32{{1, 7}}}, kerror.InvalidReplicaAssignment, "broker 7"},
		"twice":           {message.GrowTopic{Name: "t", Count: 3, Assignments: [][]int32{{1, 1}}}, kerror.InvalidReplicaAssignment, "more than once"},
		"empty":           {message.GrowTopic{Name: "t", Count: 3, Assignments: [][]int32{{}}}, kerror.InvalidReplicaAssignment, "empty"},
		"another factor":  {message.GrowTopic{Name: "t", Count: 3, Assignments: [][]int32{{1}}}, kerror.InvalidReplicaAssignment, "1 replica(s), but this is not consistent"},
		"too many of all": {message.GrowTopic{Name: "t", Count: 1<<31 - 1}, kerror.InvalidPartitions, ""},
	} {
		t.Run(name, func(t *testing.T) {
			before := bytesOf(l.image)
			l.t = t
			if r := l.grow(c.g); r.Code != c.code || !strings.Contains(r.Message, c.text) {
				t.Errorf("%v %q", r.Code, r.Message)
			}
			if !bytes.Equal(before, bytesOf(l.image)) {
				t.Error("a refused command changed something")
			}
		})
	}
	l.t = t
	if r := l.grow(message.GrowTopic{Name: "t", Count: 4}); r.Code != 0 {
		t.Fatal(r)
	}
	if r := l.grow(message.GrowTopic{Name: "t", Count: 5, Assignments: [][]int32{{3, 1}}}); r.Code != 0 {
		t.Fatal(r)
	}
	groups := map[wal.GroupID]bool{}
	for i, p := range l.image.Topics["t"].Partitions {
		if p.Index != kafka.PartitionIndex(i) || len(p.Replicas) != 2 || groups[p.Group] || l.image.ByGroup[p.Group].Partition != p {
			t.Errorf("partition %d: %+v", i, *p)
		}
		groups[p.Group] = true
	}
	if len(groups) != 5 {
		t.Error(len(groups))
	}
}

func TestDeleteTopics(t *testing.T) {
	l := newLeader(t, 3)
	a := l.create(message.CreateTopic{Name: "a", Partitions: 3, ReplicationFactor: 1})[0]
	b := l.create(message.CreateTopic{Name: "b", Partitions: 2, ReplicationFactor: 1})[0]
	next := l.image.NextGroup
	del := func(ns ...message.TopicName) []message.TopicResult {
		return l.run(message.CmdDeleteTopics, message.DeleteTopics{Topics: ns}).body.(message.TopicResults).Topics
	}
	rs := del(message.TopicName{Name: "a"}, message.TopicName{Name: "a"}, message.TopicName{Name: "no"}, message.TopicName{ID: [16]byte{99}}, message.TopicName{ID: b.ID})
	for i, want := range []kerror.Code{0, kerror.UnknownTopicOrPartition, kerror.UnknownTopicOrPartition, kerror.UnknownTopicID, 0} {
		if rs[i].Code != want {
			t.Errorf("%d: %v", i, rs[i].Code)
		}
	}
	if rs[0].ID != a.ID || rs[4].Name != "b" || len(l.image.Topics)+len(l.image.ByID)+len(l.image.ByGroup) != 0 {
		t.Errorf("%+v %+v", rs, l.image)
	}
	again := l.create(message.CreateTopic{Name: "a", Partitions: 1, ReplicationFactor: 1})[0]
	if again.ID == a.ID || l.image.Topics["a"].Partitions[0].Group < next {
		t.Error("an id was used again")
	}
}

func TestAlterConfigs(t *testing.T) {
	l := newLeader(t, 2)
	l.create(message.CreateTopic{Name: "t", Partitions: 1, ReplicationFactor: 1, Configs: map[string]string{"retention.ms": "1000"}})
	alter := func(r message.AlterResource) message.AlterResult {
		return l.run(message.CmdAlterConfigs, message.AlterConfigs{Resources: []message.AlterResource{r}}).body.(message.AlterResults).Resources[0]
	}
	set := func(k, v string) message.AlterConfig { return message.AlterConfig{Key: k, Value: &v} }
	for _, c := range []struct {
		name string
		r    message.AlterResource
		code kerror.Code
		want string
	}{
		{"set", message.AlterResource{Type: 2, Name: "t", Ops: []message.AlterConfig{set("segment.ms", "5000")}}, 0, "map[retention.ms:1000 segment.ms:5000]"},
		{"the same again", message.AlterResource{Type: 2, Name: "t", Ops: []message.AlterConfig{set("segment.ms", "5000")}}, 0, "map[retention.ms:1000 segment.ms:5000]"},
		{"delete", message.AlterResource{Type: 2, Name: "t", Ops: []message.AlterConfig{{Key: "retention.ms", Op: 1}}}, 0, "map[segment.ms:5000]"},
		{"delete what is not there", message.AlterResource{Type: 2, Name: "t", Ops: []message.AlterConfig{{Key: "retention.ms", Op: 1}}}, 0, "map[segment.ms:5000]"},
		{"replace", message.AlterResource{Type: 2, Name: "t", Replace: true, Ops: []message.AlterConfig{set("retention.bytes", "7")}}, 0, "map[retention.bytes:7]"},
		{"unknown", message.AlterResource{Type: 2, Name: "t", Ops: []message.AlterConfig{set("segment.ms", "1"), set("nope", "1")}}, kerror.InvalidConfig, "map[retention.bytes:7]"},
		{"malformed", message.AlterResource{Type: 2, Name: "t", Ops: []message.AlterConfig{set("segment.ms", "x")}}, kerror.InvalidConfig, "map[retention.bytes:7]"},
		{"null", message.AlterResource{Type: 2, Name: "t", Ops: []message.AlterConfig{{Key: "segment.ms"}}}, kerror.InvalidConfig, "map[retention.bytes:7]"},
		{"append to what is no list", message.AlterResource{Type: 2, Name: "t", Ops: []message.AlterConfig{{Key: "segment.ms", Value: ptr("1"), Op: 2}}}, kerror.InvalidConfig, "map[retention.bytes:7]"},
		{"no topic", message.AlterResource{Type: 2, Name: "u"}, kerror.UnknownTopicOrPartition, "map[retention.bytes:7]"},
		{"no topic and malformed", message.AlterResource{Type: 2, Name: "u", Ops: []message.AlterConfig{set("segment.ms", "x")}}, kerror.InvalidConfig, "map[retention.bytes:7]"},
		{"bad name", message.AlterResource{Type: 2, Name: "?"}, kerror.InvalidTopicException, "map[retention.bytes:7]"},
		{"no such kind", message.AlterResource{Type: 8, Name: "t"}, kerror.InvalidRequest, "map[retention.bytes:7]"},
		{"no such broker", message.AlterResource{Type: 4, Name: "9", Ops: []message.AlterConfig{set("max.connections", "7")}}, kerror.InvalidRequest, "map[retention.bytes:7]"},
	} {
		if r := alter(c.r); r.Code != c.code || fmt.Sprint(l.image.Topics["t"].Configs) != c.want {
			t.Errorf("%s: %v %q, %v", c.name, r.Code, r.Message, l.image.Topics["t"].Configs)
		}
	}
	if r := alter(message.AlterResource{Type: 4, Ops: []message.AlterConfig{set("max.connections", "7")}}); r.Code != 0 {
		t.Error(r)
	}
	if got := fmt.Sprint(l.image.BrokerConfigs); got != "map[:map[max.connections:7]]" {
		t.Error(got)
	}
	alter(message.AlterResource{Type: 4, Ops: []message.AlterConfig{{Key: "max.connections", Op: 1}}})
	if len(l.image.BrokerConfigs) != 0 {
		t.Error(l.image.BrokerConfigs)
	}
}

func TestProducerIDsAreUnique(t *testing.T) {
	l := newLeader(t, 1)
	next := int64(0)
	for _, n := range []int32{1, 1000, 0, -5, 1 << 30} {
		b := l.run(message.CmdAllocateProducer, message.AllocateProducers{Count: n}).body.(message.ProducerBlock)
		if b.First != next || b.Count < 1 || b.Count > 10_000 {
			t.Fatalf("%d: %+v after %d", n, b, next)
		}
		next = b.First + int64(b.Count)
	}
}

func TestUpdateNode(t *testing.T) {
	l := newLeader(t, 2)
	n := *l.image.Nodes[2]
	n.Host = "elsewhere"
	if d := l.run(message.CmdUpdateNode, &n); d.code != 0 || l.image.Nodes[2].Host != "elsewhere" {
		t.Error(d.code)
	}
	entries := len(l.log)
	l.run(message.CmdUpdateNode, &n)
	if len(l.log) != entries {
		t.Error("what is known already was written again")
	}
	for _, change := range []func(*cluster.Node){func(n *cluster.Node) { n.ID = 5 }, func(n *cluster.Node) { n.Replica = 99 }, func(n *cluster.Node) { n.Directory[0] = 77 }} {
		x := n
		change(&x)
		if d := l.run(message.CmdUpdateNode, &x); d.code != kerror.InvalidRegistration {
			t.Errorf("%+v: %v", x, d.code)
		}
	}
}

func TestBadCommands(t *testing.T) {
	l := newLeader(t, 1)
	if d := l.run("explode", struct{}{}); d.code != kerror.InvalidRequest {
		t.Error(d.code)
	}
	if d := l.run(message.CmdCreateTopics, "no object"); d.code != kerror.InvalidRequest {
		t.Error(d.code)
	}
}

// TestSameLogSameBytes: random commands; every node that applies the log, from the beginning or from a snapshot in between,
// has the same bytes, and the leader's draft was what came of it.
func TestSameLogSameBytes(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 1))
		l := newLeader(t, 3)
		birth := l.image
		name := func() string { return fmt.Sprint("t", rng.IntN(8)) }
		for range 60 {
			switch rng.IntN(6) {
			case 0, 1:
				l.create(message.CreateTopic{Name: name(), Partitions: int32(1 + rng.IntN(4)), ReplicationFactor: int16(1 + rng.IntN(3)), Configs: map[string]string{"retention.ms": fmt.Sprint(rng.IntN(99)), "segment.ms": "7"}},
					message.CreateTopic{Name: name(), Partitions: 1, ReplicationFactor: -1})
			case 2:
				l.run(message.CmdDeleteTopics, message.DeleteTopics{Topics: []message.TopicName{{Name: name()}, {Name: name()}}})
			case 3:
				l.grow(message.GrowTopic{Name: name(), Count: int32(rng.IntN(7))})
			case 4:
				l.run(message.CmdAlterConfigs, message.AlterConfigs{Resources: []message.AlterResource{{Type: 2, Name: name(), Ops: []message.AlterConfig{{Key: "max.message.bytes", Value: ptr(fmt.Sprint(rng.IntN(1000)))}}}}})
			default:
				l.run(message.CmdAllocateProducer, message.AllocateProducers{Count: 10})
			}
		}
		want := bytesOf(l.image)
		cut := rng.IntN(len(l.log))
		follower := birth
		for i, e := range l.log {
			if i == cut { // it gets a snapshot here
				s, err := decodeSnapshot(bytesOf(follower))
				if err != nil {
					t.Fatal(err)
				}
				if follower = s.image(); !bytes.Equal(bytesOf(follower), s.encode()) {
					t.Fatalf("seed %d: a snapshot does not survive its round trip", seed)
				}
			}
			follower = replay(t, follower, e)
		}
		if !bytes.Equal(bytesOf(follower), want) {
			t.Fatalf("seed %d: a follower has\n%s\nthe leader\n%s", seed, bytesOf(follower), want)
		}
		for g, ref := range follower.ByGroup {
			if ref.Topic != follower.Topics[ref.Topic.Name] || ref.Partition != ref.Topic.Partitions[ref.Partition.Index] || ref.Partition.Group != g {
				t.Fatalf("seed %d: the index by group points elsewhere for %d", seed, g)
			}
		}
		if len(follower.ByID) != len(follower.Topics) {
			t.Fatalf("seed %d: %d names, %d ids", seed, len(follower.Topics), len(follower.ByID))
		}
	}
}

// TestPublishedImagesNeverChange: what connections hold stays as it was.
func TestPublishedImagesNeverChange(t *testing.T) {
	l := newLeader(t, 3)
	l.create(message.CreateTopic{Name: "t", Partitions: 2, ReplicationFactor: 2, Configs: map[string]string{"retention.ms": "5"}})
	old := l.image
	before := bytesOf(old)
	l.grow(message.GrowTopic{Name: "t", Count: 4})
	l.run(message.CmdAlterConfigs, message.AlterConfigs{Resources: []message.AlterResource{{Type: 2, Name: "t", Ops: []message.AlterConfig{{Key: "retention.ms", Value: ptr("6")}}}}})
	l.run(message.CmdAlterConfigs, message.AlterConfigs{Resources: []message.AlterResource{{Type: 4, Ops: []message.AlterConfig{{Key: "max.connections", Value: ptr("6")}}}}})
	l.run(message.CmdDeleteTopics, message.DeleteTopics{Topics: []message.TopicName{{Name: "t"}}})
	n := *l.image.Nodes[1]
	n.Host = "x"
	l.run(message.CmdUpdateNode, &n)
	if !bytes.Equal(bytesOf(old), before) {
		t.Error("an image changed after it was published")
	}
}

func TestUnknownVersions(t *testing.T) {
	if _, err := decodeEntry([]byte{9, '{', '}'}); err == nil {
		t.Error("an entry of another version was taken")
	}
	if _, err := decodeEntry(nil); err == nil {
		t.Error("an empty entry was taken")
	}
	b := bytes.Replace(InitialSnapshot("c", nil), []byte(`"FormatVersion": 1`), []byte(`"FormatVersion": 2`), 1)
	if _, err := decodeSnapshot(b); err == nil {
		t.Error("a snapshot of another version was taken")
	}
}

// FuzzSnapshot: a peer's snapshot is refused or makes an image that gives the same snapshot again; it never panics.
func FuzzSnapshot(f *testing.F) {
	f.Add(InitialSnapshot("c", []*cluster.Node{{ID: 1, Replica: 1}}))
	f.Add([]byte(`{"FormatVersion":1,"Nodes":[null]}`))
	f.Add([]byte(`{"FormatVersion":1,"Topics":[null,{"Partitions":[null]},{"Partitions":[]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeSnapshot(b)
		if err != nil {
			return
		}
		im := s.image()
		again, err := decodeSnapshot(makeSnapshot(im, wal.Position{Index: s.Index, Term: s.Term}, s.conf()).encode())
		if err != nil || len(again.image().Topics) != len(im.Topics) {
			t.Fatalf("%v", err)
		}
	})
}
