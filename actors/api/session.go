package api

import (
	"math"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
)

// maxSessions bounds the fetch sessions of one connection; clients use one.
const maxSessions = 4

// sessions are the fetch sessions of a connection (KIP-227): what a client fetches again and again, so that it need not
// name it each time. A client that lost its connection starts anew, as after a session was evicted.
type sessions struct{ byID map[int32]*session }

// session is one of them.
type session struct {
	id, epoch int32 // epoch that the next request must have
	byTopicID bool
	busy      bool         // a fetch of it is under way; clients send one after the other
	parts     []*fetchPart // in the order in which they are served; those that got records move to the end
	index     map[partKey]*fetchPart
}

// partKey names a partition as the client does: by name up to version 12, by id from then on.
type partKey struct {
	topic string
	id    kafka.TopicID
	index int32
}

func (s *sessions) clear(shared *Shared) {
	shared.sessionCount.Add(-int64(len(s.byID)))
	s.byID = nil
}

func (s *sessions) remove(id int32, shared *Shared) {
	if s.byID[id] != nil {
		delete(s.byID, id)
		shared.sessionCount.Add(-1)
	}
}

// add makes a session of what a full fetch asked for; nil when there is no slot.
func (s *sessions) add(parts []*fetchPart, byTopicID bool, limit int, shared *Shared) *session {
	if len(s.byID) >= maxSessions || len(parts) == 0 || !take(&shared.sessionCount, 1, int64(limit)) {
		return nil
	}
	x := &session{epoch: 1, busy: true, byTopicID: byTopicID, parts: parts, index: map[partKey]*fetchPart{}}
	for _, p := range parts {
		x.index[p.key] = p
	}
	for x.id == 0 {
		x.id = shared.sessionIDs.Add(1) & math.MaxInt32
	}
	if s.byID == nil {
		s.byID = map[int32]*session{}
	}
	s.byID[x.id] = x
	return x
}

// next finds the session of an incremental fetch and brings it up to date with the request.
func (s *sessions) next(req *kmsg.FetchRequest) (*session, kerror.Code) {
	x := s.byID[req.SessionID]
	switch {
	case x == nil:
		return nil, kerror.FetchSessionIDNotFound
	case x.epoch != req.SessionEpoch, x.busy:
		return nil, kerror.InvalidFetchSessionEpoch
	case x.byTopicID != (req.Version >= 13):
		return nil, kerror.FetchSessionTopicIDError
	}
	x.busy = true
	if x.epoch++; x.epoch < 0 {
		x.epoch = 1
	}
	for i := range req.ForgottenTopics {
		t := &req.ForgottenTopics[i]
		for _, p := range t.Partitions {
			x.forget(partKey{t.Topic, t.TopicID, p})
		}
	}
	for _, p := range requested(req) {
		if have := x.index[p.key]; have != nil {
			have.want = p.want
			continue
		}
		x.index[p.key] = p
		x.parts = append(x.parts, p)
	}
	return x, kerror.None
}

func (s *session) forget(k partKey) {
	gone := s.index[k]
	if gone == nil {
		return
	}
	delete(s.index, k)
	for i, p := range s.parts {
		if p == gone {
			s.parts = append(s.parts[:i:i], s.parts[i+1:]...)
			return
		}
	}
}

// rotate moves the partitions that got records behind the others, so that a busy one does not starve them.
func (s *session) rotate() {
	var fed, hungry []*fetchPart
	for _, p := range s.parts {
		if len(p.batches) > 0 {
			fed = append(fed, p)
		} else {
			hungry = append(hungry, p)
		}
	}
	s.parts = append(hungry, fed...)
}

// requested lists the partitions of a request, in order; of one that is named twice the first counts.
func requested(req *kmsg.FetchRequest) []*fetchPart {
	var out []*fetchPart
	seen := map[partKey]bool{}
	for i := range req.Topics {
		t := &req.Topics[i]
		for _, p := range t.Partitions {
			k := partKey{t.Topic, t.TopicID, p.Partition}
			if seen[k] {
				continue
			}
			seen[k] = true
			out = append(out, &fetchPart{key: k, want: wanted{offset: kafka.Offset(p.FetchOffset), epoch: kafka.LeaderEpoch(p.CurrentLeaderEpoch),
				lastEpoch: kafka.LeaderEpoch(p.LastFetchedEpoch), maxBytes: max(int(p.PartitionMaxBytes), 0)}})
		}
	}
	return out
}
