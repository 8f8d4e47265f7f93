// Package actors is the map of the broker: who there is, who talks to whom, and what runs them.
//
//	broker ─┬─ WAL writer            one per data directory; a goroutine of its own
//	        ├─ segment writer        likewise
//	        ├─ segment readers       likewise, several
//	        ├─ metadata replica      the Raft group of __meta
//	        ├─ partition replicas    one per partition that this node holds
//	        ├─ group manager ── groups
//	        ├─ producer ids
//	        ├─ peer links            one per other node
//	        └─ connections           one per client
//
// The life of a produce: connection → AppendBatch → replica → its flush: one proposal → WriteLog → WAL writer: one
// write and one fdatasync for all that queued up → WriteDone → replica: applied → AppendBatchReply → connection: the
// answers leave in the order of the requests. With peers, RaftMessage goes over the links at the same time as WriteLog.
//
// The life of a fetch: connection → Fetch → replica: a plan (slices of memory, or a range of a segment), or a place in
// the table of those who wait → connection (→ segment reader for the range) → client.
//
// The life of a topic: api → MetaCommand → metadata replica of the leader: decide → log → every node applies it →
// ImagePublished → broker: spawns the replicas that belong here.
//
// # Runtime
//
// Mailboxes are unbounded queues: a send never blocks and never fails. What bounds them are credits at the edges: frames
// in flight per connection, bytes queued per link. Non-blocking kinds share a pool of workers; blocking kinds have a
// goroutine each. A panic in a connection closes that connection; anywhere else it is a bug and ends the process.
//
// # Where goroutines, locks and channels may be
//
// actors/mailbox.go and actors/system.go (the lock of a mailbox, the workers of the dispatcher); actors/netio (a reader,
// and while something is queued a writer, per socket; accept loops; dials; timers); actors/cluster/view.go and
// actors/broker/broker.go (maps that many actors read and one writes: leaders, links); wal/vfs (syncs that run side by
// side); cmd; actors/actortest; tests. Nowhere else: package cmd/lint fails on it.
package actors
