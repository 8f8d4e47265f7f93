// Package segmentio is the actors around segments: one writer, several readers.
//
// The writer receives WriteSegment and answers SegmentWritten once all of it is synced, in order. A reader receives ReadCold
// and FindTimestamp and answers ColdRead and TimestampFound; bytes that do not verify are an error, never an answer.
//
// Invariants: (1) ENOSPC while moving to segments is answered, not fatal: nothing was promised, the WAL still has it; any
// other error ends the process; (2) a reader keeps no state between messages.
package segmentio
