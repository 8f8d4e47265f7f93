// Package raftgroup carries out what a raftnode.Node asks for, inside the mailbox of the actor that owns the group: the
// partition replica and the metadata replica share it.
//
// It receives RaftMessage, WriteDone, Tick, PeerChanged, LinkDropped and its own flush; it sends WriteLog to the WAL
// writer and RaftMessage to the peer links. The owner is told through Machine.
//
// Natural batching: the first input of a burst makes the actor send itself flush, which queues behind everything that is
// there already; flush does one proposal message, then Ready until there is none.
//
// Invariants:
//  1. Appends go to the WAL writer in order; one without anything to write waits for those in flight, and is answered at
//     once when there are none.
//  2. Messages that depend on an append (votes, acknowledgements) leave only after its WriteDone.
//  3. A WriteDone of another incarnation is ignored.
//  4. Machine methods run inside Receive, in log order; Apply sees every committed entry exactly once per incarnation.
//  5. A snapshot is stepped only after Machine.Prepare has everything that it stands for on disk.
//  6. A member comes as a learner, and votes only once it is caught up (members.go); who votes changes by joint consensus, one
//     change at a time. Each step follows from the group's own configuration, so that any leader goes on with it.
//  7. A quiesced group is not ticked (quiesce.go): everybody who can be reached has the whole log and all of it is applied. Any
//     message but the late answer to a heartbeat wakes a replica, and so does the end of a link to a member.
package raftgroup
