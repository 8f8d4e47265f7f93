package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// reassign asks for new replicas of one partition.
func reassign(t testing.TB, adm *kadm.Client, topic string, partition int32, replicas ...int32) {
	t.Helper()
	Eventually(t, 30*time.Second, "asking for a reassignment", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		var req kadm.AlterPartitionAssignmentsReq
		req.Assign(topic, partition, replicas)
		resp, err := adm.AlterPartitionAssignments(ctx, req)
		if err == nil {
			err = resp.Error()
		}
		return err
	})
}

// settled waits until no reassignment is under way, and every partition has these replicas, in sync and with a leader.
func settled(t testing.TB, adm *kadm.Client, topic string, want map[int32][]int32) {
	t.Helper()
	Eventually(t, time.Minute, "the reassignments are done", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		under, err := adm.ListPartitionReassignments(ctx, nil)
		if err != nil {
			return err
		}
		if len(under) > 0 {
			return fmt.Errorf("under way: %v", under.Sorted())
		}
		m, err := adm.Metadata(ctx, topic)
		if err != nil {
			return err
		}
		for p, replicas := range want {
			d := m.Topics[topic].Partitions[p]
			slices.Sort(d.ISR)
			sorted := slices.Sorted(slices.Values(replicas))
			if d.Err != nil || !slices.Equal(d.Replicas, replicas) || !slices.Equal(d.ISR, sorted) || !slices.Contains(replicas, d.Leader) {
				return fmt.Errorf("partition %d: leader %d, replicas %v, in sync %v, wanted %v (%v)", p, d.Leader, d.Replicas, d.ISR, replicas, d.Err)
			}
		}
		return nil
	})
}

// TestReassign moves partitions between nodes under load, with more data than any replica keeps in memory: one replica becomes
// three, three become one, leaders are moved away, nodes are killed on the way. Nothing that was acknowledged is lost.
func TestReassign(t *testing.T) {
	c := StartCluster(t, 3)
	CreateTopic(t, c.Addrs(), "moves", 3, 1, nil)
	cl := client(t, c.Addrs())
	defer cl.Close()
	adm := kadm.NewClient(cl)
	load := StartLoad(t, c.Addrs(), "moves", 2, 100)
	load.Fill(t, 60, 900_000, 3)
	for p := range int32(3) {
		reassign(t, adm, "moves", p, p+1, (p+1)%3+1, (p+2)%3+1)
	}
	settled(t, adm, "moves", map[int32][]int32{0: {1, 2, 3}, 1: {2, 3, 1}, 2: {3, 1, 2}})
	t.Logf("one replica became three; the next acknowledgement came after %v", load.AwaitMore(t, 1, 20*time.Second))
	for p := range int32(3) { // the leader goes
		reassign(t, adm, "moves", p, (p+1)%3+1)
	}
	settled(t, adm, "moves", map[int32][]int32{0: {2}, 1: {3}, 2: {1}})
	load.AwaitMore(t, 100, 20*time.Second)
	rng := rand.New(rand.NewPCG(7, 7))
	want := map[int32][]int32{}
	for i := range 6 {
		for p := range int32(3) {
			order := rng.Perm(3)
			want[p] = nil
			for _, n := range order[:2+rng.IntN(2)] {
				want[p] = append(want[p], int32(n+1))
			}
			reassign(t, adm, "moves", p, want[p]...)
		}
		if i > 0 { // with two or three replicas on their way
			v := c.Nodes[rng.IntN(3)]
			v.Kill()
			v.Restart(t)
		}
		settled(t, adm, "moves", want)
	}
	for p := range int32(3) {
		reassign(t, adm, "moves", p, 1, 2, 3)
		want[p] = []int32{1, 2, 3}
	}
	settled(t, adm, "moves", want)
	load.AwaitMore(t, 100, 20*time.Second)
	load.Verify(t)
	c.StopAll(t)
	for p := range 3 {
		c.SameOnDisk(t, fmt.Sprintf("moves-%d", p))
	}
}

