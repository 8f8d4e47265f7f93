package group

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/protocol/kerror"
)

// description answers DescribeGroups 0-6 for this one group. Subscriptions and assignments are told of a stable group
// only; before that they are not everybody's. Version 6 tells a group that does not exist apart (KIP-1043).
func (g *machine) description(req *kmsg.DescribeGroupsRequest) *kmsg.DescribeGroupsResponse {
	if g.state == dead || g.absent() {
		return absentDescription(req, g.id)
	}
	r := kmsg.NewPtrDescribeGroupsResponse()
	r.Version = req.Version
	x := kmsg.NewDescribeGroupsResponseGroup()
	x.Group, x.State, x.ProtocolType = g.id, g.state.String(), g.protocolType
	if g.state == stable {
		x.Protocol = g.protocolName()
	}
	for _, m := range g.members {
		y := kmsg.NewDescribeGroupsResponseGroupMember()
		y.MemberID, y.InstanceID, y.ClientID, y.ClientHost = m.id, m.instance, m.clientID, m.clientHost
		if g.state == stable {
			y.ProtocolMetadata, y.MemberAssignment = m.metadata(x.Protocol), m.assignment
		}
		x.Members = append(x.Members, y)
	}
	r.Groups = append(r.Groups, x)
	return r
}

func absentDescription(req *kmsg.DescribeGroupsRequest, id string) *kmsg.DescribeGroupsResponse {
	r := kmsg.NewPtrDescribeGroupsResponse()
	r.Version = req.Version
	x := kmsg.NewDescribeGroupsResponseGroup()
	x.Group, x.State = id, dead.String()
	if req.Version >= 6 {
		text := "Group " + id + " not found."
		x.ErrorCode, x.ErrorMessage = int16(kerror.GroupIDNotFound), &text
	}
	r.Groups = append(r.Groups, x)
	return r
}
