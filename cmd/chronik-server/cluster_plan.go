package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Planning: where replicas and preferred leaders should be. It does no I/O and asks no clock, so that the same cluster always
// gets the same plan, and its promises are tested on a thousand random clusters (cluster_plan_test.go).

// planNode is a node that may hold replicas.
type planNode struct {
	ID   int32
	Rack string
}

// partitionID names a partition.
type partitionID struct {
	Topic string
	Index int32
}

func (p partitionID) String() string { return fmt.Sprintf("%s-%d", p.Topic, p.Index) }

func comparePartitions(a, b partitionID) int {
	return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Index, b.Index))
}

// placed is a partition as it is: the preferred leader first; Leader is -1 when nobody leads.
type placed struct {
	partitionID
	Leader   int32
	Replicas []int32
}

// change is one partition of a plan.
type change struct {
	partitionID
	From, To []int32
}

// Adding lists the nodes that have to copy the partition.
func (c *change) Adding() []int32 { return missing(c.To, c.From) }

// Removing lists the nodes that drop it.
func (c *change) Removing() []int32 { return missing(c.From, c.To) }

func missing(list, other []int32) (out []int32) {
	for _, n := range list {
		if !slices.Contains(other, n) {
			out = append(out, n)
		}
	}
	return out
}

// planRebalance spreads replicas and preferred leaders evenly: per node they differ by at most one. Of replicas it moves no more
// than evenness of replicas needs, and at most two more for each leader that cannot be evened out by changing the order alone.
// Racks and topics decide between moves that are equally good.
func planRebalance(nodes []planNode, parts []placed) []change {
	l := newLayout(nodes, parts)
	l.levelReplicas(anywhere)
	l.levelLeaders(func(*slot) bool { return true })
	for l.swapForLeaders() {
		l.levelLeaders(func(*slot) bool { return true })
	}
	return l.changes()
}

// tooFew says that a partition would have more replicas than there are nodes.
type tooFew struct {
	topic          string
	replicas, left int
}

// planDrain moves everything off one node, which is not among nodes. Partitions that have no other place are returned too; with
// lower they lose that replica instead.
func planDrain(nodes []planNode, parts []placed, gone int32, lower bool) ([]change, []tooFew) {
	l := newLayout(nodes, parts)
	at, ok := l.index[gone]
	if !ok {
		return nil, nil
	}
	var short []tooFew
	for i := range l.slots {
		s := &l.slots[i]
		if !slices.Contains(s.to, at) {
			continue
		}
		switch to := l.roomiest(s, at); {
		case to >= 0:
			l.move(s, at, to)
		case lower && len(s.to) > 1:
			l.drop(s, at)
		default:
			if !slices.ContainsFunc(short, func(t tooFew) bool { return t.topic == s.id.Topic && t.replicas == len(s.to) }) {
				short = append(short, tooFew{s.id.Topic, len(s.to), l.n})
			}
		}
	}
	l.levelReplicas(func(s *slot, u, v int) bool { return !slices.Contains(s.from, u) })
	l.levelLeaders(func(s *slot) bool { return s.from[0] == at })
	return l.changes(), short
}

// planFactor gives the partitions that match n replicas each. Present leaders stay, and nothing is copied that need not be.
func planFactor(nodes []planNode, parts []placed, match func(partitionID) bool, n int) []change {
	l := newLayout(nodes, parts)
	for i := range l.slots {
		s := &l.slots[i]
		if !match(s.id) {
			continue
		}
		for len(s.to) < n {
			to := l.roomiest(s, -1)
			if to < 0 {
				break
			}
			l.add(s, to)
		}
		for len(s.to) > n {
			l.drop(s, l.fullest(s, n))
		}
	}
	l.levelReplicas(func(s *slot, u, v int) bool {
		switch {
		case !match(s.id):
			return false
		case len(s.to) > len(s.from): // only those that are new may stand elsewhere
			return !slices.Contains(s.from, u)
		case len(s.to) < len(s.from): // only those that were dropped may stay instead
			return slices.Contains(s.from, v) && !s.keeps(u, n)
		}
		return false
	})
	return l.changes()
}

