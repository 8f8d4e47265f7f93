// Package history judges what clients saw of a log. It owns the format of a history (one JSON operation a line) and the
// rules; it starts no process and knows no client. Its rules follow those of Jepsen's Kafka workload.
//
// Invariants:
//  1. Check is a pure function of the history: same lines, same verdict in the same order.
//  2. A line that cannot be understood is an error that names it, never skipped.
//  3. An operation of unknown outcome counts as applied only when one of its values was read.
//
// To add a rule: a method in rules.go, a call in Check, and two histories in testdata, NAME.bad.jsonl that must be
// flagged as NAME and NAME.good.jsonl that must not.
package history
