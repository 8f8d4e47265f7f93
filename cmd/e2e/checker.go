package e2e

import (
	"fmt"
	"sort"
)

// Acked is one record that a broker acknowledged with acks=all: its unique value, where the broker said it is, and its
// place in the order in which its producer sent to that partition.
type Acked struct {
	Partition int32
	Offset    int64
	Value     string
	Producer  int
	Seq       int
}

// Seen is one record as a fresh consumer read it from the beginning, in the order of reading.
type Seen struct {
	Partition int32
	Offset    int64
	Value     string
}

// Check compares what was acknowledged with a final read of everything and returns every violation: a lost record, one
// at another offset than acknowledged, a duplicate, a hole or step back in the offsets, and a producer's records out of
// order. maybe holds values whose outcome the client never learned: they may be there once or not at all.
func Check(acked []Acked, final []Seen, maybe map[string]bool) []string {
	var bad []string
	at := map[string][]Seen{}
	next := map[int32]int64{}
	for _, s := range final {
		at[s.Value] = append(at[s.Value], s)
		if want, ok := next[s.Partition]; ok && s.Offset != want {
			bad = append(bad, fmt.Sprintf("partition %d: offset %d follows %d", s.Partition, s.Offset, want-1))
		}
		next[s.Partition] = s.Offset + 1
	}
	known := map[string]bool{}
	for _, a := range acked {
		known[a.Value] = true
		switch seen := at[a.Value]; {
		case len(seen) == 0:
			bad = append(bad, fmt.Sprintf("lost: %q, acknowledged at %d-%d", a.Value, a.Partition, a.Offset))
		case len(seen) > 1:
			bad = append(bad, fmt.Sprintf("duplicated: %q at %v", a.Value, seen))
		case seen[0].Partition != a.Partition || seen[0].Offset != a.Offset:
			bad = append(bad, fmt.Sprintf("moved: %q, acknowledged at %d-%d, found at %d-%d", a.Value, a.Partition, a.Offset, seen[0].Partition, seen[0].Offset))
		}
	}
	for v, seen := range at {
		if known[v] {
			continue
		}
		if !maybe[v] {
			bad = append(bad, fmt.Sprintf("never sent: %q", v))
		} else if len(seen) > 1 {
			bad = append(bad, fmt.Sprintf("duplicated (outcome unknown): %q at %v", v, seen))
		}
	}
	type stream struct {
		producer  int
		partition int32
	}
	streams := map[stream][]Acked{}
	for _, a := range acked {
		k := stream{a.Producer, a.Partition}
		streams[k] = append(streams[k], a)
	}
	for k, s := range streams {
		sort.Slice(s, func(i, j int) bool { return s[i].Seq < s[j].Seq })
		for i := 1; i < len(s); i++ {
			x, y := at[s[i-1].Value], at[s[i].Value]
			if len(x) == 1 && len(y) == 1 && x[0].Offset >= y[0].Offset {
				bad = append(bad, fmt.Sprintf("reordered: producer %d, partition %d: %q before %q", k.producer, k.partition, s[i].Value, s[i-1].Value))
			}
		}
	}
	sort.Strings(bad)
	return bad
}
