package e2e

import (
	"testing"
	"time"
)

// TestApacheKafkaRuns proves the yardstick: the comparison broker starts and its own tools talk to it.
func TestApacheKafkaRuns(t *testing.T) {
	k := StartKafka(t, "512m")
	out, err := Java(t, time.Minute, "", "kafka-topics", "--bootstrap-server", k.Addr, "--create", "--topic", "yardstick", "--partitions", "3")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