// TestReassignTools: kafka-reassign-partitions and kafka-leader-election work as with Apache Kafka.
func TestReassignTools(t *testing.T) {
	classpath(t)
	c := StartCluster(t, 3)
	CreateTopic(t, c.Addrs(), "tools", 1, 1, nil)
	cl := client(t, c.Addrs())
	defer cl.Close()
	adm := kadm.NewClient(cl)
	plan := filepath.Join(t.TempDir(), "plan.json")
	if err := os.WriteFile(plan, []byte(`{"version":1,"partitions":[{"topic":"tools","partition":0,"replicas":[3,2,1]}]}`), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := Java(t, time.Minute, "", "kafka-reassign-partitions", "--bootstrap-server", c.Bootstrap(), "--reassignment-json-file", plan, "--execute")
	if err != nil || !strings.Contains(out, "Successfully started partition reassignment for tools-0") {
		t.Fatalf("%v\n%s", err, out)
	}
	settled(t, adm, "tools", map[int32][]int32{0: {3, 2, 1}})
	out, err = Java(t, time.Minute, "", "kafka-reassign-partitions", "--bootstrap-server", c.Bootstrap(), "--reassignment-json-file", plan, "--verify")
	if err != nil || !strings.Contains(out, "Reassignment of partition tools-0 is completed") {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err = Java(t, time.Minute, "", "kafka-leader-election", "--bootstrap-server", c.Bootstrap(), "--election-type", "preferred", "--topic", "tools", "--partition", "0")
	if err != nil || !strings.Contains(out, "completed for partitions tools-0") && !strings.Contains(out, "Valid replica already elected for partitions tools-0") {
		t.Fatalf("%v\n%s", err, out)
	}
	if l := c.Leader(t, "tools", 0); l.ID != 3 {
		t.Fatalf("node %d leads after the election", l.ID)
	}
}

// TestThrottle: a reassignment keeps to the throttle that its operator sets, with Kafka's tool and on the leader's side alone, and
// ends soon when the throttle is lifted; the tool takes its throttle back.
func TestThrottle(t *testing.T) {
	classpath(t)
	const rate, megabytes = 6_000_000, 72
	c := StartCluster(t, 3)
	cl := client(t, c.Addrs())
	defer cl.Close()
	adm := kadm.NewClient(cl)
	CreateTopic(t, c.Addrs(), "slow", 1, 1, nil)
	reassign(t, adm, "slow", 0, 1)
	settled(t, adm, "slow", map[int32][]int32{0: {1}})
	load := StartLoad(t, c.Addrs(), "slow", 1, 100)
	load.Fill(t, megabytes*10/9, 900_000, 1)
	// What a leader keeps in memory comes by Raft, and the first megabytes of a copy are free.
	const least = (megabytes - 16 - 16 - 8) * 1_000_000 * time.Second / rate

	plan := filepath.Join(t.TempDir(), "plan.json")
	if err := os.WriteFile(plan, []byte(`{"version":1,"partitions":[{"topic":"slow","partition":0,"replicas":[1,2]}]}`), 0o644); err != nil {
		t.Fatal(err)
	}
	tool := func(want string, args ...string) {
		t.Helper()
		out, err := Java(t, time.Minute, "", "kafka-reassign-partitions", append([]string{"--bootstrap-server", c.Bootstrap(), "--reassignment-json-file", plan}, args...)...)
		if err != nil || !strings.Contains(out, want) {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	began := time.Now()
	tool("The inter-broker throttle limit was set to 6000000 B/s", "--execute", "--throttle", fmt.Sprint(rate))
	settled(t, adm, "slow", map[int32][]int32{0: {1, 2}})
	if took := time.Since(began); took < least {
		t.Errorf("with the tool's throttle it took %v, at least %v was expected", took, least)
	} else {
		t.Logf("with the tool's throttle it took %v", took)
	}
	tool("Clearing topic-level throttles on topic slow", "--verify")
	rs, err := adm.DescribeTopicConfigs(t.Context(), "slow")
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range rs[0].Configs {
		if strings.HasSuffix(x.Key, "throttled.replicas") && x.MaybeValue() != "" {
			t.Errorf("%s is still %s", x.Key, x.MaybeValue())
		}
	}

	set := func(alter func(context.Context, []kadm.AlterConfig, ...string) (kadm.AlterConfigsResponses, error), name, key, value string) {
		t.Helper()
		rs, err := alter(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: key, Value: &value}}, name)
		if err == nil {
			err = rs[0].Err
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	brokers := func(ctx context.Context, as []kadm.AlterConfig, _ ...string) (kadm.AlterConfigsResponses, error) {
		return adm.AlterBrokerConfigs(ctx, as)
	}
	set(adm.AlterTopicConfigs, "slow", "leader.replication.throttled.replicas", "*")
	set(brokers, "", "leader.replication.throttled.rate", fmt.Sprint(rate))
	began = time.Now()
	reassign(t, adm, "slow", 0, 1, 2, 3)
	settled(t, adm, "slow", map[int32][]int32{0: {1, 2, 3}})
	if took := time.Since(began); took < least {
		t.Errorf("with a throttled leader it took %v, at least %v was expected", took, least)
	} else {
		t.Logf("with a throttled leader it took %v", took)
	}

	set(brokers, "", "leader.replication.throttled.rate", "10000") // hours
	reassign(t, adm, "slow", 0, 1, 2)
	settled(t, adm, "slow", map[int32][]int32{0: {1, 2}})
	reassign(t, adm, "slow", 0, 1, 2, 3)
	set(brokers, "", "leader.replication.throttled.rate", "100000000")
	settled(t, adm, "slow", map[int32][]int32{0: {1, 2, 3}})
	load.Verify(t)
}
