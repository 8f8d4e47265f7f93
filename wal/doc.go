// Package wal is everything that a data directory holds: one group-committed, fsynced log under all Raft groups, and the
// segments of their committed past.
//
// The log (log.go, ring.go, record.go, recover.go) belongs to one owner, the WAL writer actor; a Commit is one vectored write and
// one fdatasync for everything that queued up. The segments (segment.go) belong to the segment writer; a SegmentReader
// (reader.go) may work beside it. dir.go owns the directory's identity and lock. verify.go checks the directory of a
// stopped node (verify_log.go its log, verify_segments.go its segments), dump.go lists what it holds of one partition.
// FORMAT.md draws the bytes.
//
// Log and segments are written past the page cache where the system can (vfs.Direct). Measured with the Java producer on 2
// cores: 25 % more throughput and a sixth less CPU time, because filling fresh pages with what nobody reads again took a fifth
// of the broker's time, and every fdatasync of the log is some 10 us shorter. What consumers at the tail read comes from memory.
//
// Invariants:
//  1. Commit returns only after everything in it is on disk. A failed write or sync is final: the process must end.
//  2. Every use of a file has a new generation; a frame's CRC is seeded with generation and position, so left-overs of a
//     recycled file are never frames. Within a generation each position is written once, so frames need no chaining.
//  3. A file's header names the end of the generation before it, and how much of its own was synced before it: damage
//     below these, or below a synced mark that a later frame carries, refuses to start; beyond it is a torn tail, cut.
//     A header is valid, or zeros (a free file); anything else is damage.
//  4. What recovery finds after the last synced mark is written again into a new generation and synced before Open returns.
//     Headers and directory entries that an earlier process may have left in the page cache only are synced there, too.
//  5. A file is retired only when every entry in it is released or written again at the head, oldest first.
//  6. A rewritten entry never truncates and yields to any other record of its index.
//  7. Only committed entries get into segments; a segment is never truncated below its manifest.
//
// To change a byte on disk: record.go or segment.go, FORMAT.md and the version beside the magic.
package wal
