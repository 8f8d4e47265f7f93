// Package raftnode is one Raft group as a value: inputs go in (Tick, Step, Propose, …), what is to be done comes out
// (Ready). It wraps etcd's RawNode with asynchronous storage writes and keeps the group's recent entries in memory, which
// is all that Raft ever reads: what is older lives in segments and reaches a follower as a snapshot, not as entries.
//
// It owns: the RawNode and its storage (storage.go). It receives and sends nothing by itself: package raftgroup carries
// out what Ready asks for, inside an actor's mailbox. No clock, no goroutine, no file.
//
// Invariants:
//  1. Entries handed out are never changed, and Storage.Entries returns a fresh slice each time.
//  2. The storage shows an entry from the moment it was handed out; Raft's own bookkeeping knows what is durable.
//  3. Appends are answered (AppendDone) in the order in which they were handed out, none is dropped.
//  4. A message from the network that only the local storage may send is refused (Step).
//  5. A recovered commit index is never above the last entry: the WAL refuses such a log.
package raftnode
