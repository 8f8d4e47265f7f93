package group

import (
	"maps"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors/message"
	"chronik/protocol/batch"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
)

const (
	loadChunk     = 1 << 20 // bytes asked for at a time
	loadWait      = time.Second
	loadRetry     = 100 * time.Millisecond
	loadRetryLong = 10 * time.Second // after damage: it will not go away by itself
)

// loader replays the partition's log into machines. Memory is bounded by the live state and one chunk.
type loader struct {
	begun    time.Time
	next     kafka.Offset // to fetch
	end      kafka.Offset // the log's end when loading began, committed or not
	machines map[string]*machine
	records  int
	attempts uint64
}

// load begins at the beginning: it asks where the log starts and ends.
func (s *shard) load(ctx actor.Context) {
	s.phase = loading
	attempts := s.loader.attempts
	s.loader = loader{begun: s.now(), machines: map[string]*machine{}, attempts: attempts}
	s.ask(ctx, func(to message.ReplyTo) any { return &message.DescribeReplica{ReplyTo: to} })
}

// ask sends a question to the local replica; only the answer to the newest counts.
func (s *shard) ask(ctx actor.Context, build func(message.ReplyTo) any) {
	s.token++
	pid := s.node.View.Replica(s.log)
	if pid == nil {
		s.loadLater(ctx, loadRetry)
		return
	}
	ctx.Send(pid, build(message.ReplyTo{PID: ctx.Self(), Token: s.token}))
}

func (s *shard) loadLater(ctx actor.Context, d time.Duration) {
	s.token++
	s.loader.attempts++
	s.startTimer(ctx, d, &retryLoad{Attempt: s.loader.attempts})
}

func (s *shard) retryLoad(ctx actor.Context, m *retryLoad) {
	if s.phase == loading && m.Attempt == s.loader.attempts {
		s.load(ctx)
	}
}

// described answers the loader's first question, or housekeeping's.
func (s *shard) described(ctx actor.Context, m *message.DescribeReplicaReply) {
	if m.Token != s.token {
		return
	}
	if s.phase == active {
		s.considerRewrite(ctx, m)
		return
	}
	if s.phase != loading {
		return
	}
	if m.Reason != kerror.None || !m.Leader || m.LeaderEpoch != s.epoch {
		s.loadLater(ctx, loadRetry)
		return
	}
	s.loader.next, s.loader.end = m.LogStart, m.LogEnd
	s.fetchOrFinish(ctx)
}

func (s *shard) fetchOrFinish(ctx actor.Context) {
	if s.loader.next >= s.loader.end {
		s.loaded(ctx)
		return
	}
	s.ask(ctx, func(to message.ReplyTo) any {
		return &message.Fetch{
			ReplyTo: to, Offset: s.loader.next, MaxBytes: loadChunk, MinOne: true, Wait: loadWait,
			LeaderEpoch: s.epoch, LastFetchedEpoch: kafka.NoLeaderEpoch,
		}
	})
}

func (s *shard) fetched(ctx actor.Context, m *message.FetchReply) {
	if s.phase != loading || m.Token != s.token {
		return
	}
	switch {
	case m.Reason != kerror.None:
		s.loadLater(ctx, loadRetry)
	case m.Cold != nil:
		s.token++
		ctx.Send(s.node.SegmentReader, &message.ReadCold{ReplyTo: message.ReplyTo{PID: ctx.Self(), Token: s.token}, Range: *m.Cold})
	default:
		s.replay(ctx, m.Batches)
	}
}

func (s *shard) coldRead(ctx actor.Context, m *message.ColdRead) {
	if m.Free != nil {
		defer m.Free()
	}
	if s.phase != loading || m.Token != s.token {
		return
	}
	if m.Err != nil {
		s.logger.Error("groups cannot be loaded", "error", m.Err)
		s.loadLater(ctx, loadRetryLong)
		return
	}
	s.replay(ctx, m.Batches)
}

// replay applies whole batches in order. Records before the wanted offset are skipped: a first batch may begin earlier.
func (s *shard) replay(ctx actor.Context, batches [][]byte) {
	for _, raw := range batches {
		for h, b := range batch.Split(raw) {
			if h.NextOffset() <= s.loader.next {
				continue
			}
			if err := s.replayBatch(&h, b); err != nil {
				s.logger.Error("groups cannot be loaded", "error", err, "offset", int64(h.BaseOffset))
				s.loadLater(ctx, loadRetryLong)
				return
			}
			s.loader.next = h.NextOffset()
		}
	}
	s.fetchOrFinish(ctx)
}

func (s *shard) replayBatch(h *batch.Header, raw []byte) error {
	if h.Control() {
		return nil
	}
	for r, err := range batch.Records(raw) {
		if err != nil {
			return err
		}
		if r.Offset < s.loader.next {
			continue
		}
		f, err := decode(r.Key, r.Value)
		if err != nil {
			return err
		}
		s.loader.records++
		if f.Other {
			continue
		}
		m := s.loader.machines[f.Group]
		if m == nil {
			m = s.newMachine(f.Group)
			s.loader.machines[f.Group] = m
		}
		m.apply(f)
		if m.stored == nil && len(m.offsets) == 0 {
			delete(s.loader.machines, f.Group)
		}
	}
	return nil
}

// loaded makes every group that was found an actor.
func (s *shard) loaded(ctx actor.Context) {
	s.phase = active
	machines := s.loader.machines
	now := s.now()
	for _, id := range slices.Sorted(maps.Keys(machines)) {
		m := machines[id]
		m.restore(now)
		s.spawn(ctx, m, true)
	}
	s.logger.Info("groups loaded", "groups", len(machines), "records", s.loader.records, "took", now.Sub(s.loader.begun))
	s.loader = loader{}
	if names := s.forgotten; len(names) > 0 {
		s.forgotten = nil
		s.topicsDeleted(ctx, &message.TopicsDeleted{Names: names})
	}
	s.startTimer(ctx, housekeepEvery, &housekeep{})
}
