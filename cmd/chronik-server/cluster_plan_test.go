package main

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// part is a partition of topic t in a table.
func part(index int32, leader int32, replicas ...int32) placed {
	return placed{partitionID{"t", index}, leader, replicas}
}

func plainNodes(ids ...int32) (out []planNode) {
	for _, id := range ids {
		out = append(out, planNode{ID: id})
	}
	return out
}

func TestPlanTable(t *testing.T) {
	skewed := []placed{part(0, 1, 1), part(1, 1, 1), part(2, 1, 1)}
	even := []placed{part(0, 1, 1, 2, 3), part(1, 2, 2, 3, 1), part(2, 3, 3, 1, 2)}
	racks := []planNode{{1, "a"}, {2, "a"}, {3, "b"}}
	all := func(partitionID) bool { return true }
	drain := func(nodes []planNode, parts []placed, gone int32, lower bool) []change {
		c, _ := planDrain(nodes, parts, gone, lower)
		return c
	}
	for name, x := range map[string]struct {
		got  []change
		want string
	}{
		"all on one node":         {planRebalance(plainNodes(1, 2, 3), skewed), "t-0 [1] [2]; t-1 [1] [3]; "},
		"even stays":              {planRebalance(plainNodes(1, 2, 3), even), ""},
		"only the order":          {planRebalance(plainNodes(1, 2), []placed{part(0, 1, 1, 2), part(1, 1, 1, 2)}), "t-0 [1 2] [2 1]; "},
		"an empty node":           {planRebalance(plainNodes(1, 2), []placed{part(0, 1, 1)}), ""},
		"no partitions":           {planRebalance(plainNodes(1), nil), ""},
		"a leader needs a swap":   {planRebalance(plainNodes(1, 2, 3), []placed{part(0, 1, 1), part(1, 1, 1), part(2, 2, 2, 3)}), "t-0 [1] [3]; "},
		"drained":                 {drain(plainNodes(1, 2), []placed{part(0, 3, 3), part(1, 3, 3), part(2, 1, 1)}, 3, false), "t-0 [3] [2]; t-1 [3] [1]; "},
		"drained, other leaders":  {drain(plainNodes(1, 2, 3), []placed{part(0, 4, 4, 1), part(1, 1, 1, 2)}, 4, false), "t-0 [4 1] [3 1]; "},
		"nowhere to go":           {drain(plainNodes(1, 2), even, 3, false), ""},
		"lowered":                 {drain(plainNodes(1, 2), even, 3, true), "t-0 [1 2 3] [1 2]; t-1 [2 3 1] [2 1]; t-2 [3 1 2] [1 2]; "},
		"raised":                  {planFactor(plainNodes(1, 2, 3), skewed[:1], all, 3), "t-0 [1] [1 2 3]; "},
		"raised to another rack":  {planFactor(racks, skewed[:1], all, 2), "t-0 [1] [1 3]; "},
		"lowered to the leader":   {planFactor(plainNodes(1, 2, 3), []placed{part(0, 3, 1, 2, 3)}, all, 1), "t-0 [1 2 3] [3]; "},
		"lowered, dead ones go":   {planFactor(plainNodes(1, 3), []placed{part(0, 3, 1, 2, 3)}, all, 2), "t-0 [1 2 3] [1 3]; "},
		"lowered, racks are kept": {planFactor(racks, []placed{part(0, 1, 1, 2, 3)}, all, 2), "t-0 [1 2 3] [1 3]; "},
		"it has them already":     {planFactor(plainNodes(1, 2, 3), even, all, 3), ""},
	} {
		s := ""
		for _, c := range x.got {
			s += fmt.Sprintf("%s %v %v; ", c.partitionID, c.From, c.To)
		}
		if s != x.want {
			t.Errorf("%s: %q, wanted %q", name, s, x.want)
		}
	}
	if _, short := planDrain(plainNodes(1, 2), even, 3, false); !slices.Equal(short, []tooFew{{"t", 3, 2}}) {
		t.Errorf("too few nodes: %v", short)
	}
}