// layout is the state of a plan. Nodes are counted from 0: those below n may be given replicas, the others only have some.
type layout struct {
	n        int
	ids      []int32
	index    map[int32]int
	racks    []string
	replicas []int // per node
	leads    []int // per node: partitions that prefer it
	topics   []map[string]int
	slots    []slot
}

// slot is one partition: where its replicas were and where they are to be.
type slot struct {
	id       partitionID
	leader   int
	from, to []int
}

// keeps says that a node must not lose its replica when the factor is lowered to n: it leads, or with n above one should.
func (s *slot) keeps(node, n int) bool {
	if s.leader < 0 || !slices.Contains(s.from, s.leader) {
		return node == s.from[0]
	}
	return node == s.leader || n > 1 && node == s.from[0]
}

func newLayout(nodes []planNode, parts []placed) *layout {
	l := &layout{index: map[int32]int{}}
	nodes = slices.Clone(nodes)
	slices.SortFunc(nodes, func(a, b planNode) int { return cmp.Compare(a.ID, b.ID) })
	for _, n := range nodes {
		l.know(n.ID)
		l.racks[l.index[n.ID]] = n.Rack
	}
	l.n = len(l.ids)
	parts = slices.Clone(parts)
	slices.SortFunc(parts, func(a, b placed) int { return comparePartitions(a.partitionID, b.partitionID) })
	for i := range parts {
		p := &parts[i]
		if len(p.Replicas) == 0 {
			continue
		}
		s := slot{id: p.partitionID, leader: -1}
		for _, id := range p.Replicas {
			s.from = append(s.from, l.know(id))
		}
		if slices.Contains(p.Replicas, p.Leader) {
			s.leader = l.index[p.Leader]
		}
		s.to = slices.Clone(s.from)
		for _, n := range s.to {
			l.replicas[n]++
			l.topics[n][s.id.Topic]++
		}
		l.leads[s.to[0]]++
		l.slots = append(l.slots, s)
	}
	return l
}

func (l *layout) know(id int32) int {
	if i, ok := l.index[id]; ok {
		return i
	}
	l.index[id] = len(l.ids)
	l.ids, l.racks = append(l.ids, id), append(l.racks, "")
	l.replicas, l.leads, l.topics = append(l.replicas, 0), append(l.leads, 0), append(l.topics, map[string]int{})
	return l.index[id]
}

func (l *layout) changes() (out []change) {
	for i := range l.slots {
		if s := &l.slots[i]; !slices.Equal(s.from, s.to) {
			out = append(out, change{s.id, l.names(s.from), l.names(s.to)})
		}
	}
	return out
}

func (l *layout) names(nodes []int) []int32 {
	out := make([]int32, len(nodes))
	for i, n := range nodes {
		out[i] = l.ids[n]
	}
	return out
}

// move puts v into the place of u, also as the preferred leader.
func (l *layout) move(s *slot, u, v int) {
	at := slices.Index(s.to, u)
	s.to[at] = v
	l.count(s, u, -1)
	l.count(s, v, 1)
	if at == 0 {
		l.leads[u]--
		l.leads[v]++
	}
}

func (l *layout) add(s *slot, v int) {
	s.to = append(s.to, v)
	l.count(s, v, 1)
}

func (l *layout) drop(s *slot, u int) {
	l.leads[s.to[0]]--
	s.to = slices.DeleteFunc(s.to, func(n int) bool { return n == u })
	l.leads[s.to[0]]++
	l.count(s, u, -1)
}

func (l *layout) prefer(s *slot, v int) {
	l.leads[s.to[0]]--
	l.leads[v]++
	s.to = append([]int{v}, slices.DeleteFunc(s.to, func(n int) bool { return n == v })...)
}

