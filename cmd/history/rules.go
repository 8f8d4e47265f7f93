package history

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Anomaly is one broken rule: its name, what was seen, and the index of the operation that showed it (-1: none alone).
// Allowed ones are what Kafka's own semantics permit.
type Anomaly struct {
	Name, What string
	Op         int
	Allowed    bool
}

type place struct {
	key   string
	value int64
}

type checker struct {
	writer map[place]Op
	read   map[place]bool
	log    map[string]map[int64][]int64 // key, offset, the values seen there
	index  map[place]int                // a value's first place among those of its key
	order  map[string][]int64
	final  map[place][]int64
	done   bool // there was a final read
	found  []Anomaly
}

// Check judges a history of idempotent producers with acks=all. Time is n log n in the records.
func Check(h []Op) []Anomaly {
	c := &checker{writer: map[place]Op{}, read: map[place]bool{}, log: map[string]map[int64][]int64{},
		index: map[place]int{}, order: map[string][]int64{}, final: map[place][]int64{}}
	c.derive(h)
	c.offsets()
	c.lost(h)
	c.aborted()
	c.polls(h)
	c.sends(h)
	slices.SortStableFunc(c.found, func(a, b Anomaly) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Op, b.Op), cmp.Compare(a.What, b.What))
	})
	return c.found
}

func (c *checker) flag(name string, op int, format string, args ...any) {
	c.found = append(c.found, Anomaly{Name: name, Op: op, What: fmt.Sprintf(format, args...)})
}

func (c *checker) put(key string, off, v int64) {
	if c.log[key] == nil {
		c.log[key] = map[int64][]int64{}
	}
	if !slices.Contains(c.log[key][off], v) {
		c.log[key][off] = append(c.log[key][off], v)
	}
}

func (c *checker) derive(h []Op) {
	for _, op := range h {
		if op.Type == "invoke" {
			continue
		}
		c.done = c.done || op.F == "final" && op.Type == "ok"
		for _, m := range op.Ops {
			if m.Polled == nil {
				c.writer[place{m.Key, m.Value}] = op
			}
			for key, records := range m.Polled {
				for _, r := range records {
					c.put(key, r[0], r[1])
					p := place{key, r[1]}
					c.read[p] = c.read[p] || op.Type == "ok"
					if op.F == "final" {
						c.final[p] = append(c.final[p], r[0])
					}
				}
			}
		}
	}
	for _, op := range h { // after the reads: they tell which sends of unknown outcome were applied
		for _, m := range op.Ops {
			if m.Polled == nil && m.Offset >= 0 && op.Type != "invoke" && c.committed(op) {
				c.put(m.Key, m.Offset, m.Value)
			}
		}
	}
	for key, log := range c.log {
		for _, off := range slices.Sorted(maps.Keys(log)) {
			for _, v := range log[off] {
				if _, ok := c.index[place{key, v}]; !ok {
					c.index[place{key, v}] = len(c.order[key])
				}
				c.order[key] = append(c.order[key], v)
			}
		}
	}
}

func (c *checker) committed(op Op) bool {
	return op.Type == "ok" || op.Type == "info" && slices.ContainsFunc(op.Ops, func(m Mop) bool {
		return m.Polled == nil && c.read[place{m.Key, m.Value}]
	})
}

func (c *checker) offsets() {
	for key, log := range c.log {
		at := map[int64]int64{}
		for _, off := range slices.Sorted(maps.Keys(log)) {
			if len(log[off]) > 1 {
				c.flag("inconsistent-offsets", -1, "%s: offset %d holds %v", key, off, log[off])
			}
			for _, v := range log[off] {
				if first, ok := at[v]; ok {
					c.flag("duplicate", -1, "%s: value %d at %d and %d", key, v, first, off)
				} else {
					at[v] = off
				}
			}
		}
	}
}

// lost compares with what was read at all (lost-write: a hole below what somebody read) and with the final read.
func (c *checker) lost(h []Op) {
	bound := map[string]int{}
	for p, ok := range c.read {
		if ok {
			bound[p.key] = max(bound[p.key], c.index[p]+1)
		}
	}
	for _, op := range h {
		if op.Type == "invoke" || !c.committed(op) {
			continue
		}
		for _, m := range op.Ops {
			p := place{m.Key, m.Value}
			if m.Polled != nil {
				continue
			}
			if i, ok := c.index[p]; ok && i < bound[m.Key] && !c.read[p] {
				c.flag("lost-write", op.Index, "%s: value %d at %d was never read, later ones were", m.Key, m.Value, m.Offset)
			}
			if c.done && op.Type == "ok" && m.Offset >= 0 && !slices.Contains(c.final[p], m.Offset) {
				c.flag("lost-ack", op.Index, "%s: value %d acknowledged at %d, finally at %v", m.Key, m.Value, m.Offset, c.final[p])
			}
			if c.done && op.Type == "ok" && !c.read[p] {
				c.flag("unseen", op.Index, "%s: value %d was acknowledged and never read", m.Key, m.Value)
			}
		}
	}
}

func (c *checker) aborted() {
	for p, ok := range c.read {
		if w, sent := c.writer[p]; ok && sent && w.Type == "fail" {
			c.flag("G1a", w.Index, "%s: value %d was refused, and read", p.key, p.value)
		}
	}
}

type cursor struct {
	process int
	key     string
}

func (c *checker) polls(h []Op) {
	last, subscribed := map[cursor]int{}, map[int]bool{}
	for _, op := range h {
		if op.Type != "ok" {
			continue
		}
		if op.F == "assign" || op.F == "subscribe" {
			subscribed[op.Process] = op.F == "subscribe"
			maps.DeleteFunc(last, func(k cursor, _ int) bool { return k.process == op.Process && !slices.Contains(op.Keys, k.key) })
		}
		seen := map[cursor]bool{}
		for _, m := range op.Ops {
			for key, records := range m.Polled {
				k := cursor{op.Process, key}
				for _, r := range records {
					i := c.index[place{key, r[1]}]
					if before, ok := last[k]; ok && !(seen[k] && slices.Contains(op.Rebal, key)) {
						c.step(op, key, seen[k], i-before, !seen[k] && subscribed[op.Process])
					}
					last[k], seen[k] = i, true
				}
			}
		}
	}
}

func (c *checker) step(op Op, key string, inside bool, delta int, allowed bool) {
	name := "poll-skip"
	if delta == 1 {
		return
	} else if delta < 1 {
		name = "nonmonotonic-poll"
	}
	if inside {
		name = "int-" + name
	}
	c.found = append(c.found, Anomaly{Name: name, Op: op.Index, Allowed: allowed, What: fmt.Sprintf("process %d, %s: moved by %d records", op.Process, key, delta)})
}

func (c *checker) sends(h []Op) {
	last := map[cursor]int{}
	for _, op := range h {
		seen := map[string]bool{}
		for _, m := range op.Ops {
			i, ok := c.index[place{m.Key, m.Value}]
			if m.Polled != nil || !ok || op.Type != "ok" && op.Type != "info" {
				continue
			}
			k, name := cursor{op.Process, m.Key}, "nonmonotonic-send"
			if seen[m.Key] {
				name = "int-" + name
			}
			if before, ok := last[k]; ok && i <= before {
				c.flag(name, op.Index, "%s: value %d lies before the one sent earlier", m.Key, m.Value)
			}
			last[k], seen[m.Key] = i, true
		}
	}
}
