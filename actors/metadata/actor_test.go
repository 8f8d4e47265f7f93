package metadata_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"chronik/actors/actortest/rig"
	"chronik/actors/message"
	"chronik/actors/metadata"
	"chronik/protocol/kerror"
	"chronik/wal"
)

type bench struct {
	*rig.Rig
	t       *testing.T
	warning []string
}

func newBench(t *testing.T, o rig.Options) *bench {
	t.Helper()
	if o.Seed == 0 {
		o.Seed = 1
	}
	o.Metadata, o.Groups = true, []wal.GroupID{1000}
	cryptotest.SetGlobalRandom(t, o.Seed)
	b := &bench{Rig: rig.New(o), t: t}
	b.Tell(func(line string) {
		if strings.Contains(line, " WARN ") {
			b.warning = append(b.warning, line)
		}
	})
	t.Cleanup(func() {
		if b.Violation != nil {
			t.Error(b.Violation)
		}
	})
	b.StartAll()
	return b
}

func (b *bench) ask(m *rig.Machine, kind message.CommandKind, body any, change ...func(*message.MetaCommand)) *rig.Asked[message.MetaCommandReply] {
	raw, err := json.Marshal(body)
	if err != nil {
		b.t.Fatal(err)
	}
	return rig.Ask[message.MetaCommandReply](m, m.Actors.View.Metadata(), func(to message.ReplyTo) any {
		c := &message.MetaCommand{ReplyTo: to, Kind: kind, Body: raw, Deadline: m.Actors.Env.Clock.Now().Add(20 * time.Second)}
		for _, f := range change {
			f(c)
		}
		return c
	})
}

func topic(name string) message.CreateTopics {
	return message.CreateTopics{Topics: []message.CreateTopic{{Name: name, Partitions: 2, ReplicationFactor: 1}}}
}

// create creates a topic through a node and wants it to be applied there when the answer comes.
func (b *bench) create(m *rig.Machine, name string) {
	b.t.Helper()
	a := b.ask(m, message.CmdCreateTopics, topic(name)).Wait()
	if a == nil || a.Reason != kerror.None {
		b.t.Fatalf("creating %s through node %d: %+v (%v)", name, m.ID, a, b.Violation)
	}
	if m.Actors.View.Image().Topics[name] == nil {
		b.t.Fatalf("node %d was told of %s before it had applied it", m.ID, name)
	}
}

func (b *bench) leader() *rig.Machine {
	b.t.Helper()
	var l *rig.Machine
	b.RunUntil(30*time.Second, func() bool {
		for _, m := range b.Machines {
			if x := m.Leaders[wal.MetaGroup]; m.Alive() && x != nil && int(x.Leadership.Leader) == m.ID {
				l = m
			}
		}
		return l != nil
	})
	if l == nil {
		b.t.Fatal("no leader")
	}
	return l
}

// alike wants the same image on all nodes.
func (b *bench) alike(topics int) {
	b.t.Helper()
	same := func() bool {
		for _, m := range b.Machines {
			if len(m.Actors.View.Image().Topics) != topics {
				return false
			}
		}
		return true
	}
	if !b.RunUntil(30*time.Second, same) {
		for _, m := range b.Machines {
			b.t.Errorf("node %d has %d topics, wanted %d", m.ID, len(m.Actors.View.Image().Topics), topics)
		}
	}
	first := b.Machines[0].Actors.View.Image()
	for _, m := range b.Machines[1:] {
		im := m.Actors.View.Image()
		for name, tp := range first.Topics {
			x, _ := json.Marshal(tp)
			if y, _ := json.Marshal(im.Topics[name]); !bytes.Equal(x, y) {
				b.t.Errorf("topic %s is\n%s on node %d,\n%s on node 1", name, y, m.ID, x)
			}
		}
		if im.NextGroup != first.NextGroup || im.NextProducer != first.NextProducer || im.NextReplica != first.NextReplica {
			b.t.Errorf("node %d: %+v, node 1: %+v", m.ID, im, first)
		}
	}
}

// TestAnyNodeTakesCommands and answers when it has applied them itself.
func TestAnyNodeTakesCommands(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3})
	for i := range 12 {
		b.create(b.Machines[i%3], fmt.Sprint("t", i))
	}
	b.alike(12)
	r := b.ask(b.Machines[1], message.CmdCreateTopics, topic("t1")).Wait()
	var res message.TopicResults
	if err := json.Unmarshal(r.Body, &res); err != nil || r.Reason != kerror.None || res.Topics[0].Code != kerror.TopicAlreadyExists {
		t.Errorf("%+v %v", r, err)
	}
	if r := b.ask(b.Machines[2], "explode", 1).Wait(); r.Reason != kerror.InvalidRequest {
		t.Errorf("%+v", r)
	}
}

