package history

import (
	"maps"
	"slices"
)

// offsets finds offsets that hold two values, and values at two offsets.
func (c *checker) offsets() {
	for key, log := range c.log {
		at := map[int64]int64{}
		for _, offset := range slices.Sorted(maps.Keys(log)) {
			if len(log[offset]) > 1 {
				c.flag("inconsistent-offsets", -1, "%s: offset %d holds %v", key, offset, log[offset])
			}
			for _, v := range log[offset] {
				if first, ok := at[v]; ok {
					c.flag("duplicate", -1, "%s: value %d at %d and %d", key, v, first, offset)
				} else {
					at[v] = offset
				}
			}
		}
	}
}

// unsent finds values that nobody sent.
func (c *checker) unsent() {
	for i := range c.h {
		polled(&c.h[i], func(key string, offset, value int64) {
			if c.writer[place{key, value}] == nil {
				c.flag("unsent", c.h[i].Index, "%s: value %d at %d was never sent", key, value, offset)
			}
		})
	}
}

// lost finds values that were applied and are not there: lost-write below what somebody read, lost-ack where they were acknowledged
// in the final read, unseen by anybody.
func (c *checker) lost() {
	bound := map[string]int{}
	for p, ok := range c.read {
		if ok {
			bound[p.key] = max(bound[p.key], c.index[p]+1)
		}
	}
	for i := range c.h {
		op := &c.h[i]
		if !c.committed(op) {
			continue
		}
		sends(op, func(m *Mop) {
			p := place{m.Key, m.Value}
			if at, ok := c.last[p]; ok && at < bound[m.Key] && !c.read[p] {
				c.flag("lost-write", op.Index, "%s: value %d at %d was never read, later ones were", m.Key, m.Value, m.Offset)
			}
			if !c.done || op.Type != OK {
				return
			}
			if m.Offset >= 0 && !slices.Contains(c.final[p], m.Offset) {
				c.flag("lost-ack", op.Index, "%s: value %d was acknowledged at %d, and is finally at %v", m.Key, m.Value, m.Offset, c.final[p])
			}
			if !c.read[p] {
				c.flag("unseen", op.Index, "%s: value %d was acknowledged and never read", m.Key, m.Value)
			}
		})
	}
}

// dense finds holes in the offsets of the final read; transactions leave some, for their markers.
func (c *checker) dense() {
	if c.txns {
		return
	}
	next := map[string]int64{}
	for i := range c.h {
		if c.h[i].F != Final {
			continue
		}
		polled(&c.h[i], func(key string, offset, _ int64) {
			if want, ok := next[key]; ok && offset != want {
				c.flag("density", c.h[i].Index, "%s: offset %d follows %d", key, offset, want-1)
			}
			next[key] = offset + 1
		})
	}
}
