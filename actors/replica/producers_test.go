package replica_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"chronik/actors/actortest/rig"
	"chronik/actors/message"
	"chronik/protocol/batch"
	"chronik/protocol/config"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
)

func producer(id kafka.ProducerID, epoch kafka.ProducerEpoch, seq kafka.Sequence) *batch.Producer {
	return &batch.Producer{ID: id, Epoch: epoch, Sequence: seq}
}

// sent is one batch of a producer in a table: its answer must be that.
type sent struct {
	p    *batch.Producer
	n    int // records
	base kafka.Offset
	code kerror.Code
}

func (b *bench) send(steps []sent) {
	b.t.Helper()
	for i, s := range steps {
		vs := make([]string, max(1, s.n))
		for k := range vs {
			vs[k] = fmt.Sprintf("%d/%d/%d", s.p.ID, s.p.Epoch, int(s.p.Sequence)+k)
		}
		a := b.append(b.leader(), b.at(b.stamp(), s.p, vs...)).Wait()
		if a == nil || a.Reason != s.code || s.code == kerror.None && a.BaseOffset != s.base {
			b.t.Fatalf("step %d, %+v: %+v, wanted %v at %d", i, *s.p, a, s.code, s.base)
		}
	}
}

func TestIdempotentProducer(t *testing.T) {
	const ok, order, fenced = kerror.None, kerror.OutOfOrderSequenceNumber, kerror.InvalidProducerEpoch
	for name, steps := range map[string][]sent{
		"duplicates keep their offset": {
			{producer(1, 0, 0), 2, 0, ok}, {producer(1, 0, 0), 2, 0, ok}, {producer(1, 0, 2), 1, 2, ok}, {producer(1, 0, 0), 2, 0, ok}, {producer(1, 0, 2), 1, 2, ok}, {producer(1, 0, 3), 1, 3, ok},
		},
		"the last five are remembered": {
			{producer(1, 0, 0), 1, 0, ok}, {producer(1, 0, 1), 1, 1, ok}, {producer(1, 0, 2), 1, 2, ok}, {producer(1, 0, 3), 1, 3, ok}, {producer(1, 0, 4), 1, 4, ok},
			{producer(1, 0, 0), 1, 0, ok}, {producer(1, 0, 5), 1, 5, ok}, {producer(1, 0, 1), 1, 1, ok}, {producer(1, 0, 0), 1, 0, order},
		},
		"a gap":                          {{producer(1, 0, 0), 3, 0, ok}, {producer(1, 0, 4), 1, 0, order}, {producer(1, 0, 3), 1, 3, ok}},
		"an overlap":                     {{producer(1, 0, 0), 3, 0, ok}, {producer(1, 0, 1), 2, 0, order}, {producer(1, 0, 0), 2, 0, order}},
		"unknown producers begin anyhow": {{producer(1, 3, 17), 1, 0, ok}, {producer(1, 3, 18), 1, 1, ok}},
		"producers do not meet":          {{producer(1, 0, 0), 1, 0, ok}, {producer(2, 0, 0), 1, 1, ok}, {producer(1, 0, 1), 1, 2, ok}, {producer(2, 0, 0), 1, 1, ok}},
		"epochs": {
			{producer(1, 0, 0), 1, 0, ok}, {producer(1, 1, 5), 1, 0, order}, {producer(1, 1, 0), 1, 1, ok}, {producer(1, 0, 1), 1, 0, fenced}, {producer(1, 0, 0), 1, 0, fenced},
			{producer(1, 1, 0), 1, 1, ok}, {producer(1, 1, 1), 1, 2, ok},
		},
		"sequences wrap": {
			{producer(1, 0, math.MaxInt32-1), 2, 0, ok}, {producer(1, 0, 0), 1, 2, ok}, {producer(1, 0, math.MaxInt32-1), 2, 0, ok}, {producer(1, 0, 1), 1, 3, ok},
		},
		"a batch over the wrap": {{producer(1, 0, math.MaxInt32-1), 4, 0, ok}, {producer(1, 0, math.MaxInt32-1), 4, 0, ok}, {producer(1, 0, 2), 1, 4, ok}},
	} {
		t.Run(name, func(t *testing.T) { newBench(t, rig.Options{}).send(steps) })
	}
}