// TestCommandsOfABurst see each other, though none is applied yet.
func TestCommandsOfABurst(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3})
	l := b.leader()
	b.RunFor(time.Second)
	var asked []*rig.Asked[message.MetaCommandReply]
	for range 5 {
		asked = append(asked, b.ask(l, message.CmdCreateTopics, topic("same")))
	}
	created := 0
	for _, a := range asked {
		var res message.TopicResults
		if err := json.Unmarshal(a.Wait().Body, &res); err != nil {
			t.Fatal(err)
		}
		if res.Topics[0].Code == kerror.None {
			created++
		}
	}
	if created != 1 {
		t.Errorf("created %d times", created)
	}
	b.alike(1)
}

// TestAnswersComeAfterTheImage: an answer never comes before the node that was asked has applied what it speaks of.
func TestAnswersComeAfterTheImage(t *testing.T) {
	for seed := uint64(1); seed <= 10; seed++ {
		b := newBench(t, rig.Options{Nodes: 3, Seed: seed})
		l := b.leader()
		b.RunFor(time.Second)
		answers := 0
		for i, m := range b.Machines {
			names := map[uint64]string{}
			m.OnAnswer(func(a any) {
				r := a.(*message.MetaCommandReply)
				if answers++; r.Reason != kerror.None || m.Actors.View.Image().Topics[names[r.Token]] == nil {
					t.Errorf("node %d (leading: %v) was answered %v before it had applied %s", m.ID, m == l, r.Reason, names[r.Token])
				}
			})
			for k := range 10 {
				name := fmt.Sprintf("t-%d-%d", i, k)
				names[b.ask(m, message.CmdCreateTopics, topic(name)).Token()] = name
				for range b.Rand.IntN(20) {
					b.Step()
				}
			}
		}
		if b.RunFor(5 * time.Second); answers != 30 {
			t.Errorf("%d answers", answers)
		}
	}
}

func TestValidateOnly(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3})
	dry := func(c *message.MetaCommand) { c.ValidateOnly = true }
	for _, m := range b.Machines {
		r := b.ask(m, message.CmdCreateTopics, topic("t"), dry).Wait()
		var res message.TopicResults
		if err := json.Unmarshal(r.Body, &res); err != nil || r.Reason != kerror.None || res.Topics[0].Partitions != 2 {
			t.Fatalf("%+v", r)
		}
	}
	b.create(b.Machines[0], "u")
	b.alike(1)
}

// TestLeaderDies: commands wait for the next one; nothing that was answered is lost.
func TestLeaderDies(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3, SnapshotEvery: 3})
	for i := range 6 {
		b.create(b.Machines[i%3], fmt.Sprint("t", i))
		l := b.leader()
		l.Crash(0)
		var other *rig.Machine
		for _, m := range b.Machines {
			if m != l {
				other = m
			}
		}
		b.create(other, fmt.Sprint("u", i))
		l.Start()
	}
	b.alike(12)
}

func TestNoLeader(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3})
	b.create(b.Machines[0], "t")
	l := b.leader()
	for _, m := range b.Machines {
		if m != l {
			m.Crash(0)
		}
	}
	b.RunFor(5 * time.Second)
	if r := b.ask(l, message.CmdCreateTopics, topic("u")).Within(25 * time.Second); r == nil || r.Reason != kerror.RequestTimedOut || r.Message != "No leader elected yet" {
		t.Errorf("%+v", r)
	}
	b.StartAll()
	b.create(l, "v")
}

// TestRestarts: power losses of everybody, with snapshots at every few entries, in the middle of writing.
func TestRestarts(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			b := newBench(t, rig.Options{Nodes: 3, Seed: seed, SnapshotEvery: 1 + int(seed%4), FileMetadata: seed%2 == 0})
			for i := range 15 {
				b.create(b.Machines[b.Rand.IntN(3)], fmt.Sprint("t", i))
				switch m := b.Machines[b.Rand.IntN(3)]; b.Rand.IntN(4) {
				case 0:
					for _, m := range b.Machines {
						m.Crash([]float64{0, 0.5, 1}[b.Rand.IntN(3)])
					}
				case 1:
					m.Crash(0.5)
				case 2:
					m.CrashAtDisk(1 + b.Rand.IntN(20))
					b.RunFor(time.Second)
					m.CrashAtDisk(0)
				}
				b.StartAll()
			}
			b.alike(15)
		})
	}
}

