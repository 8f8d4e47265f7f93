package replica

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors/message"
	"chronik/protocol/batch"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
	"chronik/wal"
)

// pendingAppend is a proposal on its way: a batch with somebody who waits, or a command (free of both).
type pendingAppend struct {
	to         message.ReplyTo
	acks       int16
	deadline   time.Time
	base       kafka.Offset
	appendTime kafka.Timestamp
	free       func()
	at         wal.Position // where it is in the log, once it is
	duplicate  bool
	command    bool
}

// append handles AppendBatch: checks, stamps, proposes.
func (r *Replica) append(ctx actor.Context, m *message.AppendBatch) {
	refuse := func(c kerror.Code, text string) {
		if m.Free != nil {
			m.Free()
		}
		if m.Acks != 0 || c != kerror.None {
			m.Send(ctx, &message.AppendBatchReply{Answered: message.Answered{Token: m.Token}, Reason: c, Message: text, BaseOffset: kafka.NoOffset,
				LogAppendTime: kafka.NoTimestamp, LogStartOffset: r.log.start, LeaderEpoch: r.epoch()})
		}
	}
	switch {
	case !r.g.Leading():
		refuse(kerror.NotLeaderOrFollower, r.noLeaderText())
		return
	case m.LeaderEpoch != kafka.NoLeaderEpoch && m.LeaderEpoch != r.epoch():
		refuse(kerror.NotLeaderOrFollower, "the coordinator that appends was loaded in another epoch")
		return
	case r.diskFull:
		refuse(kerror.KafkaStorageError, "the disk of this broker is full")
		return
	case m.Header.Size > int(r.cfg.MaxMessageBytes) && !m.Coordinator:
		refuse(kerror.MessageTooLarge, "")
		return
	// A new leader does not know yet who is there; the check after the append holds.
	case m.Acks == -1 && r.now.Sub(r.isr.since) > silent && len(r.isr.members) < r.cfg.MinInsyncReplicas:
		refuse(kerror.NotEnoughReplicas, "")
		return
	}
	h := m.Header
	dup, code := r.log.end.Producers.check(&h)
	if code != kerror.None {
		refuse(code, "")
		return
	}
	if dup != nil {
		r.answerDuplicate(ctx, m, dup)
		return
	}
	p := &pendingAppend{to: m.ReplyTo, acks: m.Acks, deadline: m.Deadline, base: r.log.end.NextOffset, appendTime: kafka.NoTimestamp, free: m.Free}
	if m.Acks == 0 {
		p.to = message.ReplyTo{}
	}
	if r.cfg.TimestampType == "LogAppendTime" {
		p.appendTime = kafka.Timestamp(r.o.Node.Env.Clock.Now().UnixMilli())
		batch.StampAppendTime(m.Raw, p.appendTime)
		h, _ = batch.ParseHeader(m.Raw)
	}
	batch.Stamp(m.Raw, p.base, r.epoch())
	h.BaseOffset, h.LeaderEpoch = p.base, r.epoch()
	if r.rollBefore(&h) {
		r.command(ctx, command{Kind: cmdRoll})
	}
	r.log.end.applyBatch(&h)
	r.queue = append(r.queue, p)
	r.g.Propose(ctx, m.Raw)
}

func (r *Replica) noLeaderText() string {
	if r.g.Role().Leader == 0 {
		return "No leader elected yet"
	}
	return ""
}

// command proposes a command entry; the end state has it at once, as it has queued batches.
func (r *Replica) command(ctx actor.Context, c command) *pendingAppend {
	p := &pendingAppend{command: true}
	r.log.end.applyCommand(c)
	r.queue = append(r.queue, p)
	r.g.Propose(ctx, c.encode())
	return p
}

// answerDuplicate answers a retry together with its original, by what it asks for itself: that the original is committed
// does not say that min.insync.replicas disks have it.
func (r *Replica) answerDuplicate(ctx actor.Context, m *message.AppendBatch, b *producerBatch) {
	if m.Free != nil {
		m.Free()
	}
	if m.Acks == 0 {
		return
	}
	p := &pendingAppend{to: m.ReplyTo, acks: m.Acks, deadline: m.Deadline, base: b.Base, appendTime: b.Timestamp, duplicate: true} // the time as Apache Kafka tells it
	if at, ok := r.log.indexOf(b.Base); ok {
		p.at = wal.Position{Index: at, Term: r.g.Role().Term}
		r.wait(p)
		r.acknowledgeReady(ctx)
		return
	}
	// It waits for the flush itself: right behind the original in the queue's own order.
	for _, q := range r.queue {
		if q.base == b.Base && !q.command {
			r.followers(q, p)
			return
		}
	}
	panic("BUG: " + r.o.Birth.Name + ": a remembered batch is neither in the log nor on its way")
}

// followers remembers a duplicate that waits for an original which is not in the log yet.
func (r *Replica) followers(original, duplicate *pendingAppend) {
	for i, q := range r.queue {
		if q == original {
			duplicate.duplicate = true
			r.queue = append(r.queue[:i+1], append([]*pendingAppend{duplicate}, r.queue[i+1:]...)...)
			return
		}
	}
}

