package connection

import (
	"time"

	"chronik/actors/env"
	"chronik/protocol/config"
)

const (
	// defaultInflight is the number of frames in flight when the configuration names none.
	defaultInflight = 100
	// maxUnsent is how much may wait in the socket before the next answer is held back, in bytes.
	maxUnsent = 1 << 20
	// smallRequest is what a request may cost to decode without being charged, in bytes; larger ones share maxDecoding.
	smallRequest = 256 << 10
	maxDecoding  = 512 << 20
	// decodeRetry is how long a frame waits when the memory for decoding is used up.
	decodeRetry = 10 * time.Millisecond
)

// socketLimits are the bounds of a client's socket under a configuration.
func socketLimits(b *config.Broker) env.SocketLimits {
	l := env.SocketLimits{MaxFrame: b.RequestMaxBytes, MaxInflight: b.QueuedMaxRequests, ReadTimeout: b.ConnectionsMaxIdle, WriteTimeout: b.ConnectionsMaxIdle}
	if l.MaxInflight <= 0 {
		l.MaxInflight = defaultInflight
	}
	if l.MaxFrame <= 0 {
		l.MaxFrame = 100 << 20
	}
	return l
}