// TestFarBehind: a node that was away while the log moved on gets the image.
func TestFarBehind(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3, SnapshotEvery: 5})
	b.create(b.Machines[0], "first")
	b.RunFor(time.Second)
	b.Machines[2].Crash(0)
	for i := range 1100 { // the newest thousand entries stay in memory
		b.ask(b.Machines[0], message.CmdAllocateProducer, message.AllocateProducers{Count: 1}).Wait()
		if i == 1050 {
			b.create(b.Machines[0], "second")
		}
	}
	b.Machines[2].Start()
	b.alike(2)
	b.Machines[2].Crash(0)
	b.Machines[2].Start()
	b.alike(2)
}

// TestReadableFile: with --file-metadata it shows every change, and nothing is ever taken from it.
func TestReadableFile(t *testing.T) {
	read := func(m *rig.Machine) []byte {
		raw, err := wal.ReadFile(m.Disk, rig.DataDir+"/"+metadata.ReadableName)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	b := newBench(t, rig.Options{FileMetadata: true})
	m := b.Machines[0]
	b.create(m, "t")
	old := read(m)
	b.create(m, "u")
	if good := read(m); !bytes.Contains(good, []byte(`"Name": "u"`)) || bytes.Contains(old, []byte(`"Name": "u"`)) {
		t.Fatalf("%s", good)
	}
	for name, c := range map[string]struct {
		change func(good []byte) []byte
		warn   string
	}{
		"as it was": {func(good []byte) []byte { return good }, ""},
		"stale":     {func([]byte) []byte { return old }, "it is stale"},
		"edited":    {func(good []byte) []byte { return bytes.Replace(good, []byte(`"Name": "u"`), []byte(`"Name": "x"`), 1) }, "it was edited"},
		"cut":       {func(good []byte) []byte { return good[:len(good)/2] }, "no JSON of ours"},
		"empty":     {func([]byte) []byte { return nil }, "no JSON of ours"},
	} {
		t.Run(name, func(t *testing.T) {
			m.Crash(0)
			if err := wal.ReplaceFile(m.Disk, rig.DataDir, metadata.ReadableName, c.change(read(m))); err != nil {
				t.Fatal(err)
			}
			b.warning = nil
			m.Start()
			b.leader()
			b.RunFor(time.Second)
			if got := strings.Join(b.warning, "\n"); c.warn == "" && got != "" || !strings.Contains(got, c.warn) {
				t.Errorf("warnings: %q", got)
			}
			if im := m.Actors.View.Image(); len(im.Topics) != 2 || im.Topics["u"] == nil {
				t.Errorf("topics: %v", im.Topics)
			}
			var shown struct{ Topics []struct{ Name string } }
			if err := json.Unmarshal(read(m), &shown); err != nil || len(shown.Topics) != 2 || shown.Topics[1].Name != "u" {
				t.Errorf("%+v, %v", shown, err)
			}
		})
	}
}

// TestDamagedSnapshot is refused by name, whatever bit it is.
func TestDamagedSnapshot(t *testing.T) {
	b := newBench(t, rig.Options{SnapshotEvery: 1})
	b.create(b.Machines[0], "t")
	disk := b.Machines[0].Disk
	name := rig.DataDir + "/" + metadata.SnapshotName
	good, err := wal.ReadFile(disk, name)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := metadata.Load(disk, rig.DataDir); err != nil {
		t.Fatal(err)
	} else if _, err := metadata.Peek(s); err != nil {
		t.Fatal(err)
	}
	for bit := range 8 * len(good) {
		bad := bytes.Clone(good)
		bad[bit/8] ^= 1 << (bit % 8)
		if err := wal.ReplaceFile(disk, rig.DataDir, metadata.SnapshotName, bad); err != nil {
			t.Fatal(err)
		}
		if _, err := metadata.Load(disk, rig.DataDir); err == nil || !strings.Contains(err.Error(), name) {
			t.Fatalf("bit %d: %v", bit, err)
		}
	}
}

func TestDescribeQuorum(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3})
	l := b.leader()
	b.create(l, "t")
	b.RunFor(time.Second)
	for _, m := range b.Machines { // a follower asks the leader
		r := rig.Ask[message.MetaCommandReply](m, m.Actors.View.Metadata(), func(to message.ReplyTo) any {
			return &message.MetaCommand{ReplyTo: to, Kind: message.CmdDescribeQuorum, Body: json.RawMessage("{}")}
		}).Wait()
		var q message.QuorumState
		if r == nil || r.Reason != kerror.None || json.Unmarshal(r.Body, &q) != nil || int(q.Leader) != l.ID || len(q.Voters) != 3 || q.Voters[0].LogEnd != q.HighWatermark {
			t.Errorf("node %d: %+v %+v", m.ID, r, q)
		}
	}
}
