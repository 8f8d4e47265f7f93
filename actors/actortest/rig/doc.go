// Package rig runs some actors of a node alone, for their own tests: each node of a simulated cluster has the production
// WAL writer, segment writer, segment reader and the replicas of a few groups (and, when asked, the metadata replica), with
// a minimal stand-in for the broker (it keeps the newest LeadershipChanged and ticks) and for the links between nodes
// (order is kept; messages can be cut, dropped and delayed). Tests talk to the actors by message.
//
// It owns: what stands for broker and links, and the asker of questions. It holds no logic of replicas, Raft or disk.
//
// Invariants: (1) everything that happens follows from the world's seed; (2) what crosses between nodes is copied;
// (3) answers of a life that ended never arrive.
package rig
