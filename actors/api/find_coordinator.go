package api

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors/group"
	"chronik/protocol/kerror"
)

// The kinds of coordinators.
const (
	coordinatorGroup       = 0
	coordinatorTransaction = 1
)

// findCoordinator answers FindCoordinator 0-6: a group's coordinator is the leader of its partition of
// __consumer_offsets, which is created when the first group asks.
func findCoordinator(c *Call) {
	req := c.Request.(*kmsg.FindCoordinatorRequest)
	resp := kmsg.NewPtrFindCoordinatorResponse()
	if req.Version < 4 {
		x := c.coordinator(req.CoordinatorKey, req.CoordinatorType)
		resp.ErrorCode, resp.ErrorMessage, resp.NodeID, resp.Host, resp.Port = x.ErrorCode, x.ErrorMessage, x.NodeID, x.Host, x.Port
		if x.ErrorCode == 0 {
			resp.ErrorMessage = nullable("NONE")
		}
		c.Reply(resp)
		return
	}
	for _, key := range req.CoordinatorKeys {
		resp.Coordinators = append(resp.Coordinators, c.coordinator(key, req.CoordinatorType))
	}
	c.Reply(resp)
}

func (c *Call) coordinator(key string, kind int8) kmsg.FindCoordinatorResponseCoordinator {
	x := kmsg.NewFindCoordinatorResponseCoordinator()
	x.Key, x.NodeID, x.Port = key, -1, -1
	fail := func(code kerror.Code, text string) kmsg.FindCoordinatorResponseCoordinator {
		x.ErrorCode, x.ErrorMessage = int16(code), nullable(text)
		return x
	}
	switch kind {
	case coordinatorGroup:
	case coordinatorTransaction:
		return fail(kerror.TransactionalIDAuthorizationFailed, noTransactions)
	default:
		return fail(kerror.InvalidRequest, fmt.Sprintf("there is no coordinator of type %d here", kind))
	}
	im := c.Image()
	t := im.Topics[group.TopicName]
	if t == nil {
		c.ensureTopic(group.TopicName)
		return fail(kerror.CoordinatorNotAvailable, kerror.CoordinatorNotAvailable.Text())
	}
	p := t.Partitions[group.PartitionFor(key, len(t.Partitions))]
	host, port, ok := c.Advertised(im.Nodes[c.View().Leader(p.Group).Leader])
	if !ok {
		c.Client.Shared.noLeader(c, p)
		return fail(kerror.CoordinatorNotAvailable, NoLeaderText)
	}
	fine := ""
	x.ErrorMessage = &fine
	x.NodeID, x.Host, x.Port = int32(c.View().Leader(p.Group).Leader), host, port
	return x
}
