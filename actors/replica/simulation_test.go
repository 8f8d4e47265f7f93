package replica_test

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"chronik/actors"
	"chronik/actors/actortest"
	"chronik/actors/actortest/rig"
	"chronik/actors/message"
	"chronik/protocol/batch"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
	"chronik/wal"
)

var seeds = flag.Int("seeds", 20, "how many seeds TestSimulation runs")

// history is what must hold at every step: what is committed stays, offsets are dense, and what is acknowledged is
// committed at its offset. Election safety and equality of applied entries are the rig's own invariants.
type history struct {
	b         *bench
	committed map[kafka.Offset]string
	next      kafka.Offset // of the first offset that nobody has applied
	applied   map[[2]uint64]kafka.Offset
	values    map[string]kafka.Offset
	acked     map[string]kafka.Offset
	deletable kafka.Offset // nobody asked for more to be deleted
	read      int
}

func newHistory(b *bench) *history {
	h := &history{b: b, committed: map[kafka.Offset]string{}, applied: map[[2]uint64]kafka.Offset{}, values: map[string]kafka.Offset{}, acked: map[string]kafka.Offset{}}
	watch := b.OnEvent
	b.OnEvent = func(n *actortest.Node, event any) {
		watch(n, event)
		if a, ok := event.(*actors.Applied); ok {
			h.apply(n, a.Entries)
		}
	}
	return h
}

func (h *history) apply(n *actortest.Node, entries []wal.Entry) {
	life := [2]uint64{uint64(n.ID), n.Life()}
	for _, e := range entries {
		head, ok := batch.ParseHeader(e.Data)
		if !ok || e.Type != wal.EntryNormal || e.Data[0] == 0xFF {
			continue
		}
		if head.LeaderEpoch != kafka.LeaderEpoch(e.Term) {
			h.b.Fail("entry %d of term %d has the leader epoch %d", e.Index, e.Term, head.LeaderEpoch)
		}
		if head.BaseOffset < h.applied[life] || head.BaseOffset > h.next {
			h.b.Fail("node %d applies the batch at %d, its own log ends at %d and all at %d", n.ID, head.BaseOffset, h.applied[life], h.next)
		}
		h.applied[life] = head.NextOffset()
		for r, err := range batch.Records(e.Data) {
			if err != nil {
				h.b.Fail("a committed batch does not decode: %v", err)
				return
			}
			v := string(r.Value)
			if old, ok := h.committed[r.Offset]; ok && old != v {
				h.b.Fail("offset %d was %q and is %q", r.Offset, old, v)
			}
			if at, ok := h.values[v]; ok && at != r.Offset {
				h.b.Fail("%q is at offset %d and at %d", v, at, r.Offset)
			}
			h.committed[r.Offset], h.values[v] = v, r.Offset
			h.next = max(h.next, r.Offset+1)
		}
	}
}

func (h *history) ack(base kafka.Offset, values []string) {
	for i, v := range values {
		o := base + kafka.Offset(i)
		if h.committed[o] != v {
			h.b.Fail("%q was acknowledged at %d, where %q is committed", v, o, h.committed[o])
		}
		h.acked[v] = o
	}
}

// client is an idempotent producer that retries each batch until it is acknowledged.
type client struct {
	h       *history
	id      kafka.ProducerID
	seq     kafka.Sequence
	values  []string
	asked   *rig.Asked[message.AppendBatchReply]
	nextAt  time.Duration
	stopped bool
}

func (c *client) step() {
	b := c.h.b
	switch {
	case c.asked != nil:
		a := c.asked.Answer()
		if a == nil && !c.asked.Lost() {
			return
		}
		c.asked, c.nextAt = nil, b.Now+time.Duration(b.Rand.Int64N(int64(20*time.Millisecond)))
		switch {
		case a != nil && a.Reason == kerror.None:
			c.h.ack(a.BaseOffset, c.values)
			c.seq += kafka.Sequence(len(c.values))
			c.values = nil
		case a != nil && !a.Reason.Retriable():
			b.Fail("producer %d, sequence %d: %v", c.id, c.seq, a.Reason)
		}
	case b.Now < c.nextAt || c.stopped && c.values == nil:
	default:
		m := b.Leader(rig.Group)
		if m == nil || b.Rand.IntN(20) == 0 { // now and then somebody asks the wrong node
			m = b.Machines[b.Rand.IntN(len(b.Machines))]
		}
		if !m.Alive() {
			c.nextAt = b.Now + 10*time.Millisecond
			return
		}
		if c.values == nil {
			for i := range 1 + b.Rand.IntN(5) {
				c.values = append(c.values, fmt.Sprintf("%d/%d", c.id, int(c.seq)+i))
			}
		}
		c.asked = b.append(m, b.at(1, producer(c.id, 0, c.seq), c.values...), within(2*time.Second))
	}
}

