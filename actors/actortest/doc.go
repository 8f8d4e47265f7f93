// Package actortest runs a whole cluster, 1 to 5 nodes of the production packages, inside one goroutine on simulated
// clock, disk and network, chosen step by step by a seeded random source. The same seed gives the same run, bit for bit.
//
// It owns: the scheduler (world.go), mailboxes and dispatcher (mailbox.go), the clock (clock.go), the network (network.go),
// nodes and their crashes (cluster.go), faults (faults.go), disks that are lost (wiper.go), partitions that move (mover.go), Kafka
// clients with their work and what they were told (client.go, workload.go, committer.go, member.go), what must hold after every step (invariants.go) and the trace hash (hash.go). It holds no logic
// of its own for replicas, metadata, groups, connections or the WAL: those are the production packages. Package rig runs the
// replicas of some nodes without brokers, for tests of single rooms.
//
// One step is one message of one actor, one packet delivered, or one timer fired. Nothing here starts a goroutine or
// looks at the real clock. Raft draws its election jitter from crypto/rand: a test seeds that with
// testing/cryptotest.SetGlobalRandom, a program replaces crypto/rand.Reader before any node exists; so one seed at a time
// per process.
//
// Invariants: (1) every source of choice is World.Rand; (2) map iteration never decides anything; (3) a crashed node runs
// no step, and what it had not synced may be gone; (4) two runs of a seed have the same Hash after every step.
package actortest
