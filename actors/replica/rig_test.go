package replica_test

import (
	"fmt"
	"testing"
	"testing/cryptotest"
	"time"

	"chronik/actors/actortest/rig"
	"chronik/actors/message"
	"chronik/protocol/batch"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
)

// bench is a rig with one partition, and what tests ask of it.
type bench struct {
	*rig.Rig
	t *testing.T
}

func newBench(t *testing.T, o rig.Options) *bench {
	t.Helper()
	if o.Seed == 0 {
		o.Seed = 1
	}
	cryptotest.SetGlobalRandom(t, o.Seed)
	b := &bench{rig.New(o), t}
	t.Cleanup(func() {
		if b.Violation != nil {
			t.Error(b.Violation)
		}
	})
	b.StartAll()
	return b
}

// leader waits for the partition's leader.
func (b *bench) leader() *rig.Machine {
	b.t.Helper()
	m := b.WaitLeader(rig.Group)
	if m == nil {
		b.t.Fatalf("no leader: %v", b.Violation)
	}
	return m
}

// follower is a node that runs and does not lead.
func (b *bench) follower() *rig.Machine {
	l := b.leader()
	for _, m := range b.Machines {
		if m != l && m.Alive() {
			return m
		}
	}
	return nil
}

// now is the wall clock of the simulation.
func (b *bench) now() time.Time { return b.Machines[0].Actors.Env.Clock.Now() }

func (b *bench) stamp() kafka.Timestamp { return kafka.Timestamp(b.now().UnixMilli()) }

// values makes a batch of records with the present time.
func (b *bench) values(vs ...string) []byte { return b.at(b.stamp(), nil, vs...) }

// at makes a batch of records with one timestamp.
func (b *bench) at(ts kafka.Timestamp, p *batch.Producer, vs ...string) []byte {
	records := make([]batch.Record, len(vs))
	for i, v := range vs {
		records[i] = batch.Record{Timestamp: ts, Value: []byte(v)}
	}
	return batch.Build(batch.Params{Producer: p}, records)
}

// filler makes a batch of one record of about n bytes.
func (b *bench) filler(n int) []byte { return b.values(string(make([]byte, n))) }

type appendOption func(*message.AppendBatch)

func acks(n int16) appendOption { return func(m *message.AppendBatch) { m.Acks = n } }

func within(d time.Duration) appendOption {
	return func(m *message.AppendBatch) { m.Deadline = m.Deadline.Add(d) }
}

// append asks a node for an append, acks=all unless told otherwise.
func (b *bench) append(m *rig.Machine, raw []byte, opts ...appendOption) *rig.Asked[message.AppendBatchReply] {
	b.t.Helper()
	return rig.Ask[message.AppendBatchReply](m, m.PID(rig.Group), func(to message.ReplyTo) any {
		h, ok := batch.ParseHeader(raw)
		if !ok {
			b.t.Fatal("not a batch")
		}
		x := &message.AppendBatch{ReplyTo: to, Raw: append([]byte(nil), raw...), Header: h, Acks: -1, LeaderEpoch: kafka.NoLeaderEpoch, Deadline: b.now()}
		for _, o := range opts {
			o(x)
		}
		if x.Deadline.Equal(b.now()) {
			x.Deadline = time.Time{}
		}
		return x
	})
}

// put appends and wants success.
func (b *bench) put(raw []byte, opts ...appendOption) *message.AppendBatchReply {
	b.t.Helper()
	a := b.append(b.leader(), raw, opts...).Wait()
	if a == nil || a.Reason != kerror.None {
		b.t.Fatalf("append: %+v (%v)", a, b.Violation)
	}
	return a
}

// refused appends and wants an error.
func (b *bench) refused(want kerror.Code, raw []byte, opts ...appendOption) {
	b.t.Helper()
	if a := b.append(b.leader(), raw, opts...).Wait(); a == nil || a.Reason != want {
		b.t.Fatalf("append: %+v, wanted %v", a, want)
	}
}

func fetchOf(o kafka.Offset) *message.Fetch {
	return &message.Fetch{Offset: o, MaxBytes: 1 << 20, MinOne: true, LeaderEpoch: kafka.NoLeaderEpoch, LastFetchedEpoch: kafka.NoLeaderEpoch}
}

// fetch asks a node for a fetch.
func (b *bench) fetch(m *rig.Machine, f *message.Fetch) *rig.Asked[message.FetchReply] {
	return rig.Ask[message.FetchReply](m, m.PID(rig.Group), func(to message.ReplyTo) any {
		g := *f
		g.ReplyTo = to
		return &g
	})
}

// batches is what a fetch from an offset gives, read from segments when it is there.
func (b *bench) batches(m *rig.Machine, f *message.Fetch) (*message.FetchReply, [][]byte) {
	b.t.Helper()
	r := b.fetch(m, f).Wait()
	if r == nil {
		b.t.Fatalf("no answer to a fetch of %d (%v)", f.Offset, b.Violation)
	}
	if r.Cold == nil {
		return r, r.Batches
	}
	c := rig.Ask[message.ColdRead](m, m.Actors.SegmentReader, func(to message.ReplyTo) any { return &message.ReadCold{ReplyTo: to, Range: *r.Cold} }).Wait()
	if c == nil || c.Err != nil {
		b.t.Fatalf("reading %+v: %+v", *r.Cold, c)
	}
	return r, c.Batches
}

