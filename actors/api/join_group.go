package api

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// joinGroup answers JoinGroup 0-9; it waits as long as a rebalance may take.
func joinGroup(c *Call) {
	req := c.Request.(*kmsg.JoinGroupRequest)
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
