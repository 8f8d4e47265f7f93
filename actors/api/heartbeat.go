package api

import "github.com/twmb/franz-go/pkg/kmsg"

// heartbeat answers Heartbeat 0-4.
func heartbeat(c *Call) { c.pass(c.Request.(*kmsg.HeartbeatRequest).Group, Patience) }
