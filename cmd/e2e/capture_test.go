package e2e

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestCaptureGoldens plays the scenario against Apache Kafka and rewrites testdata/wire/kafka-4.3.1.jsonl. It runs only when
// asked to (CHRONIK_CAPTURE=1): the stored answers are Kafka's, never ours.
func TestCaptureGoldens(t *testing.T) {
	if os.Getenv("CHRONIK_CAPTURE") == "" {
		t.Skip("set CHRONIK_CAPTURE=1 to rewrite the goldens from Apache Kafka")
	}
	k := StartKafka(t, "512m", "group.initial.rebalance.delay.ms=0", "offsets.topic.num.partitions=5", "auto.create.topics.enable=false")
	host, port, _ := net.SplitHostPort(k.Addr)
	java := filepath.Join(root(), "testdata", "java", "GoldenCapture.java")
	wire := filepath.Join(root(), "testdata", "wire")
	out, err := Run(t, 5*time.Minute, "", "java", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", classpath(t), java, host, port,
		filepath.Join(wire, "scenario.json"), filepath.Join(wire, "kafka-4.3.1.jsonl"))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
