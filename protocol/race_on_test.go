//go:build race

package protocol

// raceEnabled: the race detector makes the decoder's slices be built twice, so that memory cannot be measured.
const raceEnabled = true