func (l *layout) count(s *slot, n, by int) {
	l.replicas[n] += by
	l.topics[n][s.id.Topic] += by
}

// twins counts the replicas of a partition, but for u's, that stand in v's rack; racks without a name count for nothing.
func (l *layout) twins(s *slot, u, v int) (n int) {
	for _, r := range s.to {
		if r != u && r != v && l.racks[v] != "" && l.racks[r] == l.racks[v] {
			n++
		}
	}
	return n
}

// roomiest is the best node for another replica, -1 when every node has one: of a fresh rack, with few replicas, few of the topic.
func (l *layout) roomiest(s *slot, instead int) int {
	best := -1
	for v := range l.n {
		if slices.Contains(s.to, v) {
			continue
		}
		if best < 0 || cmp.Or(cmp.Compare(l.twins(s, instead, v), l.twins(s, instead, best)), cmp.Compare(l.replicas[v], l.replicas[best]),
			cmp.Compare(l.topics[v][s.id.Topic], l.topics[best][s.id.Topic])) < 0 {
			best = v
		}
	}
	return best
}

// fullest is the replica to drop on the way to n: one on a node that cannot be reached, else of a rack that has another, else of
// the node that has most.
func (l *layout) fullest(s *slot, n int) int {
	best := -1
	for _, u := range s.to {
		if s.keeps(u, n) {
			continue
		}
		if best < 0 || cmp.Or(cmp.Compare(l.away(u), l.away(best)), cmp.Compare(l.twins(s, -1, u), l.twins(s, -1, best)),
			cmp.Compare(l.replicas[u], l.replicas[best])) > 0 {
			best = u
		}
	}
	return best
}

func (l *layout) away(n int) int {
	if n >= l.n {
		return 1
	}
	return 0
}

func anywhere(*slot, int, int) bool { return true }

// levelReplicas moves replicas that may be moved from full nodes to empty ones until they differ by at most one, or nothing gets
// nearer. Where all may be moved, every move goes from the fullest to the emptiest: no sequence of moves is shorter.
func (l *layout) levelReplicas(may func(s *slot, u, v int) bool) {
	for l.levelOne(may) || l.levelChain(may) {
	}
}

// levelChain finds what levelOne cannot: one replica goes to a node that passes another one on.
func (l *layout) levelChain(may func(s *slot, u, v int) bool) bool {
	over := make([][]*slot, l.n)
	for i := range l.slots {
		s := &l.slots[i]
		for _, u := range s.to {
			for v := range l.n {
				if u >= l.n || over[u] != nil && over[u][v] != nil || slices.Contains(s.to, v) || !may(s, u, v) {
					continue
				}
				if over[u] == nil {
					over[u] = make([]*slot, l.n)
				}
				over[u][v] = s
			}
		}
	}
	return l.shift(over, l.replicas, func(s *slot, x, y int) { l.move(s, x, y) })
}

func (l *layout) levelOne(may func(s *slot, u, v int) bool) bool {
	full := l.order(func(a, b int) int {
		return cmp.Or(cmp.Compare(l.replicas[b], l.replicas[a]), cmp.Compare(l.leads[b], l.leads[a]))
	})
	empty := l.order(func(a, b int) int {
		return cmp.Or(cmp.Compare(l.replicas[a], l.replicas[b]), cmp.Compare(l.leads[a], l.leads[b]))
	})
	for _, u := range full {
		for _, v := range empty {
			if l.replicas[u]-l.replicas[v] < 2 {
				break
			}
			if s := l.pick(u, v, func(s *slot) bool { return may(s, u, v) }); s != nil {
				l.move(s, u, v)
				return true
			}
		}
	}
	return false
}

// order lists the nodes that may be given replicas; equal ones by id.
func (l *layout) order(compare func(a, b int) int) []int {
	out := make([]int, l.n)
	for i := range out {
		out[i] = i
	}
	slices.SortStableFunc(out, compare)
	return out
}