// all reads a node's partition from an offset to the high watermark: the values by offset, dense, and each batch's epoch.
func (b *bench) all(m *rig.Machine, from kafka.Offset) (values []string, epochs []kafka.LeaderEpoch) {
	b.t.Helper()
	next := from
	for {
		f := fetchOf(next)
		f.Follower = true
		r, bs := b.batches(m, f)
		if r.Reason != kerror.None {
			b.t.Fatalf("fetch at %d of node %d: %v", next, m.ID, r.Reason)
		}
		if len(bs) == 0 {
			if next != r.HighWatermark {
				b.t.Fatalf("a fetch at %d gives nothing, the high watermark is %d", next, r.HighWatermark)
			}
			return values, epochs
		}
		for _, raw := range bs {
			h, _ := batch.ParseHeader(raw)
			if h.NextOffset() > r.HighWatermark {
				b.t.Fatalf("a batch up to %d was served, the high watermark is %d", h.NextOffset(), r.HighWatermark)
			}
			if !batch.Intact(raw) {
				b.t.Fatalf("the batch at %d does not verify", h.BaseOffset)
			}
			for rec, err := range batch.Records(raw) {
				if err != nil {
					b.t.Fatal(err)
				}
				if rec.Offset < next {
					continue
				}
				if rec.Offset != next {
					b.t.Fatalf("offset %d follows %d", rec.Offset, next-1)
				}
				next++
				values, epochs = append(values, string(rec.Value)), append(epochs, h.LeaderEpoch)
			}
		}
	}
}

func (b *bench) describe(m *rig.Machine) *message.DescribeReplicaReply {
	b.t.Helper()
	d := rig.Ask[message.DescribeReplicaReply](m, m.PID(rig.Group), func(to message.ReplyTo) any { return &message.DescribeReplica{ReplyTo: to, Producers: true} }).Wait()
	if d == nil {
		b.t.Fatalf("node %d does not describe its replica (%v)", m.ID, b.Violation)
	}
	return d
}

func (b *bench) list(m *rig.Machine, timestamp int64) *message.ListOffsetsReply {
	b.t.Helper()
	r := rig.Ask[message.ListOffsetsReply](m, m.PID(rig.Group), func(to message.ReplyTo) any {
		return &message.ListOffsets{ReplyTo: to, Timestamp: timestamp, LeaderEpoch: kafka.NoLeaderEpoch}
	}).Wait()
	if r == nil {
		b.t.Fatalf("no answer to ListOffsets(%d)", timestamp)
	}
	return r
}

func (b *bench) epochEnd(m *rig.Machine, epoch kafka.LeaderEpoch) *message.FindEpochEndReply {
	b.t.Helper()
	r := rig.Ask[message.FindEpochEndReply](m, m.PID(rig.Group), func(to message.ReplyTo) any {
		return &message.FindEpochEnd{ReplyTo: to, Current: kafka.NoLeaderEpoch, Requested: epoch}
	}).Wait()
	if r == nil {
		b.t.Fatal("no answer to FindEpochEnd")
	}
	return r
}

func (b *bench) deleteBefore(before kafka.Offset) *message.DeleteRecordsReply {
	b.t.Helper()
	l := b.leader()
	r := rig.Ask[message.DeleteRecordsReply](l, l.PID(rig.Group), func(to message.ReplyTo) any {
		return &message.DeleteRecords{ReplyTo: to, Before: before, Deadline: b.now().Add(5 * time.Second)}
	}).Wait()
	if r == nil {
		b.t.Fatal("no answer to DeleteRecords")
	}
	return r
}

// flush moves everything that is committed into a node's segments, by what the WAL writer asks when it needs room.
func (b *bench) flush(m *rig.Machine) {
	b.t.Helper()
	m.Send(m.PID(rig.Group), &message.ReleaseLog{Group: rig.Group, UpTo: 1 << 40})
	b.RunFor(20 * time.Millisecond)
	if b.Violation != nil {
		b.t.Fatal(b.Violation)
	}
}

// elect moves leadership to a node.
func (b *bench) elect(m *rig.Machine) *rig.Machine {
	b.t.Helper()
	for range 20 {
		l := b.leader()
		if l == m {
			return m
		}
		l.Send(l.PID(rig.Group), &message.TransferLeadership{To: m.Replica})
		b.RunUntil(2*time.Second, func() bool { return b.Leader(rig.Group) == m })
	}
	b.t.Fatalf("node %d cannot be made leader", m.ID)
	return nil
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v, wanted %v", what, got, want)
	}
}

func same[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

// seedRandom makes Raft's election jitter follow from a seed.
func seedRandom(t *testing.T, seed uint64) { cryptotest.SetGlobalRandom(t, seed) }
