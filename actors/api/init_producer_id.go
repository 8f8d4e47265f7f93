package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors/message"
	"chronik/protocol/kerror"
)

// noTransactions tells why a transactional producer is refused.
const noTransactions = "transactions are not available yet; idempotent producers are"

// initProducerID answers InitProducerId 0-5. An idempotent producer gets a fresh id, also when it names the one it had:
// without a transactional id nothing connects it to its past. A transactional one is refused with the code that every
// client takes as final.
func initProducerID(c *Call) {
	req := c.Request.(*kmsg.InitProducerIDRequest)
	resp := kmsg.NewPtrInitProducerIDResponse()
	resp.ProducerID, resp.ProducerEpoch = -1, -1
	switch {
	case req.TransactionalID != nil && *req.TransactionalID == "":
		resp.ErrorCode = int16(kerror.InvalidRequest)
	case req.TransactionalID != nil:
		resp.ErrorCode = int16(kerror.TransactionalIDAuthorizationFailed)
	case req.ProducerID == -1 && req.ProducerEpoch != -1, req.ProducerID != -1 && req.ProducerEpoch == -1:
		resp.ErrorCode = int16(kerror.InvalidRequest)
	default:
		c.Ask(c.Client.Shared.ProducerIDs, func(r message.ReplyTo) any { return &message.AllocateProducerID{ReplyTo: r} }, func(reply any) {
			r, ok := reply.(*message.AllocateProducerIDReply)
			switch {
			case !ok:
				resp.ErrorCode = int16(kerror.CoordinatorNotAvailable)
			case r.Reason != kerror.None:
				resp.ErrorCode = int16(r.Reason)
			default:
				resp.ProducerID, resp.ProducerEpoch = int64(r.ID), 0
			}
			c.Reply(resp)
		})
		return
	}
	c.Reply(resp)
}
