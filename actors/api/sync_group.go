package api

import "github.com/twmb/franz-go/pkg/kmsg"

// syncGroup answers SyncGroup 0-5; a follower waits for its leader's assignment, at most a rebalance timeout, which only
// the coordinator knows.
func syncGroup(c *Call) {
	c.pass(c.Request.(*kmsg.SyncGroupRequest).Group, maxWait)
}
