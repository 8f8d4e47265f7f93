package history

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Anomaly is one broken rule: its name, what was seen, and the index of the operation that showed it (-1: none alone). Allowed
// ones are what Kafka's own semantics permit; they are reported, not blamed.
type Anomaly struct {
	Name, What string
	Op         int
	Allowed    bool
}

// place is a value of a key.
type place struct {
	key   string
	value int64
}

type checker struct {
	h      []Op
	writer map[place]*Op
	sent   map[place]*Mop
	read   map[place]bool // by a poll that succeeded
	log    map[string]map[int64][]int64
	order  map[string][]int64 // the values of a key by offset
	index  map[place]int      // a value's first place in that order
	last   map[place]int      // and its last
	final  map[place][]int64  // the offsets at which the final read had it
	done   bool               // there was a final read
	txns   bool
	found  []Anomaly
}

// Check judges a history of idempotent producers with acks=all. It takes n log n in the number of records: a million in some
// seconds.
func Check(h []Op) []Anomaly {
	c := &checker{h: h, writer: map[place]*Op{}, sent: map[place]*Mop{}, read: map[place]bool{}, log: map[string]map[int64][]int64{},
		order: map[string][]int64{}, index: map[place]int{}, last: map[place]int{}, final: map[place][]int64{}}
	c.derive()
	for _, rule := range []func(){c.offsets, c.unsent, c.lost, c.dense, c.polls, c.sends, c.highWatermarks, c.groupOffsets, c.aborted,
		c.precommitted, c.torn, c.early, c.copies, c.cycles} {
		rule()
	}
	slices.SortStableFunc(c.found, func(a, b Anomaly) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Op, b.Op), cmp.Compare(a.What, b.What))
	})
	return c.found
}

// Blamed leaves out what is allowed.
func Blamed(found []Anomaly) []Anomaly {
	return slices.DeleteFunc(slices.Clone(found), func(a Anomaly) bool { return a.Allowed })
}

func (c *checker) flag(name string, op int, format string, args ...any) {
	c.found = append(c.found, Anomaly{Name: name, Op: op, What: fmt.Sprintf(format, args...)})
}

// sends calls f for every record that an operation sent.
func sends(op *Op, f func(m *Mop)) {
	if op.F != Send && op.F != Txn {
		return
	}
	for i := range op.Ops {
		if op.Ops[i].Polled == nil {
			f(&op.Ops[i])
		}
	}
}

// polled calls f for every record that an operation read, in order within a key.
func polled(op *Op, f func(key string, offset, value int64)) {
	for i := range op.Ops {
		for _, key := range slices.Sorted(maps.Keys(op.Ops[i].Polled)) {
			for _, r := range op.Ops[i].Polled[key] {
				f(key, r[0], r[1])
			}
		}
	}
}

func (c *checker) put(key string, offset, value int64) {
	if c.log[key] == nil {
		c.log[key] = map[int64][]int64{}
	}
	if !slices.Contains(c.log[key][offset], value) {
		c.log[key][offset] = append(c.log[key][offset], value)
	}
}

// derive finds the log that the clients saw together: polls of any outcome count, since nobody may ever see what is not safe, and
// sends that were applied.
func (c *checker) derive() {
	for i := range c.h {
		op := &c.h[i]
		c.done = c.done || op.F == Final && op.Type == OK
		c.txns = c.txns || op.F == Txn
		sends(op, func(m *Mop) { c.writer[place{m.Key, m.Value}], c.sent[place{m.Key, m.Value}] = op, m })
		polled(op, func(key string, offset, value int64) {
			c.put(key, offset, value)
			p := place{key, value}
			c.read[p] = c.read[p] || op.Type == OK
			if op.F == Final {
				c.final[p] = append(c.final[p], offset)
			}
		})
	}
	for i := range c.h { // after the reads: they tell which sends of unknown outcome were applied
		if op := &c.h[i]; c.committed(op) {
			sends(op, func(m *Mop) {
				if m.Offset >= 0 {
					c.put(m.Key, m.Offset, m.Value)
				}
			})
		}
	}
	for key, log := range c.log {
		for _, offset := range slices.Sorted(maps.Keys(log)) {
			for _, v := range log[offset] {
				p := place{key, v}
				if _, ok := c.index[p]; !ok {
					c.index[p] = len(c.order[key])
				}
				c.last[p] = len(c.order[key])
				c.order[key] = append(c.order[key], v)
			}
		}
	}
}

// committed says that an operation's sends were applied.
func (c *checker) committed(op *Op) bool {
	seen := op.Type == OK
	if op.Type == Info {
		sends(op, func(m *Mop) { seen = seen || c.read[place{m.Key, m.Value}] })
	}
	return seen
}
