// Package metadata is the replica of `__meta`: the Raft group whose log says which nodes, topics, partitions, configs and
// producer id blocks there are.
//
// It owns the cluster image. It receives MetaCommand (from connections of this node), ForwardMeta and ForwardMetaReply
// (from other nodes' metadata actors, over the links), Tick, ReleaseLog and, through raftgroup, Raft's
// messages. It publishes every new image in the View and tells the broker actor, which spawns and stops replicas.
//
// A command is decided by the leader against tip, the image with everything that is proposed and not yet applied
// (decide_*.go): it gives records and an answer, which waits until the records are applied. apply.go is the only place
// that changes an image; it is total and deterministic.
//
// Invariants:
//  1. The image is a function of the applied log: the same index means the same image on every node.
//  2. A command's records are one entry: all of them or none.
//  3. Names, ids, groups, registration and producer numbers are never handed out twice.
//  4. An answer leaves only when the asker's own node has applied what it speaks of.
//  5. The snapshot (files.go) is checked when it is read; the readable file of --file-metadata is never read for what it says.
//  6. Only the leader draws random ids and looks at configs' defaults; the records carry the results.
//  7. A directory that was replaced or left is never registered again; a replica that comes again has another Raft id.
package metadata
