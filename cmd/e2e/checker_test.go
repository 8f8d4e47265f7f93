package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func cleanHistory() (acked []Acked, final []Seen) {
	for i := range 100 {
		v, p := fmt.Sprint("v", i), int32(i%2)
		acked = append(acked, Acked{Partition: p, Offset: int64(i / 2), Value: v, Producer: i % 4, Seq: i})
		final = append(final, Seen{Partition: p, Offset: int64(i / 2), Value: v})
	}
	return acked, final
}

// TestCheckerFindsWhatIsWrong: a checker that cannot go red proves nothing.
func TestCheckerFindsWhatIsWrong(t *testing.T) {
	acked, clean := cleanHistory()
	if bad := Check(acked, clean, nil); len(bad) > 0 {
		t.Fatalf("a clean history is called bad: %v", bad)
	}
	renumber := func(s []Seen) []Seen {
		next := map[int32]int64{}
		for i := range s {
			s[i].Offset = next[s[i].Partition]
			next[s[i].Partition]++
		}
		return s
	}
	cases := map[string]struct {
		final []Seen
		want  string
	}{
		"one removed":             {slices.Delete(slices.Clone(clean), 40, 41), "lost"},
		"one removed, renumbered": {renumber(slices.Delete(slices.Clone(clean), 40, 41)), "lost"},
		"one duplicated":          {renumber(slices.Insert(slices.Clone(clean), 60, clean[40])), "duplicated"},
		"two swapped":             {func() []Seen { s := slices.Clone(clean); s[40].Value, s[44].Value = s[44].Value, s[40].Value; return s }(), "reordered"},
		"moved":                   {func() []Seen { s := slices.Clone(clean); s[40].Value, s[42].Value = s[42].Value, s[40].Value; return s }(), "moved"},
		"one that nobody sent":    {append(slices.Clone(clean), Seen{0, 50, "ghost"}), "never sent"},
		"a hole in the offsets":   {func() []Seen { s := slices.Clone(clean); s[98].Offset++; return s }(), "follows"},
	}
	for name, c := range cases {
		if bad := strings.Join(Check(acked, c.final, nil), "\n"); !strings.Contains(bad, c.want) {
			t.Errorf("%s: %q is missing in %q", name, c.want, bad)
		}
	}
	withMaybe := append(slices.Clone(clean), Seen{0, 50, "maybe"})
	if bad := Check(acked, withMaybe, map[string]bool{"maybe": true}); len(bad) > 0 {
		t.Errorf("an unknown outcome that happened once is fine: %v", bad)
	}
}
