package replica

import (
	"math"
	"slices"

	"chronik/protocol/batch"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
)

// window is how many of a producer's batches are remembered: Kafka's producers have at most five in flight.
const window = 5

// producerBatch is one remembered batch of a producer.
type producerBatch struct {
	First, Last kafka.Sequence
	Base        kafka.Offset
	End         kafka.Offset // offset of its last record
	Timestamp   kafka.Timestamp
}

// producer is the state of one producer id in this partition.
type producer struct {
	Epoch         kafka.ProducerEpoch
	Batches       []producerBatch // oldest first, of Epoch only, at most window
	LastTimestamp kafka.Timestamp // of its last batch, as the client set it
	// Mark is when the leader first saw that it was silent; 0: it appended since. Producer ids expire by it.
	Mark       kafka.Timestamp
	CoordEpoch int32
}

// producers maps producer ids to their state (KIP-98, KIP-360). It is a function of the log.
type producers map[kafka.ProducerID]*producer

func (ps producers) clone() producers {
	c := make(producers, len(ps))
	for id, p := range ps {
		q := *p
		q.Batches = append([]producerBatch(nil), p.Batches...)
		c[id] = &q
	}
	return c
}

// plus adds to a sequence; it wraps from 2^31-1 to 0.
func plus(s kafka.Sequence, n int32) kafka.Sequence {
	if int64(s)+int64(n) > math.MaxInt32 {
		return kafka.Sequence(int64(s) + int64(n) - math.MaxInt32 - 1)
	}
	return s + kafka.Sequence(n)
}

func (p *producer) lastSequence() (kafka.Sequence, bool) {
	if n := len(p.Batches); n > 0 {
		return p.Batches[n-1].Last, true
	}
	return -1, false
}

// check decides on a batch before it is proposed: a duplicate of a remembered one, an error, or nil and None: append it.
func (ps producers) check(h *batch.Header) (*producerBatch, kerror.Code) {
	if h.ProducerID == kafka.NoProducer {
		return nil, kerror.None
	}
	p := ps[h.ProducerID]
	if p == nil {
		return nil, kerror.None // unknown producers begin with any sequence, as in Kafka since 2.5
	}
	if h.ProducerEpoch < p.Epoch {
		return nil, kerror.InvalidProducerEpoch
	}
	if h.ProducerEpoch > p.Epoch {
		if h.BaseSequence != 0 {
			return nil, kerror.OutOfOrderSequenceNumber
		}
		return nil, kerror.None
	}
	last := plus(h.BaseSequence, h.LastDelta)
	for i := range p.Batches {
		if b := &p.Batches[i]; b.First == h.BaseSequence && b.Last == last {
			return b, kerror.None
		}
	}
	if s, known := p.lastSequence(); known && plus(s, 1) != h.BaseSequence {
		return nil, kerror.OutOfOrderSequenceNumber
	}
	return nil, kerror.None
}

// apply takes an appended batch into account.
func (ps producers) apply(h *batch.Header) {
	if h.ProducerID == kafka.NoProducer {
		return
	}
	p := ps[h.ProducerID]
	if p == nil {
		p = &producer{}
		ps[h.ProducerID] = p
	}
	if p.Epoch != h.ProducerEpoch {
		p.Epoch, p.Batches = h.ProducerEpoch, nil
	}
	p.LastTimestamp, p.Mark = h.MaxTimestamp, 0
	if h.Control() {
		return
	}
	if len(p.Batches) == window {
		p.Batches = append(p.Batches[:0:0], p.Batches[1:]...)
	}
	p.Batches = append(p.Batches, producerBatch{h.BaseSequence, plus(h.BaseSequence, h.LastDelta), h.BaseOffset, h.LastOffset(), h.MaxTimestamp})
}

// expire marks the producers that were silent since the last call, and forgets those that were marked long ago.
func (ps producers) expire(now, before kafka.Timestamp) {
	for id, p := range ps {
		switch {
		case p.Mark == 0:
			p.Mark = now
		case p.Mark < before:
			delete(ps, id)
		}
	}
}

// ids lists the producer ids in order.
func (ps producers) ids() []kafka.ProducerID {
	ids := make([]kafka.ProducerID, 0, len(ps))
	for id := range ps {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
