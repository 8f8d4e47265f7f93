package replica

import (
	"github.com/asynkron/protoactor-go/actor"

	"chronik/protocol/batch"
	"chronik/protocol/kafka"
)

// rollBefore says whether the open segment must be sealed before a batch goes in: by size, or by age.
func (r *Replica) rollBefore(h *batch.Header) bool {
	s := r.log.end
	if s.OpenBytes == 0 {
		return false
	}
	if s.OpenBytes+int64(h.Size) > r.cfg.SegmentBytes {
		return true
	}
	return r.cfg.SegmentMs > 0 && int64(h.MaxTimestamp-s.OpenFirst) > r.cfg.SegmentMs
}

// sweepRetention advances the log start past what retention.ms and retention.bytes let go, segment by segment, seals an
// open segment that is too old, and forgets producers that were silent for too long.
func (r *Replica) sweepRetention(ctx actor.Context) {
	if !r.confirmed {
		return
	}
	now := kafka.Timestamp(r.now.UnixMilli())
	start := r.log.start
	if ms := r.cfg.RetentionMs; ms >= 0 {
		for i := range r.log.segments {
			s := &r.log.segments[i]
			if !s.Sealed || s.MaxTimestamp >= int64(now)-ms {
				break
			}
			start = max(start, kafka.Offset(s.NextOffset))
		}
	}
	if limit := r.cfg.RetentionBytes; limit >= 0 {
		size := r.log.size()
		for i := range r.log.segments {
			s := &r.log.segments[i]
			if !s.Sealed || size-s.Bytes < limit {
				break
			}
			size -= s.Bytes
			start = max(start, kafka.Offset(s.NextOffset))
		}
	}
	if start = min(start, r.log.high); start > r.log.end.LogStart {
		r.command(ctx, command{Kind: cmdAdvanceLogStart, Offset: start})
	}
	if e := r.log.end; e.OpenBytes > 0 {
		// All of it is too old: it is sealed, so that the next sweep lets it go. By segment.ms alone an open segment is
		// sealed by the next batch (rollBefore), as by Apache Kafka.
		if r.cfg.RetentionMs >= 0 && int64(now-e.OpenMax) > r.cfg.RetentionMs {
			r.command(ctx, command{Kind: cmdRoll})
		}
	}
	r.sweepProducers(ctx, now)
}

// producerSweeps is how often within producer.id.expiration.ms silent producers are looked for.
const producerSweeps = 10

func (r *Replica) sweepProducers(ctx actor.Context, now kafka.Timestamp) {
	keep := kafka.Timestamp(r.o.Node.Config().ProducerIDExpiration.Milliseconds())
	if keep <= 0 || len(r.log.end.Producers) == 0 || now-r.lastExpiry < keep/producerSweeps {
		return
	}
	r.lastExpiry = now
	r.command(ctx, command{Kind: cmdExpireProducers, Now: now, Before: now - keep})
}