// TestProducersSurvive restarts, from the log and from segments, and changes of the leader.
func TestProducersSurvive(t *testing.T) {
	for name, between := range map[string]func(*bench){
		"restart from the log": func(b *bench) {
			for _, m := range b.Machines {
				m.Crash(0)
			}
			b.StartAll()
		},
		"restart from segments": func(b *bench) {
			b.RunFor(time.Second)
			for _, m := range b.Machines {
				b.flush(m)
				m.Crash(0)
			}
			b.StartAll()
		},
		"restart from both": func(b *bench) {
			b.RunFor(time.Second)
			for _, m := range b.Machines {
				b.flush(m)
			}
			b.put(b.at(b.stamp(), producer(9, 0, 0), "later"))
			for _, m := range b.Machines {
				m.Crash(1)
			}
			b.StartAll()
		},
		"another leader": func(b *bench) { b.elect(b.follower()) },
		"a dead leader":  func(b *bench) { b.leader().Crash(0) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, rig.Options{Nodes: 3})
			for i := range 7 {
				b.put(b.at(b.stamp(), producer(1, 0, kafka.Sequence(i)), fmt.Sprint(i)))
			}
			b.put(b.at(b.stamp(), producer(2, 4, 0), "two"))
			was := b.describe(b.leader()).Producers
			end := b.describe(b.leader()).LogEnd
			between(b)
			b.send([]sent{{producer(1, 0, 2), 1, 2, kerror.None}, {producer(1, 0, 6), 1, 6, kerror.None}, {producer(1, 0, 1), 1, 0, kerror.OutOfOrderSequenceNumber},
				{producer(1, 0, 8), 1, 0, kerror.OutOfOrderSequenceNumber}, {producer(2, 3, 0), 1, 0, kerror.InvalidProducerEpoch}, {producer(2, 4, 0), 1, 7, kerror.None}})
			d := b.describe(b.leader())
			same(t, "producers", d.Producers[:2], was)
			if name != "restart from both" {
				equal(t, "log end", d.LogEnd, end)
			}
		})
	}
}

// TestDuplicateOfWhatIsOnItsWay is answered together with its original, not before it.
func TestDuplicateOfWhatIsOnItsWay(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3})
	l := b.leader()
	b.put(b.values("a"))
	b.Isolate(l.ID)
	raw := b.at(b.stamp(), producer(1, 0, 0), "b")
	var all []*rig.Asked[message.AppendBatchReply]
	all = append(all, b.append(l, raw), b.append(l, raw), b.append(l, b.at(b.stamp(), producer(1, 0, 1), "c")), b.append(l, raw, acks(1)))
	b.RunFor(100 * time.Millisecond)
	all = append(all, b.append(l, raw))
	b.RunFor(100 * time.Millisecond)
	for i, a := range all {
		if got := a.Answer(); i != 3 && got != nil || i == 3 && (got == nil || got.BaseOffset != 1) {
			t.Fatalf("append %d: %+v", i, got)
		}
	}
	b.Heal()
	for i, a := range all {
		want := kafka.Offset(1)
		if i == 2 {
			want = 2
		}
		if got := a.Wait(); got == nil || got.Reason != kerror.None || got.BaseOffset != want {
			t.Errorf("append %d: %+v", i, got)
		}
	}
	values, _ := b.all(l, 0)
	same(t, "values", values, []string{"a", "b", "c"})
}

func TestSilentProducersExpire(t *testing.T) {
	b := newBench(t, rig.Options{Nodes: 3, Broker: func(c *config.Broker) { c.ProducerIDExpiration, c.RetentionCheck = time.Minute, 5*time.Second }})
	// Records of long ago: the leader's clock counts, not theirs.
	b.put(b.at(1000, producer(1, 0, 0), "a"))
	ids := func() (out []kafka.ProducerID) {
		for _, p := range b.describe(b.leader()).Producers {
			out = append(out, p.ID)
		}
		return out
	}
	for range 8 {
		b.RunFor(10 * time.Second)
		b.put(b.at(1000, producer(2, 0, kafka.Sequence(b.describe(b.leader()).LogEnd)-1), "b"), func(m *message.AppendBatch) {})
	}
	b.RunFor(15 * time.Second)
	same(t, "producers", ids(), []kafka.ProducerID{2})
	b.elect(b.follower())
	same(t, "producers at another leader", ids(), []kafka.ProducerID{2})
	b.RunFor(2 * time.Minute)
	same(t, "producers at last", ids(), nil)
	b.send([]sent{{producer(1, 0, 5), 1, b.describe(b.leader()).LogEnd, kerror.None}})
}
