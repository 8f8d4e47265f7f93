// Package group is the classic consumer group coordinator: membership, rebalances and committed offsets, kept as a state
// machine over the partitions of __consumer_offsets in Apache Kafka's own record formats.
//
// # Actors
//
//	Manager            one per node; routes GroupCall to the shard of the group's partition, merges ListGroups
//	└─ shard           one per partition that this node leads, for one leader epoch; loads the partition's log
//	   └─ group        one per group; parks joins, syncs, commits and reads until they are decided
//
// Receives: message.GroupCall, CoordinatorElected, TopicsDeleted (Manager); FetchReply, ColdRead, DescribeReplicaReply,
// DeleteRecordsReply (shard); AppendBatchReply, ReadBarrierReply, DescribeReplicaReply (group). Sends: GroupReply to
// askers; DescribeReplica, Fetch, DeleteRecords, AppendBatch and ReadBarrier to the local replica; ReadCold to the segment
// reader. Nothing here knows replicas, Raft or the WAL other than by message.
//
// # What is decided where
//
// machine (machine.go and the files named after a request) is one group as a pure value: no clock, no randomness, no
// actor. Each input carries the time; replies, appends and barriers come out as an outbox that the actor carries out.
// Two kinds of state live in it. Persistent: committed offsets and the stored group metadata; apply is their only
// mutator and replaying the log gives the same again. Soft: members' parked requests, sessions, a rebalance under way;
// lost with the coordinator, rebuilt from the stored metadata and by the members' next heartbeats.
//
// State by message (what is answered, what follows). "rebalance" = PreparingRebalance begins, "—" = the same as Empty:
//
//	             Empty                  PreparingRebalance      CompletingRebalance     Stable                   Dead
//	join, new    member, rebalance      member, waits           member, rebalance       member, rebalance        15
//	join, known  25                     waits                   same: answer, else      leader or changed:       15
//	                                                            rebalance               rebalance, else answer
//	join, static member, rebalance      replaces, waits         replaces, rebalance     replaces, answer         15
//	sync         25                     27                      leader stores, others   answer                   25
//	                                                            wait
//	heartbeat    25                     27                      0                       0                        25
//	leave        25                     member gone             gone, rebalance         gone, rebalance          25
//	commit       generation < 0: ok     ok                      27                      ok                       15
//	delete       tombstones, Dead       68                      68                      68                       69
//	session end  —                      member gone             gone, rebalance         gone, rebalance          —
//	join timer   —                      next generation         —                       —                        —
//	sync timer   —                      —                       laggards gone,          laggards gone,           —
//	                                                            rebalance               rebalance
//
// (15 COORDINATOR_NOT_AVAILABLE, 25 UNKNOWN_MEMBER_ID, 27 REBALANCE_IN_PROGRESS, 68 NON_EMPTY_GROUP, 69 GROUP_ID_NOT_FOUND)
//
// # Invariants
//
//  1. A generation never decreases; a partition assignment is given out only after the record that holds it is committed.
//  2. At most one append of a group is undecided. What must be written meanwhile waits in a FIFO and is decided when its
//     turn comes, against the state of then; consecutive offset commits share one append.
//  3. Nothing persistent is answered before its record is committed; reads are answered after a Raft read barrier.
//  4. Every append carries the leader epoch in which the shard was loaded; any outcome other than success or a certain
//     refusal makes the shard stop its groups and load again.
//  5. A loaded shard has seen every record that was in its replica's log when loading began, committed or not.
//  6. Replies to one call: exactly one.
//
// # To change
//
// Record bytes: records.go. When members expire: timers.go. What ends a rebalance: rebalance.go. What is written and when:
// writes.go. How the log is kept short until __consumer_offsets is compacted: rewrite.go.
package group
