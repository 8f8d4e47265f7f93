package api

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors/message"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
)

// unregisterBroker answers UnregisterBroker 0: a node that has no replicas any more leaves the cluster. Apache Kafka forgets one
// with replicas as well; here these are somebody's votes, and are moved first.
func unregisterBroker(c *Call) {
	req := c.Request.(*kmsg.UnregisterBrokerRequest)
	resp := kmsg.NewPtrUnregisterBrokerResponse()
	var got struct{}
	c.command(message.CmdUnregister, message.Unregister{Node: kafka.NodeID(req.BrokerID)}, false, 30*time.Second, &got, func(code kerror.Code, text string) {
		resp.ErrorCode, resp.ErrorMessage = int16(code), nullable(text)
		c.Reply(resp)
	})
}