// reader reads from any node, leader or not, and checks what it gets against what is committed.
type reader struct {
	h      *history
	next   kafka.Offset
	m      *rig.Machine
	asked  *rig.Asked[message.FetchReply]
	cold   *rig.Asked[message.ColdRead]
	nextAt time.Duration
}

func (r *reader) step() {
	b := r.h.b
	switch {
	case r.cold != nil:
		if a := r.cold.Answer(); a != nil {
			if r.cold = nil; a.Err == nil { // what was deleted meanwhile is gone
				r.take(a.Batches)
			}
		} else if r.cold.Lost() {
			r.cold = nil
		}
	case r.asked != nil:
		a := r.asked.Answer()
		if a == nil {
			if r.asked.Lost() {
				r.asked = nil
			}
			return
		}
		r.asked, r.nextAt = nil, b.Now+time.Duration(b.Rand.Int64N(int64(50*time.Millisecond)))
		if a.HighWatermark > r.h.next || a.LogStart > r.h.deletable {
			b.Fail("node %d has the high watermark %d and the log start %d, committed is %d, to be deleted %d", r.m.ID, a.HighWatermark, a.LogStart, r.h.next, r.h.deletable)
		}
		switch {
		case a.Reason == kerror.OffsetOutOfRange && a.LogStart > r.next:
			r.next = a.LogStart
		case a.Reason == kerror.None && a.Cold != nil && r.m.Alive():
			rng := *a.Cold
			r.cold = rig.Ask[message.ColdRead](r.m, r.m.Actors.SegmentReader, func(to message.ReplyTo) any { return &message.ReadCold{ReplyTo: to, Range: rng} })
		case a.Reason == kerror.None:
			r.take(a.Batches)
		}
	case b.Now >= r.nextAt:
		if r.m = b.Machines[b.Rand.IntN(len(b.Machines))]; r.m.Alive() {
			f := fetchOf(r.next)
			f.Follower, f.Wait, f.MaxBytes = true, 100*time.Millisecond, 1+b.Rand.IntN(2000)
			r.asked = b.fetch(r.m, f)
		}
	}
}

func (r *reader) take(batches [][]byte) {
	for _, raw := range batches {
		for rec, err := range batch.Records(raw) {
			if err != nil || !batch.Intact(raw) {
				r.h.b.Fail("a damaged batch was served: %v", err)
				return
			}
			if rec.Offset < r.next {
				continue
			}
			if rec.Offset != r.next || r.h.committed[rec.Offset] != string(rec.Value) {
				r.h.b.Fail("node %d serves %q at %d, wanted %d, where %q is committed", r.m.ID, rec.Value, rec.Offset, r.next, r.h.committed[r.next])
				return
			}
			r.next++
			r.h.read++
		}
	}
}

// deleteSome asks the leader to delete some of the oldest records.
func (h *history) deleteSome() {
	b := h.b
	if m := b.Leader(rig.Group); m != nil && h.next > 0 {
		before := kafka.Offset(b.Rand.Int64N(int64(h.next)))
		h.deletable = max(h.deletable, before)
		rig.Ask[message.DeleteRecordsReply](m, m.PID(rig.Group), func(to message.ReplyTo) any { return &message.DeleteRecords{ReplyTo: to, Before: before} })
	}
}

// fault breaks something at random and repairs it later.
func fault(b *bench) {
	m := b.Machines[b.Rand.IntN(len(b.Machines))]
	later := func(f func()) { b.After(time.Duration(b.Rand.Int64N(int64(2*time.Second))), f) }
	p := func() float64 { return []float64{0, 0.5, 1}[b.Rand.IntN(3)] }
	switch b.Rand.IntN(9) {
	case 0, 1:
		m.Crash(p())
		later(m.Start)
	case 2, 3:
		m.CrashAtDisk(1 + b.Rand.IntN(30))
		later(func() { m.Crash(p()); m.Start() })
	case 4:
		for _, x := range b.Machines {
			x.Crash(p())
			later(x.Start)
		}
	case 5, 6:
		b.Isolate(m.ID)
		later(b.Heal)
	case 7:
		b.Cut(m.ID, b.Machines[b.Rand.IntN(len(b.Machines))].ID)
		later(b.Heal)
	default:
		if m.Alive() {
			m.Send(m.PID(rig.Group), &message.TransferLeadership{})
		}
	}
}

type outcome struct {
	hash                            uint64
	acked, read, crashes, elections int
}

