package config

import (
	"slices"

	"github.com/xrash/smetrics"
)

// nearest returns the name most like word, "" when none is near.
func nearest(word string, names []string) string {
	best, at := "", max(2, len(word)/3)+1
	for _, n := range slices.Sorted(slices.Values(names)) {
		if d := smetrics.WagnerFischer(word, n, 1, 1, 1); d < at {
			best, at = n, d
		}
	}
	return best
}

// didYouMean completes a message about an unknown name.
func didYouMean(word string, names []string) string {
	if n := nearest(word, names); n != "" {
		return "; did you mean " + n + "?"
	}
	return ""
}
