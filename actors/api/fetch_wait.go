package api

import (
	"chronik/actors/message"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
)

// enough says that there is no reason to wait: errors, news of epochs, segments to read, or MinBytes are there.
func (f *fetchCall) enough() bool {
	size, asked := 0, 0
	for _, p := range f.parts {
		switch {
		case p.code != kerror.None, p.preferred != kafka.NoNode:
			return true
		case p.reply != nil && (p.reply.Cold != nil || p.reply.DivergingEpoch != kafka.NoLeaderEpoch):
			return true
		}
		asked++
		size += p.size
	}
	return asked == 0 || size >= int(f.req.MinBytes)
}

// woken looks after the wait when one of the parked questions was answered.
func (f *fetchCall) woken(p *fetchPart) {
	if f.enough() || f.size() >= f.limit || p.reply == nil || f.deadline.Sub(f.Now()) <= 0 {
		f.finishWait()
		return
	}
	if p.size >= p.want.maxBytes {
		return // this one is full; others may still add
	}
	f.waiting++
	f.askReplica(p, f.deadline.Sub(f.Now())+grace)
}

func (f *fetchCall) size() (n int) {
	for _, p := range f.parts {
		n += p.size
	}
	return n
}

// finishWait withdraws the questions that are still parked and goes on with what there is.
func (f *fetchCall) finishWait() {
	if f.done {
		return
	}
	f.parked = false
	f.withdraw()
	f.readCold()
}

func (f *fetchCall) withdraw() {
	if f.cancel != nil {
		f.cancel()
		f.cancel = nil
	}
	for _, p := range f.parts {
		if p.token != 0 {
			f.Forget(p.token)
			f.Tell(p.pid, &message.CancelFetch{ReplyTo: message.ReplyTo{PID: f.host.Self(), Token: p.token}})
			p.token = 0
		}
	}
	f.waiting = 0
}

// readCold trims the answer to its limit, first come first served, and has the segment reader fetch what is not in
// memory.
func (f *fetchCall) readCold() {
	f.done = true
	total := 0
	var cold []*fetchPart
	for _, p := range f.parts {
		switch {
		case p.code != kerror.None || p.reply == nil:
		case p.reply.Cold != nil && len(p.batches) == 0:
			r := *p.reply.Cold
			r.MaxBytes = min(max(f.limit-total, 0), p.want.maxBytes)
			r.MinOne = total == 0
			if r.MaxBytes == 0 && !r.MinOne {
				continue
			}
			if !take(&f.Client.Shared.coldBytes, int64(r.MaxBytes), maxColdBytes) {
				if total > 0 {
					continue
				}
				r.MaxBytes = 0
			}
			f.cold += int64(r.MaxBytes)
			total += max(r.MaxBytes, 1)
			p.reply.Cold = &r
			cold = append(cold, p)
		default:
			total = p.trim(total, f.limit)
		}
	}
	arrived := gather(len(cold), f.answer)
	for _, p := range cold {
		f.Ask(f.View().SegmentIO, func(r message.ReplyTo) any { return &message.ReadCold{ReplyTo: r, Range: *p.reply.Cold} }, func(reply any) {
			p.coldRead(reply)
			arrived()
		})
	}
}

// trim keeps the batches that fit behind total bytes; the very first batch of an answer always does (KIP-74).
func (p *fetchPart) trim(total, limit int) int {
	keep := 0
	p.size = 0
	for _, b := range p.batches {
		if total > 0 && total+len(b) > limit {
			break
		}
		total += len(b)
		p.size += len(b)
		keep++
	}
	p.batches = p.batches[:keep]
	return total
}

func (p *fetchPart) coldRead(reply any) {
	r, ok := reply.(*message.ColdRead)
	switch {
	case !ok:
		p.code = kerror.RequestTimedOut
	case r.Err != nil:
		p.code = kerror.KafkaStorageError
	default:
		p.batches = r.Batches
		for _, b := range r.Batches {
			p.size += len(b)
		}
	}
}
