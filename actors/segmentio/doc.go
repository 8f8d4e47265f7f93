// Package segmentio is the actors around segments: one writer, several readers.
//
// The writer receives WriteSegment and answers SegmentWritten once all of it is synced, in order. A reader receives ReadCold
// and FindTimestamp and answers ColdRead and TimestampFound; bytes that do not verify are an error, never an answer.
//
// Invariants: (1) ENOSPC while moving to segments is answered, not fatal: nothing was promised, the WAL still has it; any
// other error ends the process; (2) a reader keeps no state between messages; (3) what is copied from a peer (Hold) is
// answered only when the node's pace, or the operator's throttle (KIP-73), lets more come: a copy has one question under way,
// so the answer's delay is the pace (pace.go). The leader's throttle travels with what it gives, as a rest that the copying
// side keeps: it counts what was really sent, and nothing waits at the leader.
package segmentio