func simulate(t *testing.T, seed uint64, o rig.Options) (outcome, error) {
	if o.Nodes == 0 {
		o.Nodes = []int{3, 3, 3, 5, 2}[seed%5]
	}
	o.Silent = seed%7 == 0
	o.Seed, o.FlushBytes, o.KeepBytes, o.WAL = seed, 2000, 500, wal.Options{FileSize: 64 << 10, FirstFile: 32 << 10, Files: 3, NoSync: o.WAL.NoSync}
	o.Configs = map[string]string{"retention.ms": "-1"}
	b := &bench{rig.New(o), t}
	if os.Getenv("CHRONIK_SIM_TELL") != "" {
		b.Tell(func(line string) { t.Log(line) })
	}
	h := newHistory(b)
	b.StartAll()
	var clients []*client
	for id := range 3 {
		clients = append(clients, &client{h: h, id: kafka.ProducerID(id + 1)})
	}
	readers := []*reader{{h: h}, {h: h}}
	work := func() {
		for _, c := range clients {
			c.step()
		}
		for _, r := range readers {
			r.step()
		}
	}
	nextFault := b.Now + time.Second
	for b.Violation == nil && (len(h.acked) < 600 || b.Crashes < 8) && b.Now < 5*time.Minute {
		b.Step()
		work()
		if b.Now > nextFault {
			fault(b)
			if b.Rand.IntN(4) == 0 {
				h.deleteSome()
			}
			nextFault = b.Now + time.Duration(b.Rand.Int64N(int64(time.Second)))
		}
	}
	// Everything is repaired: all must be acknowledged, and the same on all nodes.
	b.Heal()
	for _, m := range b.Machines {
		m.CrashAtDisk(0)
	}
	b.StartAll()
	for _, c := range clients {
		c.stopped = true
	}
	settled := func() bool {
		work()
		for _, c := range clients {
			if c.values != nil {
				return false
			}
		}
		return true
	}
	if b.Violation == nil && !b.RunUntil(time.Minute, settled) {
		b.Fail("a minute after everything was repaired something is not acknowledged")
	}
	out := outcome{b.Hash(), len(h.acked), h.read, b.Crashes, b.Invariants.Elections}
	if b.Violation == nil {
		h.catchUp()
		out.hash = b.Hash()
		h.verify()
	}
	return out, b.Violation
}

// catchUp waits until every node has everything; who lacks more than the leaders' logs hold must copy segments.
func (h *history) catchUp() {
	for range 60 {
		h.b.RunFor(time.Second)
		behind := 0
		for _, m := range h.b.Machines {
			if h.b.Violation != nil {
				return
			}
			if h.b.describe(m).HighWatermark < h.next {
				behind++
			}
		}
		if behind == 0 {
			return
		}
	}
	h.b.Fail("a minute after everything was repaired a node still lacks records")
}

// verify reads the whole partition from each node and compares.
func (h *history) verify() {
	b := h.b
	for _, m := range b.Machines {
		if b.Violation != nil {
			return
		}
		start := b.describe(m).LogStart
		if first := b.describe(b.Machines[0]).LogStart; start != first || start > h.deletable {
			b.Fail("the log of node %d starts at %d, that of node %d at %d", m.ID, start, b.Machines[0].ID, first)
		}
		values, _ := b.all(m, start)
		if len(values) != int(h.next-start) {
			b.Fail("node %d has %d records, %d were committed", m.ID, len(values), h.next-start)
		}
		for i, v := range values {
			if o := start + kafka.Offset(i); h.committed[o] != v {
				b.Fail("node %d has %q at %d, committed was %q", m.ID, v, o, h.committed[o])
			}
		}
		for v, o := range h.acked {
			if o >= start && (o >= h.next || values[o-start] != v) {
				b.Fail("%q was acknowledged at %d and is not on node %d", v, o, m.ID)
			}
		}
	}
}

// TestSimulation: two, three or five nodes whose disks lose what was not synced, links that are cut, leaders that come and go.
func TestSimulation(t *testing.T) {
	var sum outcome
	for seed := range uint64(*seeds) {
		t.Run(fmt.Sprint(seed+1), func(t *testing.T) {
			seedRandom(t, seed+1)
			x, err := simulate(t, seed+1, rig.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if seed%10 == 0 {
				seedRandom(t, seed+1)
				if y, _ := simulate(t, seed+1, rig.Options{}); y != x {
					t.Fatalf("the second run of the seed is %+v, the first was %+v", y, x)
				}
			}
			sum.acked, sum.read, sum.crashes, sum.elections = sum.acked+x.acked, sum.read+x.read, sum.crashes+x.crashes, sum.elections+x.elections
		})
	}
	t.Logf("%d records acknowledged, %d read, %d crashes, %d leaders elected", sum.acked, sum.read, sum.crashes, sum.elections)
}

// TestSimulationFindsSkippedSync: the same on disks that are never synced must go red.
func TestSimulationFindsSkippedSync(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		seedRandom(t, seed)
		if _, err := simulate(t, seed, rig.Options{WAL: wal.Options{NoSync: true}}); err != nil {
			t.Logf("found: %.300v", err)
			return
		}
	}
	t.Fatal("20 seeds did not notice that nothing was synced")
}
