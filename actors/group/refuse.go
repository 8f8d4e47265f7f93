package group

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/protocol/kerror"
)

// Refuse is the answer to a group request that fails as a whole with one code, in the request's version; with NONE, the
// bare success. OffsetFetch is expected and answered in the form of version 8 or later. It panics for other requests.
func Refuse(request kmsg.Request, code kerror.Code) kmsg.Response { return refuse(request, code) }

func refuse(request kmsg.Request, code kerror.Code) kmsg.Response {
	e := int16(code)
	switch req := request.(type) {
	case *kmsg.JoinGroupRequest:
		r := kmsg.NewPtrJoinGroupResponse()
		r.Version, r.ErrorCode, r.MemberID = req.Version, e, req.MemberID
		return r
	case *kmsg.SyncGroupRequest:
		r := kmsg.NewPtrSyncGroupResponse()
		r.Version, r.ErrorCode = req.Version, e
		return r
	case *kmsg.HeartbeatRequest:
		r := kmsg.NewPtrHeartbeatResponse()
		r.Version, r.ErrorCode = req.Version, e
		return r
	case *kmsg.LeaveGroupRequest:
		r := kmsg.NewPtrLeaveGroupResponse()
		r.Version, r.ErrorCode = req.Version, e
		return r
	case *kmsg.ListGroupsRequest:
		r := kmsg.NewPtrListGroupsResponse()
		r.Version, r.ErrorCode = req.Version, e
		return r
	case *kmsg.OffsetCommitRequest:
		return refuseCommit(req, e)
	case *kmsg.OffsetFetchRequest:
		return refuseFetch(req, e)
	case *kmsg.OffsetDeleteRequest:
		r := kmsg.NewPtrOffsetDeleteResponse()
		r.Version, r.ErrorCode = req.Version, e
		return r
	case *kmsg.DescribeGroupsRequest:
		r := kmsg.NewPtrDescribeGroupsResponse()
		r.Version = req.Version
		for _, id := range req.Groups {
			g := kmsg.NewDescribeGroupsResponseGroup()
			g.Group, g.ErrorCode = id, e
			r.Groups = append(r.Groups, g)
		}
		return r
	case *kmsg.DeleteGroupsRequest:
		r := kmsg.NewPtrDeleteGroupsResponse()
		r.Version = req.Version
		for _, id := range req.Groups {
			g := kmsg.NewDeleteGroupsResponseGroup()
			g.Group, g.ErrorCode = id, e
			r.Groups = append(r.Groups, g)
		}
		return r
	}
	panic("BUG: not a request of the group coordinator")
}

// refuseLoading is the answer while a partition is being loaded. A heartbeat is taken for good: its member must not be
// driven out by our start.
func refuseLoading(request kmsg.Request) kmsg.Response {
	if _, ok := request.(*kmsg.HeartbeatRequest); ok {
		return refuse(request, kerror.None)
	}
	return refuse(request, kerror.CoordinatorLoadInProgress)
}

func refuseCommit(req *kmsg.OffsetCommitRequest, code int16) *kmsg.OffsetCommitResponse {
	r := kmsg.NewPtrOffsetCommitResponse()
	r.Version = req.Version
	for _, t := range req.Topics {
		x := kmsg.NewOffsetCommitResponseTopic()
		x.Topic, x.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			y := kmsg.NewOffsetCommitResponseTopicPartition()
			y.Partition, y.ErrorCode = p.Partition, code
			x.Partitions = append(x.Partitions, y)
		}
		r.Topics = append(r.Topics, x)
	}
	return r
}

func refuseFetch(req *kmsg.OffsetFetchRequest, code int16) *kmsg.OffsetFetchResponse {
	r := kmsg.NewPtrOffsetFetchResponse()
	r.Version = req.Version
	for _, g := range req.Groups {
		x := kmsg.NewOffsetFetchResponseGroup()
		x.Group, x.ErrorCode = g.Group, code
		r.Groups = append(r.Groups, x)
	}
	return r
}

// absentReply answers for a group that does not exist. create is true when a group must be made to answer: the request may
// bring it into being, or is a read.
func absentReply(request kmsg.Request) (r kmsg.Response, create bool) {
	switch req := request.(type) {
	case *kmsg.JoinGroupRequest:
		if req.MemberID == "" {
			return nil, true
		}
		return refuse(req, kerror.UnknownMemberID), false
	case *kmsg.OffsetCommitRequest:
		if req.Generation < 0 {
			return nil, true
		}
		return refuse(req, absentCommit(req.Version)), false
	case *kmsg.LeaveGroupRequest:
		return absentLeave(req), false
	case *kmsg.SyncGroupRequest, *kmsg.HeartbeatRequest:
		return refuse(req, kerror.UnknownMemberID), false
	case *kmsg.OffsetFetchRequest, *kmsg.DescribeGroupsRequest:
		return nil, true // that there is nothing has to be confirmed by a read barrier as well
	default:
		return refuse(req, kerror.GroupIDNotFound), false
	}
}

func absentCommit(version int16) kerror.Code {
	if version >= 9 {
		return kerror.GroupIDNotFound
	}
	return kerror.IllegalGeneration
}

func absentLeave(req *kmsg.LeaveGroupRequest) *kmsg.LeaveGroupResponse {
	if req.Version < 3 {
		return refuse(req, kerror.UnknownMemberID).(*kmsg.LeaveGroupResponse)
	}
	r := refuse(req, kerror.None).(*kmsg.LeaveGroupResponse)
	for _, m := range req.Members {
		x := kmsg.NewLeaveGroupResponseMember()
		x.MemberID, x.InstanceID, x.ErrorCode = m.MemberID, m.InstanceID, int16(kerror.UnknownMemberID)
		r.Members = append(r.Members, x)
	}
	return r
}
