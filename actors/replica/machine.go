package replica

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors/message"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
	"chronik/raftnode"
	"chronik/wal"
)

func (r *Replica) context() actor.Context { return r.g.Context() }

// Apply implements raftgroup.Machine: the high watermark is the end of what is applied.
func (r *Replica) Apply(entries []wal.Entry) {
	ctx := r.context()
	for i := range entries {
		e := &entries[i]
		r.flush.count(e)
		if isCommand(e) {
			if c := decodeCommand(e); c.Kind == cmdAdvanceLogStart {
				r.log.start = max(r.log.start, min(c.Offset, r.log.nextAfter(e.Index)))
			}
		}
		if e.Term == r.g.Role().Term && r.g.Leading() {
			r.confirmed = true
		}
	}
	last := entries[len(entries)-1]
	r.pos = wal.Position{Index: last.Index, Term: last.Term}
	if next := r.log.nextAfter(last.Index); next > r.log.high {
		r.log.high = next
	}
	r.acknowledgeReady(ctx)
	r.passBarriers(ctx)
	r.answerDeletes(ctx)
	r.wakeFetches(ctx)
	r.announce(ctx)
	r.maybeFlush(ctx)
}

// RoleChanged implements raftgroup.Machine.
func (r *Replica) RoleChanged(role raftnode.Role) {
	ctx := r.context()
	r.confirmed = false
	if !r.g.Leading() {
		r.failAll(ctx)
		r.endDeletes(ctx, everyDelete, kerror.NotLeaderOrFollower)
		r.failBarriers(ctx)
	}
	r.isr.reset(r)
	r.told = time.Time{}
	r.wakeFetches(ctx)
	r.announce(ctx)
}

// Progress implements raftgroup.Machine.
func (r *Replica) Progress() {
	if r.g.Leading() && len(r.isr.members) < len(r.conf.GetVoters()) {
		r.sweepInSync(r.context())
	}
	if r.cfg.MinInsyncReplicas > 1 && len(r.waiters) > 0 {
		r.acknowledgeReady(r.context())
	}
}

// describe answers DescribeReplica.
func (r *Replica) describe(ctx actor.Context, m *message.DescribeReplica) {
	out := &message.DescribeReplicaReply{Answered: message.Answered{Token: m.Token}, Leader: r.g.Leading(), LeaderEpoch: r.epoch(), HighWatermark: r.log.high,
		LogEnd: r.log.end.NextOffset, LogStart: r.log.start, SizeBytes: r.log.size()}
	if r.g.Leading() {
		for _, p := range r.g.Node().Peers() {
			caught := r.isr.caughtUp[p.ID]
			if p.ID == r.self() {
				caught = r.now
			}
			out.Voters = append(out.Voters, message.VoterState{Replica: p.ID, LogEnd: int64(p.Match) + 1, LastFetch: kafka.Timestamp(caught.UnixMilli()),
				LastCaughtUp: kafka.Timestamp(caught.UnixMilli()), Learner: p.Learner})
		}
	}
	if m.Producers {
		out.Producers = r.producerInfos()
	}
	m.Send(ctx, out)
}

// refuse answers everything while the replica is closing; true: the message is dealt with.
func (r *Replica) refuse(ctx actor.Context) bool {
	switch m := ctx.Message().(type) {
	case *message.AppendBatch:
		if m.Free != nil {
			m.Free()
		}
		m.Send(ctx, &message.AppendBatchReply{Answered: message.Answered{Token: m.Token}, Reason: kerror.NotLeaderOrFollower, BaseOffset: kafka.NoOffset, LogAppendTime: kafka.NoTimestamp})
	case *message.Fetch:
		m.Send(ctx, &message.FetchReply{Answered: message.Answered{Token: m.Token}, Reason: kerror.NotLeaderOrFollower, DivergingEpoch: kafka.NoLeaderEpoch})
	case *message.ListOffsets:
		m.Send(ctx, &message.ListOffsetsReply{Answered: message.Answered{Token: m.Token}, Reason: kerror.NotLeaderOrFollower})
	case *message.FindEpochEnd:
		m.Send(ctx, &message.FindEpochEndReply{Answered: message.Answered{Token: m.Token}, Reason: kerror.NotLeaderOrFollower})
	case *message.DeleteRecords:
		m.Send(ctx, &message.DeleteRecordsReply{Answered: message.Answered{Token: m.Token}, Reason: kerror.NotLeaderOrFollower})
	case *message.DescribeReplica:
		m.Send(ctx, &message.DescribeReplicaReply{Answered: message.Answered{Token: m.Token}, Reason: kerror.NotLeaderOrFollower})
	case *message.ReadBarrier:
		answerBarrier(ctx, m.ReplyTo, kerror.NotLeaderOrFollower)
	case *message.RaftMessage, *message.Tick, *message.ReleaseLog, *message.SegmentWritten:
	default:
		return false
	}
	return true
}

// close stops serving; with Delete the group leaves the log and its segments.
func (r *Replica) close(ctx actor.Context, m *message.StopReplica) {
	r.closing = true
	r.failAll(ctx)
	for _, p := range r.queue { // the next flush still proposes them: their places are kept
		r.fail(ctx, p, kerror.NotLeaderOrFollower)
		p.to = message.ReplyTo{}
	}
	r.endDeletes(ctx, everyDelete, kerror.NotLeaderOrFollower)
	for _, f := range r.parked {
		f.m.Send(ctx, &message.FetchReply{Answered: message.Answered{Token: f.m.Token}, Reason: kerror.NotLeaderOrFollower, DivergingEpoch: kafka.NoLeaderEpoch})
	}
	r.parked = nil
	r.failBarriers(ctx)
	if !m.Delete {
		r.g.Note(ctx)
		m.Send(ctx, &message.ShutdownReply{Answered: message.Answered{Token: m.Token}})
		return
	}
	ctx.Send(r.o.Node.SegmentWriter, &message.WriteSegment{Append: wal.SegmentAppend{Group: r.o.Birth.Group, Delete: true}})
	ctx.Send(r.o.Node.WAL, &message.WriteLog{Write: wal.Write{Group: r.o.Birth.Group, Drop: true}})
	ctx.Send(r.o.Node.View.Broker(), &message.ReplicaGone{Group: r.o.Birth.Group})
}
