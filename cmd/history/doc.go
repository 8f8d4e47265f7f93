// Package history judges what clients saw of a log. It owns the format of a history (one JSON operation a line), the recorder
// that clients under test write to, and the rules; it starts no process and knows no client. Its rules follow those of Jepsen's
// Kafka workload (jepsen.tests.kafka), with some more that need a final read, the time of operations, or offsets of groups.
//
// Invariants:
//
//  1. Check is a pure function of the history: same lines, same verdict in the same order.
//
//  2. A line that cannot be understood is an error that names it, never skipped.
//
//  3. An operation of unknown outcome counts as applied only when one of its values was read.
//
//  4. A rule has two histories in testdata: NAME.bad.jsonl must be flagged as NAME, NAME.good.jsonl must not be flagged.
//
// What is sent and acknowledged is judged by log.go, what consumers see in which order by clients.go, high watermarks and committed
// offsets by times.go, transactions by transactions.go. To add a rule: a method there, a call in Check, and two histories.
package history
