// Package api answers Kafka requests: one file per API, one row per API in registry.go.
//
// It is not an actor. A handler runs inside the connection actor that received the request (package connection), reads
// the cluster through cluster.View, asks other actors by message and answers by Call.Reply; what it starts goes on in
// continuations, which run inside the same connection actor, one at a time. It knows messages and kmsg, no replica, WAL
// or Raft.
//
// Receives: a decoded request in a Call; the replies that it asked for. Sends: AppendBatch, Fetch, CancelFetch,
// ListOffsets, FindEpochEnd, DeleteRecords, DescribeReplica to local replicas, ReadCold to the segment readers,
// MetaCommand to the metadata actor, EnsureTopic to the broker, GroupCall to the group manager,
// AllocateProducerID to the producer id actor.
//
// Invariants:
//  1. Every call is answered exactly once (Reply, ReplyParts or NoReply), whatever becomes of those who were asked: a
//     continuation gets nil when no answer came in time.
//  2. ApiVersions is derived from the rows, so that nothing is advertised that has no handler (Produce 0-2 excepted, see
//     registry.go).
//  3. Partitions are answered in the order in which they were asked for; one that was named twice is answered twice.
//  4. What a client is told is an error code from kerror; a code that its version does not know is mapped to the older
//     one that Apache Kafka sends.
//  5. Memory that a client can pin is bounded: fetch sessions by max.incremental.fetch.session.cache.slots on the node
//     and maxSessions on a connection, cold bytes on their way by Shared.
//
// Where to change what: a new API: a file of its own and a row in registry.go; who is named to clients under which
// address: address.go; how a fetch waits: fetch_wait.go; fetch sessions: session.go.
package api
