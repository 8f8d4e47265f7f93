package group

import (
	"time"

	"chronik/protocol/kerror"
)

// maxAppendBytes bounds what consecutive commits put into one append; a single operation may be larger.
const maxAppendBytes = 512 << 10

// op is something that must be written. decide is called when its turn comes and returns the records; when there are
// none it is over, and decide has answered the call. done learns the outcome after the records were applied.
type op struct {
	call   *call // nil: nobody waits
	shared bool  // may share an append with others of its kind: they touch offsets only
	decide func() []record
	done   func(kerror.Code)
}

// enqueue adds a write behind all others.
func (g *machine) enqueue(o *op) {
	g.queue = append(g.queue, o)
	if o.call != nil {
		g.park(o.call)
	}
}

// afterWrites calls then when everything that was enqueued before is decided.
func (g *machine) afterWrites(c *call, then func()) {
	if len(g.queue) == 0 && len(g.inflight) == 0 {
		then()
		return
	}
	g.enqueue(&op{call: c, decide: func() []record {
		then()
		return nil
	}})
}

// decide takes the next write, or the next run of commits, and hands its records to the outbox.
func (g *machine) decide() {
	if len(g.inflight) > 0 {
		return
	}
	var records []record
	size := 0
	for len(g.queue) > 0 {
		o := g.queue[0]
		if len(g.inflight) > 0 && (!o.shared || !g.inflight[0].shared || size >= maxAppendBytes) {
			break
		}
		g.queue[0] = nil
		g.queue = g.queue[1:]
		if o.call != nil && o.call.answered {
			continue // given up at its deadline: it must not be written any more
		}
		rs := o.decide()
		if len(rs) == 0 {
			continue
		}
		for _, r := range rs {
			size += r.size()
		}
		records = append(records, rs...)
		g.inflight = append(g.inflight, o)
	}
	if len(records) > 0 {
		g.out.append, g.writing = records, records
	}
}

// appended tells the outcome of the append that the outbox asked for. On success the records are applied.
func (g *machine) appended(now time.Time, code kerror.Code) {
	g.now = now
	ops, records := g.inflight, g.writing
	g.inflight, g.writing = nil, nil
	if code == kerror.None {
		for _, r := range records {
			f, err := decode(r.key, r.value)
			if err != nil {
				panic("BUG: our own record cannot be read: " + err.Error())
			}
			g.apply(f)
		}
	}
	for _, o := range ops {
		o.done(code)
	}
	g.settle()
}

// certain says whether an append that failed with this code left nothing in the log for sure. Of any other failure the
// records may still become committed, and what the log says has to be read again.
func certain(code kerror.Code) bool {
	switch code {
	case kerror.NotEnoughReplicas, kerror.KafkaStorageError, kerror.MessageTooLarge, kerror.RecordListTooLarge, kerror.PolicyViolation:
		return true
	}
	return false
}

// groupWriteError is what Kafka answers for a failed write of group metadata or tombstones.
func groupWriteError(code kerror.Code) kerror.Code {
	switch code {
	case kerror.None:
		return kerror.None
	case kerror.NotEnoughReplicas, kerror.NotEnoughReplicasAfterAppend, kerror.RequestTimedOut, kerror.UnknownTopicOrPartition:
		return kerror.CoordinatorNotAvailable
	case kerror.NotLeaderOrFollower, kerror.FencedLeaderEpoch, kerror.UnknownLeaderEpoch:
		return kerror.NotCoordinator
	case kerror.MessageTooLarge, kerror.RecordListTooLarge:
		return kerror.UnknownServerError
	}
	return code
}

// commitWriteError is the same for offset commits. A full disk is told as such, so that it is seen where it is felt.
func commitWriteError(code kerror.Code) kerror.Code {
	switch code {
	case kerror.MessageTooLarge, kerror.RecordListTooLarge:
		return kerror.InvalidCommitOffsetSize
	}
	return groupWriteError(code)
}
