package history

import (
	"slices"
)

// aborted finds reads of what was refused or aborted (Adya's G1a).
func (c *checker) aborted() {
	for p, ok := range c.read {
		if w := c.writer[p]; ok && w != nil && w.Type == Fail {
			c.flag("G1a", w.Index, "%s: value %d was refused, and read", p.key, p.value)
		}
	}
}

// precommitted finds transactions that read what they are about to commit.
func (c *checker) precommitted() {
	for i := range c.h {
		if op := &c.h[i]; op.F == Txn {
			polled(op, func(key string, _, value int64) {
				if c.writer[place{key, value}] == op {
					c.flag("precommitted-read", op.Index, "%s: value %d is the transaction's own", key, value)
				}
			})
		}
	}
}

// torn finds transactions of which the final read has a part: all of a committed one must be there, nothing of an aborted one, and
// all or nothing of one whose outcome is unknown.
func (c *checker) torn() {
	for i := range c.h {
		op := &c.h[i]
		if op.F != Txn || !c.done {
			continue
		}
		there, of := 0, 0
		sends(op, func(m *Mop) {
			if of++; len(c.final[place{m.Key, m.Value}]) > 0 {
				there++
			}
		})
		if op.Type == OK && there < of || op.Type == Fail && there > 0 || there > 0 && there < of {
			c.flag("torn-transaction", op.Index, "%d of %d records of a transaction that ended %q are there", there, of, op.Type)
		}
	}
}

// early finds reads of committed data that had it before its commit was asked for.
func (c *checker) early() {
	for i := range c.h {
		op := &c.h[i]
		if !op.ReadCommitted || op.Ended == 0 {
			continue
		}
		polled(op, func(key string, _, value int64) {
			if w := c.writer[place{key, value}]; w != nil && w.F == Txn && w.Ending > op.Ended {
				c.flag("early-read", op.Index, "%s: value %d was read before its transaction was to be committed", key, value)
			}
		})
	}
}

// copies finds records of which there are two copies, or none although the group that reads them is past them: each record that has
// copies is to have exactly one in what is committed.
func (c *checker) copies() {
	type origin struct {
		key    string
		offset int64
	}
	count, from := map[origin]int{}, map[string]bool{}
	for p, m := range c.sent {
		if m.From != "" {
			from[m.From] = true
			count[origin{m.From, m.FromOffset}] += len(c.final[p])
		}
	}
	if !c.done {
		return
	}
	for o, n := range count {
		if n > 1 {
			c.flag("copy", -1, "%s: %d copies of offset %d", o.key, n, o.offset)
		}
	}
	for i := range c.h {
		op := &c.h[i]
		if op.F != Final {
			continue
		}
		for k := range op.Ops { // offsets that groups had committed at the end
			m := &op.Ops[k]
			if m.Polled != nil || !from[m.Key] {
				continue
			}
			for offset := range c.log[m.Key] {
				if offset < m.Offset && count[origin{m.Key, offset}] == 0 {
					c.flag("copy", op.Index, "%s: no copy of offset %d, although %d is committed", m.Key, offset, m.Offset)
				}
			}
		}
	}
}

// cycles finds transactions that each wrote before the other (G0: allowed, Kafka interleaves them) or that each read of the other
// (G1c).
func (c *checker) cycles() {
	if !c.txns {
		return
	}
	ww, wr := map[*Op][]*Op{}, map[*Op][]*Op{}
	for key, order := range c.order {
		for i := 1; i < len(order); i++ {
			a, b := c.writer[place{key, order[i-1]}], c.writer[place{key, order[i]}]
			if a != nil && b != nil && a != b && a.F == Txn && b.F == Txn {
				ww[a] = append(ww[a], b)
			}
		}
	}
	for i := range c.h {
		op := &c.h[i]
		if op.F != Txn || !c.committed(op) {
			continue
		}
		polled(op, func(key string, _, value int64) {
			if w := c.writer[place{key, value}]; w != nil && w != op && w.F == Txn {
				wr[w] = append(wr[w], op)
			}
		})
	}
	for _, cycle := range c.components(ww) {
		c.flag("G0", cycle[0], "operations %v each wrote before the others", cycle)
		c.found[len(c.found)-1].Allowed = true
	}
	for _, cycle := range c.components(wr) {
		c.flag("G1c", cycle[0], "operations %v each read of the others", cycle)
	}
}

// components are the strongly connected components of more than one operation (Tarjan), as sorted indexes.
func (c *checker) components(edges map[*Op][]*Op) (out [][]int) {
	number, low, on := map[*Op]int{}, map[*Op]int{}, map[*Op]bool{}
	var stack []*Op
	type frame struct {
		op   *Op
		next int
	}
	visit := func(root *Op) {
		frames := []frame{{op: root}}
		enter := func(op *Op) {
			number[op], low[op], on[op] = len(number)+1, len(number)+1, true
			stack = append(stack, op)
		}
		enter(root)
		for len(frames) > 0 {
			f := &frames[len(frames)-1]
			if f.next < len(edges[f.op]) {
				to := edges[f.op][f.next]
				f.next++
				if number[to] == 0 {
					enter(to)
					frames = append(frames, frame{op: to})
				} else if on[to] {
					low[f.op] = min(low[f.op], number[to])
				}
				continue
			}
			op := f.op
			if frames = frames[:len(frames)-1]; len(frames) > 0 {
				up := frames[len(frames)-1].op
				low[up] = min(low[up], low[op])
			}
			if low[op] != number[op] {
				continue
			}
			at := slices.Index(stack, op)
			if len(stack)-at > 1 {
				var cycle []int
				for _, x := range stack[at:] {
					cycle = append(cycle, x.Index)
				}
				slices.Sort(cycle)
				out = append(out, cycle)
			}
			for _, x := range stack[at:] {
				on[x] = false
			}
			stack = stack[:at]
		}
	}
	for i := range c.h {
		if op := &c.h[i]; number[op] == 0 && len(edges[op]) > 0 {
			visit(op)
		}
	}
	return out
}
