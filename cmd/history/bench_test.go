package history

import "testing"

// BenchmarkCheck is one million records, each sent by one operation and read by one of a hundred.
func BenchmarkCheck(b *testing.B) {
	const n = 1_000_000
	var h []Op
	var batch [][2]int64
	for i := range int64(n) {
		h = append(h, Op{Index: int(i), Process: 1, Type: "ok", F: "send", Ops: []Mop{{Key: "t-0", Value: i, Offset: i}}})
		if batch = append(batch, [2]int64{i, i}); len(batch) == 100 {
			h = append(h, Op{Process: 2, Type: "ok", F: "final", Ops: []Mop{{Polled: map[string][][2]int64{"t-0": batch}}}})
			batch = nil
		}
	}
	for b.Loop() {
		if found := Check(h); len(found) > 0 {
			b.Fatal(found[0])
		}
	}
}
