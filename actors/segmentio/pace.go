package segmentio

import (
	"time"

	"golang.org/x/time/rate"

	"chronik/actors/env"
)

const (
	// catchUpRate is how fast a node takes what it lacks from its peers' segments, in bytes per second, all partitions
	// together: a terabyte in five hours, and slow enough for the clients of the leaders not to notice.
	// A throttle that an operator sets (KIP-73) takes its place for the replicas that it names.
	catchUpRate = 64 << 20
	// paceBurst is what may pass at once after a rest, in bytes: the many small logs of a node are not held up.
	paceBurst = 8 << 20
)

// pace spreads what passes over time. What has passed is reported, and tells how long to wait before more: so the size of
// what comes need not be known, and one that is larger than the burst passes too. Several actors may share one.
type pace struct {
	clock   env.Clock
	limiter *rate.Limiter
}

func newPace(clock env.Clock, bytesPerSecond int64) pace {
	return pace{clock: clock, limiter: rate.NewLimiter(rate.Limit(bytesPerSecond), paceBurst)}
}

// passed takes note of n bytes and says how long to wait, at the given rate.
func (p *pace) passed(n int, bytesPerSecond int64) time.Duration {
	now := time.Unix(0, 0).Add(p.clock.Monotonic())
	if l := rate.Limit(bytesPerSecond); l != p.limiter.Limit() {
		p.limiter.SetLimitAt(now, l)
	}
	return p.limiter.ReserveN(now, min(n, paceBurst)).DelayFrom(now)
}
