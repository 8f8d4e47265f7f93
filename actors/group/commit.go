package group

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/protocol/kerror"
)

// commitOffsets handles OffsetCommit 2-10. Topics and partitions have been checked by the caller, who has also put each
// topic's name and, when known, its id into the request.
//
// Version notes: 2-4 may ask for a retention of their own. 6 adds the leader epoch, 7 static members. 9 answers
// GROUP_ID_NOT_FOUND instead of ILLEGAL_GENERATION for a group that does not exist. 10 names topics by id (KIP-848).
func (g *machine) commitOffsets(c *call, req *kmsg.OffsetCommitRequest) {
	g.enqueue(&op{call: c, shared: true, decide: func() []record {
		if code := g.mayCommit(req); code != kerror.None {
			g.reply(c, refuse(req, code))
			return nil
		}
		if m := g.byID[req.MemberID]; m != nil && (g.state == stable || g.state == preparing) {
			g.alive(m)
		}
		records := g.commitRecords(req)
		if len(records) == 0 {
			g.reply(c, g.commitResponse(req, kerror.None))
		}
		return records
	}, done: func(code kerror.Code) {
		g.reply(c, g.commitResponse(req, commitWriteError(code)))
	}})
}

// mayCommit fences commits: of a member, the identity and generation must be current; of nobody in particular, the group
// must be empty (an assign-only consumer or an administrator).
func (g *machine) mayCommit(req *kmsg.OffsetCommitRequest) kerror.Code {
	anonymous := req.Generation < 0 && req.MemberID == "" && req.InstanceID == nil
	switch {
	case g.state == dead:
		return kerror.CoordinatorNotAvailable
	case req.Generation >= 0 && g.absent():
		return absentCommit(req.Version)
	case req.Generation < 0 && g.state == empty:
		return kerror.None
	case anonymous:
		return kerror.UnknownMemberID
	}
	m, code := g.known(req.MemberID, req.InstanceID)
	switch {
	case m == nil:
		return code
	case req.Generation != g.generation:
		return kerror.IllegalGeneration
	case g.state == completing:
		// It knows the generation but not yet what it owns: it may try again after the rebalance.
		return kerror.RebalanceInProgress
	}
	return kerror.None
}

// absent says that the group exists for nobody but ourselves.
func (g *machine) absent() bool {
	return g.state == empty && g.stored == nil && len(g.offsets) == 0 && len(g.pending) == 0
}

func (g *machine) commitRecords(req *kmsg.OffsetCommitRequest) []record {
	now := g.now.UnixMilli()
	expireAt := int64(noExpiry)
	if req.Version <= 4 && req.RetentionTimeMillis != -1 {
		expireAt = now + req.RetentionTimeMillis
	}
	var records []record
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			if g.metadataTooLarge(p.Metadata) {
				continue
			}
			v := committed{Offset: p.Offset, LeaderEpoch: p.LeaderEpoch, CommittedAt: now, ExpireAt: expireAt, TopicID: t.TopicID}
			if p.Metadata != nil {
				v.Metadata = *p.Metadata
			}
			records = append(records, offsetRecord(g.id, t.Topic, p.Partition, v))
		}
	}
	return records
}

func (g *machine) metadataTooLarge(s *string) bool {
	return s != nil && len(*s) > g.limits().metadataMaxSize
}

func (g *machine) commitResponse(req *kmsg.OffsetCommitRequest, code kerror.Code) *kmsg.OffsetCommitResponse {
	r := refuse(req, code).(*kmsg.OffsetCommitResponse)
	for i, t := range req.Topics {
		for j, p := range t.Partitions {
			if code == kerror.None && g.metadataTooLarge(p.Metadata) {
				r.Topics[i].Partitions[j].ErrorCode = int16(kerror.OffsetMetadataTooLarge)
			}
		}
	}
	return r
}
