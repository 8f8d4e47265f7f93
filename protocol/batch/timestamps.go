package batch

import (
	"fmt"
	"math"

	"chronik/protocol/kafka"
)

// timely says whether a record's timestamp lies within the topic's limits around now.
func (c *recordCheck) timely(t kafka.Timestamp) bool {
	low, high := c.bounds()
	return int64(t) >= low && int64(t) <= high
}

// bounds are the oldest and the newest timestamp allowed, without overflow.
func (c *recordCheck) bounds() (low, high int64) {
	now := int64(c.o.Now)
	low, high = math.MinInt64, math.MaxInt64
	if before := c.o.TimestampBeforeMaxMs; before >= 0 && before < math.MaxInt64 {
		low = now - before
	}
	if after := c.o.TimestampAfterMaxMs; after >= 0 && after < math.MaxInt64-max(now, 0) {
		high = now + after
	}
	return low, high
}

func (c *recordCheck) rangeText(index int32, t kafka.Timestamp) string {
	// Kafka prints the sums as they overflow; so does this text, since people compare them.
	return fmt.Sprintf("Timestamp %d of message with offset %d is out of range. The timestamp should be within [%d, %d]",
		t, index, int64(c.o.Now)-c.o.TimestampBeforeMaxMs, int64(c.o.Now)+c.o.TimestampAfterMaxMs)
}
