package api

import "github.com/twmb/franz-go/pkg/kmsg"

// leaveGroup answers LeaveGroup 0-5.
func leaveGroup(c *Call) { c.pass(c.Request.(*kmsg.LeaveGroupRequest).Group, Patience) }
