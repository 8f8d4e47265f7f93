// Package e2e runs the built chronik-server as real processes and real Kafka clients against it: the tests that a user
// would run by hand. It owns no product code.
//
// harness.go starts, kills and stops nodes and waits for their log lines; java.go runs the official Java tools; kafka.go
// starts Apache Kafka beside us for comparison. A test whose client is not installed says so and skips; with CHRONIK_CI=1
// a skip is a failure (see needs).
//
// Invariants: (1) nothing here sleeps to wait: tests wait for a log line, an exit or a condition polled under a deadline;
// (2) every process dies with its test; (3) every crash test ends with verify-log on each directory.
package e2e