// randomCluster has nodes with gaps between their ids, some in racks, and topics with all kinds of factors and skews.
func randomCluster(r *rand.Rand) (nodes []planNode, parts []placed) {
	racks := r.IntN(4)
	for i := range 1 + r.IntN(8) {
		n := planNode{ID: int32(1 + 3*i)}
		if racks > 0 {
			n.Rack = fmt.Sprint(r.IntN(racks))
		}
		nodes = append(nodes, n)
	}
	for topic := range r.IntN(6) {
		rf := 1 + r.IntN(min(len(nodes), 5))
		among := rf + r.IntN(len(nodes)-rf+1) // few: skewed
		for p := range 1 + r.IntN(30) {
			x := placed{partitionID: partitionID{fmt.Sprint("topic-", topic), int32(p)}}
			for _, i := range r.Perm(among)[:rf] {
				x.Replicas = append(x.Replicas, nodes[i].ID)
			}
			x.Leader = x.Replicas[r.IntN(rf)]
			parts = append(parts, x)
		}
	}
	return nodes, parts
}

// outcome applies a plan and checks what holds for every plan; it counts replicas, preferred leaders, and copies.
func outcome(t *testing.T, parts []placed, plan []change) (after []placed, replicas, leads map[int32]int, copies int) {
	t.Helper()
	replicas, leads = map[int32]int{}, map[int32]int{}
	to := map[partitionID]*change{}
	for i := range plan {
		c := &plan[i]
		if to[c.partitionID] != nil || slices.Equal(c.From, c.To) || len(c.To) == 0 {
			t.Fatalf("a useless change: %+v", c)
		}
		to[c.partitionID] = c
		copies += len(c.Adding())
	}
	for _, p := range parts {
		if c := to[p.partitionID]; c != nil {
			if !slices.Equal(c.From, p.Replicas) {
				t.Fatalf("%+v does not begin at %v", c, p.Replicas)
			}
			p.Replicas = c.To
			delete(to, p.partitionID)
		}
		for i, n := range p.Replicas {
			replicas[n]++
			if slices.Contains(p.Replicas[:i], n) {
				t.Fatalf("%s has two replicas on node %d: %v", p.partitionID, n, p.Replicas)
			}
		}
		leads[p.Replicas[0]]++
		after = append(after, p)
	}
	if len(to) > 0 {
		t.Fatalf("changes of partitions that there are not: %v", to)
	}
	return after, replicas, leads, copies
}

// spread is the difference between the fullest and the emptiest node.
func spread(nodes []planNode, count map[int32]int) int {
	low, high := 1<<30, 0
	for _, n := range nodes {
		low, high = min(low, count[n.ID]), max(high, count[n.ID])
	}
	return high - low
}

// fewest is how many replicas must be copied at least to make the counts even.
func fewest(nodes []planNode, count map[int32]int) int {
	total, over, under := 0, 0, 0
	for _, n := range nodes {
		total += count[n.ID]
	}
	floor := total / len(nodes)
	ceil := (total + len(nodes) - 1) / len(nodes)
	for _, n := range nodes {
		over += max(0, count[n.ID]-ceil)
		under += max(0, floor-count[n.ID])
	}
	return max(over, under)
}

// nearer names a replica that is new and would stand better on an emptier node: then the plan is not even.
func nearer(nodes []planNode, before, after []placed, replicas map[int32]int) string {
	for i := range after {
		for _, u := range missing(after[i].Replicas, before[i].Replicas) {
			for _, v := range nodes {
				if !slices.Contains(after[i].Replicas, v.ID) && replicas[u]-replicas[v.ID] > 1 {
					return fmt.Sprintf("%v was put on node %d though node %d has fewer: %v", after[i], u, v.ID, replicas)
				}
			}
		}
	}
	return ""
}

