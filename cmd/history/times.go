package history

import (
	"cmp"
	"slices"
)

// known is an offset that is settled from a time on.
type known struct {
	at, offset int64
}

// byTime calls f for each of the asks, in order of when they began, with the highest of the settled offsets before.
func byTime(settled []known, asks []*Op, f func(op *Op, highest int64)) {
	slices.SortStableFunc(settled, func(a, b known) int { return cmp.Compare(a.at, b.at) })
	slices.SortStableFunc(asks, func(a, b *Op) int { return cmp.Compare(a.Began, b.Began) })
	highest, n := int64(-1), 0
	for _, op := range asks {
		for ; n < len(settled) && settled[n].at < op.Began; n++ {
			highest = max(highest, settled[n].offset)
		}
		f(op, highest)
	}
}

// highWatermarks finds answers of ListOffsets (latest) that are below what was acknowledged before they were asked for, or above
// where the log finally ended.
func (c *checker) highWatermarks() {
	acked, asks, end := map[string][]known{}, map[string][]*Op{}, map[string]int64{}
	for i := range c.h {
		op := &c.h[i]
		switch {
		case op.Type == OK && op.F == Latest && op.Began > 0:
			asks[op.Ops[0].Key] = append(asks[op.Ops[0].Key], op)
		case op.Type == OK && op.Ended > 0:
			sends(op, func(m *Mop) { acked[m.Key] = append(acked[m.Key], known{op.Ended, m.Offset}) })
		}
		if op.F == Final {
			polled(op, func(key string, offset, _ int64) { end[key] = max(end[key], offset+1) })
		}
	}
	for key, ops := range asks {
		byTime(acked[key], ops, func(op *Op, highest int64) {
			if got := op.Ops[0].Offset; got <= highest {
				c.flag("high-watermark", op.Index, "%s: the log ends at %d, offset %d was acknowledged before", key, got, highest)
			} else if c.done && !c.txns && got > end[key] {
				c.flag("high-watermark", op.Index, "%s: the log ends at %d, and finally at %d", key, got, end[key])
			}
		})
	}
}

// groupOffsets finds committed offsets that nobody committed, or that are older than a commit that was acknowledged before. It
// expects commits of a key to rise.
func (c *checker) groupOffsets() {
	acked, asks, tried := map[string][]known{}, map[string][]*Op{}, map[string]map[int64]bool{}
	for i := range c.h {
		op := &c.h[i]
		if len(op.Ops) == 0 {
			continue
		}
		switch m := &op.Ops[0]; {
		case op.F == Commit:
			if tried[m.Key] == nil {
				tried[m.Key] = map[int64]bool{}
			}
			if tried[m.Key][m.Offset] = true; op.Type == OK {
				acked[m.Key] = append(acked[m.Key], known{op.Ended, m.Offset})
			}
		case op.F == Fetched && op.Type == OK:
			asks[m.Key] = append(asks[m.Key], op)
		}
	}
	for key, ops := range asks {
		byTime(acked[key], ops, func(op *Op, highest int64) {
			if got := op.Ops[0].Offset; got < highest {
				c.flag("group-offset", op.Index, "%s: %d is committed, %d was acknowledged before", key, got, highest)
			} else if got >= 0 && !tried[key][got] {
				c.flag("group-offset", op.Index, "%s: %d is committed, which nobody did", key, got)
			}
		})
	}
}