// pick chooses what moves from u to v: what spoils no rack, carries its leadership along only where that helps, and comes from
// the topic that is most uneven between the two.
func (l *layout) pick(u, v int, may func(*slot) bool) *slot {
	var best *slot
	var score [3]int
	helps := l.leads[u]-l.leads[v] >= 2
	for i := range l.slots {
		s := &l.slots[i]
		if !slices.Contains(s.to, u) || slices.Contains(s.to, v) || !may(s) {
			continue
		}
		this := [3]int{l.twins(s, u, v) - l.twins(s, u, u), 0, l.topics[v][s.id.Topic] - l.topics[u][s.id.Topic]}
		if (s.to[0] == u) != helps {
			this[1] = 1
		}
		if best == nil || slices.Compare(this[:], score[:]) < 0 {
			best, score = s, this
		}
	}
	return best
}

// levelLeaders changes the order of replicas, where it may, until preferred leaders differ by at most one, or no order gets
// nearer: it looks for the shortest chain of hand-overs from a node with many to one with at least two fewer.
func (l *layout) levelLeaders(may func(*slot) bool) {
	for l.levelLeader(may) {
	}
}

func (l *layout) levelLeader(may func(*slot) bool) bool {
	// over[x][y] is a partition that x could hand to y
	over := make([][]*slot, l.n)
	for i := range l.slots {
		s := &l.slots[i]
		x := s.to[0]
		if x >= l.n || !may(s) {
			continue
		}
		if over[x] == nil {
			over[x] = make([]*slot, l.n)
		}
		for _, y := range s.to[1:] {
			if y < l.n && over[x][y] == nil {
				over[x][y] = s
			}
		}
	}
	return l.shift(over, l.leads, func(s *slot, _, y int) { l.prefer(s, y) })
}

// shift hands one on along the shortest chain from a full node to one that has at least two fewer; false: there is none.
func (l *layout) shift(over [][]*slot, count []int, hand func(s *slot, x, y int)) bool {
	for _, start := range l.order(func(a, b int) int { return cmp.Compare(count[b], count[a]) }) {
		if chain := chain(over, count, start); chain != nil {
			for i := len(chain) - 1; i > 0; i-- {
				hand(over[chain[i-1]][chain[i]], chain[i-1], chain[i])
			}
			return true
		}
	}
	return false
}

// chain is the shortest way from start to a node that has at least two fewer.
func chain(over [][]*slot, count []int, start int) []int {
	before := map[int]int{start: start}
	queue := []int{start}
	for len(queue) > 0 {
		x := queue[0]
		queue = queue[1:]
		if count[start]-count[x] >= 2 {
			way := []int{x}
			for x != start {
				x = before[x]
				way = append([]int{x}, way...)
			}
			return way
		}
		for y := range over[x] {
			if _, seen := before[y]; !seen && over[x][y] != nil {
				before[y] = x
				queue = append(queue, y)
			}
		}
	}
	return nil
}

// swapForLeaders moves one leadership with its replica from the node with most to the node with fewest, where no order of
// replicas does it; another replica comes back unless the counts stay even without. There always is one: the two nodes have
// equally many that the other has not, and fewer of them are led by the node with fewest.
func (l *layout) swapForLeaders() bool {
	if l.n == 0 {
		return false
	}
	byLeads := l.order(func(a, b int) int { return cmp.Compare(l.leads[b], l.leads[a]) })
	h, e := byLeads[0], byLeads[l.n-1]
	if l.leads[h]-l.leads[e] < 2 {
		return false
	}
	p := l.pick(h, e, func(s *slot) bool { return s.to[0] == h })
	if p == nil {
		return false
	}
	if l.replicas[h] <= l.replicas[e] {
		q := l.pick(e, h, func(s *slot) bool { return s.to[0] != e })
		if q == nil {
			return false
		}
		l.move(q, e, h)
	}
	l.move(p, h, e)
	return true
}