func TestPlanRebalanceProperties(t *testing.T) {
	extra, most := 0, 0
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 1))
		nodes, parts := randomCluster(r)
		plan := planRebalance(nodes, parts)
		_, before, _, _ := outcome(t, parts, nil)
		after, replicas, leads, copies := outcome(t, parts, plan)
		if a, b := spread(nodes, replicas), spread(nodes, leads); a > 1 || b > 1 {
			t.Fatalf("seed %d: replicas differ by %d, leaders by %d: %v, %v", seed, a, b, replicas, leads)
		}
		for i := range after {
			if len(after[i].Replicas) != len(parts[i].Replicas) {
				t.Fatalf("seed %d: %v became %v", seed, parts[i], after[i])
			}
		}
		least := fewest(nodes, before)
		extra += copies - least
		most += least
		if again := planRebalance(nodes, after); len(again) != 0 {
			t.Fatalf("seed %d: a second plan moves again: %v", seed, again)
		}
		r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		r.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
		if again := planRebalance(nodes, parts); !reflect.DeepEqual(plan, again) {
			t.Fatalf("seed %d: another plan for the same cluster", seed)
		}
	}
	t.Logf("%d copies are needed for even replicas, %d more were made for even leaders", most, extra)
	if extra*50 > most {
		t.Errorf("%d copies more than the %d that are needed", extra, most)
	}
}

func TestPlanDrainProperties(t *testing.T) {
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 2))
		nodes, parts := randomCluster(r)
		for i := range parts { // from an even cluster evenness can be asked for
			parts[i].Leader = parts[i].Replicas[0]
		}
		parts, _, _, _ = outcome(t, parts, planRebalance(nodes, parts))
		at := r.IntN(len(nodes))
		gone := nodes[at].ID
		left := slices.Delete(slices.Clone(nodes), at, at+1)
		lower := r.IntN(2) == 0
		plan, short := planDrain(left, parts, gone, lower)
		after, replicas, _, copies := outcome(t, parts, plan)
		_, before, _, _ := outcome(t, parts, nil)
		for i := range after {
			had, has := parts[i].Replicas, after[i].Replicas
			fits := len(had) <= len(left)
			switch {
			case !slices.Contains(had, gone) && !slices.Equal(had, has):
				t.Fatalf("seed %d: %v was touched", seed, parts[i])
			case slices.Contains(has, gone) && (fits || lower && len(had) > 1):
				t.Fatalf("seed %d: %v is still on node %d", seed, after[i], gone)
			case fits && len(had) != len(has), !fits && lower && len(had) > 1 && len(has) != len(left):
				t.Fatalf("seed %d: %v became %v", seed, had, has)
			case len(missing(has, had)) > 1:
				t.Fatalf("seed %d: more than one copy: %v became %v", seed, had, has)
			case !fits && !lower && slices.Contains(had, gone) && !slices.Contains(short, tooFew{parts[i].Topic, len(had), len(left)}):
				t.Fatalf("seed %d: nobody says that %v does not fit: %v", seed, had, short)
			}
		}
		if copies > before[gone] {
			t.Fatalf("seed %d: %d copies for %d replicas", seed, copies, before[gone])
		}
		if better := nearer(left, parts, after, replicas); better != "" && !lower {
			t.Fatalf("seed %d: %s", seed, better)
		}
	}
}

func TestPlanFactorProperties(t *testing.T) {
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 3))
		nodes, parts := randomCluster(r)
		n := 1 + r.IntN(len(nodes))
		match := func(p partitionID) bool { return p.Topic != "topic-1" }
		plan := planFactor(nodes, parts, match, n)
		after, replicas, _, _ := outcome(t, parts, plan)
		for i := range after {
			had, has := parts[i].Replicas, after[i].Replicas
			switch {
			case !match(parts[i].partitionID):
				if !slices.Equal(had, has) {
					t.Fatalf("seed %d: %v was touched", seed, parts[i])
				}
			case len(has) != n:
				t.Fatalf("seed %d: %v became %v, wanted %d", seed, had, has, n)
			case !slices.Contains(has, parts[i].Leader):
				t.Fatalf("seed %d: leader %d of %v is not in %v", seed, parts[i].Leader, had, has)
			case len(missing(has, had)) > 0 && len(missing(had, has)) > 0:
				t.Fatalf("seed %d: %v became %v: both added and removed", seed, had, has)
			case n > 1 && has[0] != had[0]:
				t.Fatalf("seed %d: the preferred leader of %v changed: %v", seed, had, has)
			}
		}
		if better := nearer(nodes, parts, after, replicas); better != "" {
			t.Fatalf("seed %d: %s", seed, better)
		}
	}
}
