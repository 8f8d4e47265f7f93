package replica

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"chronik/protocol/batch"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
	"chronik/wal"
)

// history makes the entries of a random log, by checking each batch as a leader does.
func history(rng *rand.Rand, n int) []wal.Entry {
	var es []wal.Entry
	s := newState()
	term := wal.Term(1)
	for len(es) < n {
		e := wal.Entry{Index: wal.Index(len(es) + 1), Term: term}
		switch k := rng.IntN(20); {
		case k == 0:
			term++
			e.Term = term // a new leader's empty entry
		case k == 1:
			e.Data = command{Kind: cmdRoll}.encode()
		case k == 2:
			e.Data = command{Kind: cmdAdvanceLogStart, Offset: kafka.Offset(rng.Int64N(int64(s.NextOffset) + 3))}.encode()
		case k == 3:
			now := kafka.Timestamp(len(es) * 100)
			e.Data = command{Kind: cmdExpireProducers, Now: now, Before: now - 2000}.encode()
		default:
			var p *batch.Producer
			if id := kafka.ProducerID(rng.IntN(4)); id > 0 {
				p = &batch.Producer{ID: id}
				if x := s.Producers[id]; x != nil {
					p.Epoch = x.Epoch
					last, _ := x.lastSequence()
					p.Sequence = plus(last, 1)
					if rng.IntN(10) == 0 {
						p.Epoch, p.Sequence = p.Epoch+1, 0
					}
				} else {
					p.Sequence = kafka.Sequence(math.MaxInt32 - rng.IntN(5))
				}
			}
			rs := make([]batch.Record, 1+rng.IntN(3))
			e.Data = batch.Build(batch.Params{Producer: p}, rs)
			batch.Stamp(e.Data, s.NextOffset, kafka.LeaderEpoch(term))
			h := stamped(&e)
			if dup, code := s.Producers.check(&h); dup != nil || code != kerror.None {
				panic(fmt.Sprint("the next batch of a producer is refused: ", dup, code))
			}
		}
		applyTo(s, &e)
		es = append(es, e)
	}
	return es
}

func encoded(s *state) []byte { return (&checkpoint{State: s}).encode() }

// TestStateIsAFunctionOfTheLog: from the beginning, or from a checkpoint at any place and the entries since.
func TestStateIsAFunctionOfTheLog(t *testing.T) {
	for seed := range uint64(50) {
		es := history(rand.New(rand.NewPCG(seed, 1)), 120)
		whole := newState()
		var at []*state
		for i := range es {
			at = append(at, whole.clone())
			applyTo(whole, &es[i])
		}
		want := encoded(whole)
		for i, s := range at {
			before := encoded(s)
			c, err := decodeCheckpoint(before)
			if err != nil {
				t.Fatal(err)
			}
			for k := range es[i:] {
				applyTo(c.State, &es[i+k])
			}
			if !bytes.Equal(encoded(c.State), want) {
				t.Fatalf("seed %d: from a checkpoint at %d it is\n%s, else\n%s", seed, i, encoded(c.State), want)
			}
			if !bytes.Equal(encoded(s), before) {
				t.Fatalf("seed %d: a clone changed with its original", seed)
			}
		}
	}
}

// TestEveryBatchHasOneFate: the last five batches of a producer are duplicates, the next one is new, all else is refused.
func TestEveryBatchHasOneFate(t *testing.T) {
	for _, start := range []kafka.Sequence{0, 100, math.MaxInt32 - 6} {
		ps := producers{}
		var sent []batch.Header
		seq, base := start, kafka.Offset(0)
		for i := range 12 {
			h := batch.Header{ProducerID: 1, BaseSequence: seq, LastDelta: int32(i % 3), BaseOffset: base, Size: 100}
			ps.apply(&h)
			sent = append(sent, h)
			seq, base = plus(seq, h.LastDelta+1), h.NextOffset()
		}
		for i, h := range sent {
			dup, code := ps.check(&h)
			if known := i >= len(sent)-window; known != (dup != nil) || known != (code == kerror.None) || known && dup.Base != h.BaseOffset {
				t.Errorf("from %d, batch %d: %+v %v", start, i, dup, code)
			}
		}
		for d := int32(-20); d < 20; d++ {
			h := batch.Header{ProducerID: 1, BaseSequence: plus(plus(seq, math.MaxInt32), d+1), LastDelta: 7}
			if _, code := ps.check(&h); (code == kerror.None) != (d == 0) {
				t.Errorf("from %d, %d behind the end: %v", start, d, code)
			}
		}
	}
}

func TestCommandRoundTrip(t *testing.T) {
	for _, c := range []command{{Kind: cmdRoll}, {Kind: cmdAdvanceLogStart, Offset: math.MaxInt64}, {Kind: cmdExpireProducers, Now: 5, Before: -3}} {
		e := wal.Entry{Data: c.encode()}
		if !isCommand(&e) || isBatch(&e) || decodeCommand(&e) != c {
			t.Errorf("%+v", c)
		}
	}
}

// FuzzCheckpoint: what a peer sends is refused or survives its round trip; it never panics.
func FuzzCheckpoint(f *testing.F) {
	s := newState()
	for _, e := range history(rand.New(rand.NewPCG(1, 1)), 30) {
		applyTo(s, &e)
	}
	f.Add(encoded(s))
	for _, x := range []string{"", "\x01{}", "\x01{\"State\":null}", "\x01{\"State\":{\"Producers\":{\"1\":null}}}", "\x02{}"} {
		f.Add([]byte(x))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeCheckpoint(b)
		if err != nil {
			return
		}
		again, err := decodeCheckpoint(c.encode())
		if err != nil || !bytes.Equal(again.encode(), c.encode()) {
			t.Fatalf("%v", err)
		}
		_ = c.State.clone()
	})
}
