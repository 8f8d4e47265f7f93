package api

import (
	"time"

	"chronik/actors/cluster"
)

// complainEvery spaces the log lines about requests that found no leader.
const complainEvery = time.Second

// noLeader logs that a request found no leader, at most once per complainEvery on the node.
func (s *Shared) noLeader(c *Call, p *cluster.Partition) {
	now := int64(c.Env().Clock.Monotonic())
	next := s.nextComplaint.Load()
	if now < next || !s.nextComplaint.CompareAndSwap(next, now+int64(complainEvery)) {
		return
	}
	c.Env().Log.Warn(NoLeaderText, "group", uint64(p.Group), "partition", int32(p.Index))
}