// wait puts an append that is in the log among the waiters, which are kept by index.
func (r *Replica) wait(p *pendingAppend) {
	i := len(r.waiters)
	for i > 0 && r.waiters[i-1].at.Index > p.at.Index {
		i--
	}
	r.waiters = append(r.waiters, nil)
	copy(r.waiters[i+1:], r.waiters[i:])
	r.waiters[i] = p
}

// Appended implements raftgroup.Machine: entries are at the end of the log now.
func (r *Replica) Appended(entries []wal.Entry, truncated wal.Index, leading bool) {
	if truncated > 0 {
		r.log.cut(truncated)
		r.rebuild(entries[0].Index)
	}
	for i := range entries {
		e := &entries[i]
		r.log.push(e)
		own := leading && e.Term == r.g.Role().Term && (isBatch(e) || isCommand(e))
		if !own {
			applyTo(r.log.end, e)
			continue
		}
		r.pair(e)
	}
}

// pair finds the proposal that an entry of our own came from: the oldest in the queue, and the duplicates behind it.
func (r *Replica) pair(e *wal.Entry) {
	if len(r.queue) == 0 {
		panic("BUG: " + r.o.Birth.Name + ": an entry of our own term that nobody proposed")
	}
	p := r.queue[0]
	r.queue[0] = nil
	r.queue = r.queue[1:]
	at := wal.Position{Index: e.Index, Term: e.Term}
	for {
		p.at = at
		if p.free != nil {
			p.free()
			p.free = nil
		}
		if p.to.PID != nil {
			r.waiters = append(r.waiters, p)
		}
		if len(r.queue) == 0 || !r.queue[0].duplicate {
			return
		}
		p = r.queue[0]
		r.queue[0] = nil
		r.queue = r.queue[1:]
	}
}

// Dropped implements raftgroup.Machine: the newest n proposals never get into the log.
func (r *Replica) Dropped(n int) {
	ctx := r.context()
	for _, p := range r.queue {
		if p.free != nil {
			p.free()
		}
		r.fail(ctx, p, kerror.NotLeaderOrFollower)
	}
	r.queue = nil
	r.rebuild(r.log.last() + 1)
	r.endDeletes(ctx, func(d *pendingDelete) bool { return d.before > r.log.end.LogStart }, kerror.NotLeaderOrFollower)
}

// rebuild computes the end state anew: flushed, and every entry since up to (not including) an index.
func (r *Replica) rebuild(until wal.Index) {
	s := r.log.flushed.clone()
	for i := r.log.flushedTo.Index + 1; i < until; i++ {
		e, ok := r.g.Node().Entry(i)
		if !ok {
			panic("BUG: " + r.o.Birth.Name + ": an entry that is not in segments left memory")
		}
		applyTo(s, &e)
	}
	r.log.end = s
}

// Durable implements raftgroup.Machine.
func (r *Replica) Durable(index wal.Index, term wal.Term) {
	r.durable = wal.Position{Index: index, Term: term}
	r.acknowledgeReady(r.context())
}

// acknowledgeReady answers every waiter whose promise holds.
func (r *Replica) acknowledgeReady(ctx actor.Context) {
	copies := wal.Index(0)
	if r.cfg.MinInsyncReplicas > 1 && len(r.waiters) > 0 {
		copies = r.replicated(r.cfg.MinInsyncReplicas)
	}
	keep := r.waiters[:0]
	for _, p := range r.waiters {
		ok := p.at.Index <= r.durable.Index
		if p.acks == -1 {
			ok = p.at.Index <= r.g.Applied() && (r.cfg.MinInsyncReplicas <= 1 || p.at.Index <= copies)
		}
		if ok {
			r.acknowledge(ctx, p)
		} else {
			keep = append(keep, p)
		}
	}
	clear(r.waiters[len(keep):])
	r.waiters = keep
}

func (r *Replica) acknowledge(ctx actor.Context, p *pendingAppend) {
	p.to.Send(ctx, &message.AppendBatchReply{Answered: message.Answered{Token: p.to.Token}, BaseOffset: p.base, LogStartOffset: r.log.start,
		LogAppendTime: p.appendTime, LeaderEpoch: r.epoch()})
}

func (r *Replica) fail(ctx actor.Context, p *pendingAppend, c kerror.Code) {
	p.to.Send(ctx, &message.AppendBatchReply{Answered: message.Answered{Token: p.to.Token}, Reason: c, BaseOffset: kafka.NoOffset,
		LogAppendTime: kafka.NoTimestamp, LogStartOffset: r.log.start, LeaderEpoch: r.epoch()})
}

// expireWaiters answers those whose time is up: the record is in the log, but its promise does not hold yet.
func (r *Replica) expireWaiters(ctx actor.Context) {
	keep := r.waiters[:0]
	for _, p := range r.waiters {
		switch {
		case p.deadline.IsZero() || r.now.Before(p.deadline):
			keep = append(keep, p)
		case p.at.Index <= r.g.Applied():
			r.fail(ctx, p, kerror.NotEnoughReplicasAfterAppend)
		default:
			r.fail(ctx, p, kerror.RequestTimedOut)
		}
	}
	clear(r.waiters[len(keep):])
	r.waiters = keep
}

// failAll answers everybody who waits for an append: this replica leads no more, the outcome is unknown.
func (r *Replica) failAll(ctx actor.Context) {
	for _, p := range r.waiters {
		r.fail(ctx, p, kerror.NotLeaderOrFollower)
	}
	r.waiters = nil
}
