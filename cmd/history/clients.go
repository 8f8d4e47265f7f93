package history

import (
	"maps"
	"slices"
)

// cursor is where a process is in a key.
type cursor struct {
	process int
	key     string
}

// polls finds consumers that skip records or go back: between successive polls of a process, which rebalances of a subscription
// may cause, and within one.
func (c *checker) polls() {
	last, subscribed := map[cursor]int{}, map[int]bool{}
	for i := range c.h {
		op := &c.h[i]
		if op.Type != OK {
			continue
		}
		if op.F == Assign || op.F == Subscribe {
			subscribed[op.Process] = op.F == Subscribe
			maps.DeleteFunc(last, func(k cursor, _ int) bool { return k.process == op.Process && !slices.Contains(op.Keys, k.key) })
		}
		seen := map[string]bool{}
		polled(op, func(key string, _, value int64) {
			k, at := cursor{op.Process, key}, c.index[place{key, value}]
			if before, ok := last[k]; ok && !(seen[key] && slices.Contains(op.Rebal, key)) {
				c.step(op, key, seen[key], at-before, !seen[key] && subscribed[op.Process])
			}
			last[k], seen[key] = at, true
		})
	}
}

func (c *checker) step(op *Op, key string, inside bool, delta int, allowed bool) {
	name := "poll-skip"
	if delta == 1 {
		return
	} else if delta < 1 {
		name = "nonmonotonic-poll"
	}
	if inside {
		name = "int-" + name
	}
	c.flag(name, op.Index, "process %d, %s: moved by %d records", op.Process, key, delta)
	c.found[len(c.found)-1].Allowed = allowed
}

// sends finds records of one process that lie in another order than they were sent in; those of a transaction may have others
// between them.
func (c *checker) sends() {
	last := map[cursor]int{}
	for i := range c.h {
		op := &c.h[i]
		if op.Type == Fail {
			continue
		}
		seen := map[string]bool{}
		sends(op, func(m *Mop) {
			at, ok := c.index[place{m.Key, m.Value}]
			if !ok {
				return
			}
			k, inside := cursor{op.Process, m.Key}, ""
			if seen[m.Key] {
				inside = "int-"
			}
			if before, ok := last[k]; ok && at <= before {
				c.flag(inside+"nonmonotonic-send", op.Index, "%s: value %d lies before the one sent earlier", m.Key, m.Value)
			} else if ok && inside != "" && at > before+1 {
				c.flag("int-send-skip", op.Index, "%s: others lie before value %d", m.Key, m.Value)
				c.found[len(c.found)-1].Allowed = true
			}
			last[k], seen[m.Key] = at, true
		})
	}
}
