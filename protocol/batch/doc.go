// Package batch knows the record batch, format v2 (KIP-98): its header, its records, its compression, what a broker must
// verify before it stores one, and how to make one.
//
// It owns no state and receives no messages; all functions are over bytes and may be called from any goroutine on
// different batches. The connection actor calls Validate for every produced batch; the replica calls Stamp and, for
// message.timestamp.type=LogAppendTime, StampAppendTime; coordinators and tests build batches with Builder and read them
// with Split and Records.
//
// Invariants:
//  1. No input makes a function panic. Working memory is bounded by a few times maxInMemory per call, CPU by
//     MaxDecompressed, whatever a batch claims about itself. (Records hands out single records, however large.)
//  2. What Validate returns has a correct CRC, exactly RecordCount records with offset deltas 0, 1, 2, …, a MaxTimestamp
//     that is true, and nothing behind it. Uncompressed batches are validated without an allocation.
//  3. A batch is stored as its producer sent it, except for base offset and leader epoch (Stamp, not covered by the CRC)
//     and where Apache Kafka rewrites it too: a wrong MaxTimestamp, LogAppendTime, compression.type.
//
// Where to change what: header.go layout; validate.go the rules and their error codes; cursor.go reading of records;
// decompress.go and compress.go codecs; rewrite.go changes to finished batches; builder.go new batches.
package batch
