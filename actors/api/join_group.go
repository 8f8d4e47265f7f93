package api

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors/group"
	"chronik/protocol/kerror"
)

// joinGroup answers JoinGroup 0-9; it waits as long as a rebalance may take.
func joinGroup(c *Call) {
	req := c.Request.(*kmsg.JoinGroupRequest)
	cfg := c.Config()
	switch session := time.Duration(req.SessionTimeoutMillis) * time.Millisecond; {
	case req.Group == "":
		c.Reply(group.Refuse(req, kerror.InvalidGroupID))
		return
	case session < cfg.GroupMinSession, session > cfg.GroupMaxSession:
		c.Reply(group.Refuse(req, kerror.InvalidSessionTimeout))
		return
	}
	c.pass(req.Group, 2*waitOf(req.SessionTimeoutMillis, req.RebalanceTimeoutMillis)+Patience)
}

// maxWait bounds what a client can make a connection wait for.
const maxWait = time.Hour

func waitOf(millis ...int32) time.Duration {
	var longest int32
	for _, m := range millis {
		longest = max(longest, m)
	}
	return min(time.Duration(longest)*time.Millisecond, maxWait)
}
