// Package replica is the partition replica: a Raft group whose log is a Kafka partition.
//
// It owns the partition's log end, high watermark, log start offset, leader epochs, producer state, parked fetches and
// pending acknowledgements. It receives AppendBatch, Fetch, ListOffsets, FindEpochEnd, DeleteRecords, DescribeReplica,
// ConfigChanged, DiskState, ReleaseLog, Tick, StopReplica and, through raftgroup, everything of Raft. It sends WriteLog
// and WriteSegment to the disk actors, LeadershipChanged to the broker, and answers.
//
// A data entry is one record batch, verbatim; an entry whose first byte is 0xFF is a command (command.go): what the leader
// decides from its clock and configs and all replicas must do alike. Raft's own entries have an index and no offset.
//
// Invariants:
//  1. Offsets are counted from batches, in the order of the log; a dropped proposal consumes none.
//  2. end (state.go) is a function of the log up to its end, the proposals that wait for the next flush included; a
//     truncation or a drop rebuilds it from flushed and the entries since.
//  3. An append is acknowledged for its (index, term): acks=1 when this disk has it, acks=all when it is applied and
//     min.insync.replicas voters have it.
//  4. Nothing at or above the high watermark is served; the high watermark and the log start offset never go back.
//  5. flushed belongs to the last entry in segments and is stored with it: start-up reads that and the log's tail.
//  6. Only the leader looks at the clock; what follows from it is a command in the log.
//
// Where to change what: append.go acknowledgements and checks; producers.go idempotence; fetch.go reads; offsets.go
// ListOffsets and epochs; barrier.go confirmed reads; retention.go roll and retention; flush.go segments; copy.go catching up
// from a leader's segments; isr.go the in-sync set; membership.go reassignments (the steps are in raftgroup's members.go).
package replica
