package e2e

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// root is the repository's top directory.
func root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// classpath is the official jars, fetched by mvn -f testdata/java/pom.xml dependency:copy-dependencies.
func classpath(t testing.TB) string {
	t.Helper()
	needs(t, "java")
	dir := filepath.Join(root(), "testdata", "java", "target", "dependency")
	if _, err := os.Stat(dir); err != nil {
		unavailable(t, "the Java clients are not there: mvn -f testdata/java/pom.xml dependency:copy-dependencies")
	}
	return dir + "/*"
}

// tools maps the scripts that users know to their main classes.
var tools = map[string]string{
	"kafka-topics":              "org.apache.kafka.tools.TopicCommand",
	"kafka-console-producer":    "org.apache.kafka.tools.ConsoleProducer",
	"kafka-console-consumer":    "org.apache.kafka.tools.consumer.ConsoleConsumer",
	"kafka-consumer-groups":     "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
	"kafka-configs":             "kafka.admin.ConfigCommand",
	"kafka-get-offsets":         "org.apache.kafka.tools.GetOffsetShell",
	"kafka-delete-records":      "org.apache.kafka.tools.DeleteRecordsCommand",
	"kafka-log-dirs":            "org.apache.kafka.tools.LogDirsCommand",
	"kafka-metadata-quorum":     "org.apache.kafka.tools.MetadataQuorumCommand",
	"kafka-broker-api-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
	"kafka-producer-perf-test":  "org.apache.kafka.tools.ProducerPerformance",
	"kafka-consumer-perf-test":  "org.apache.kafka.tools.ConsumerPerformance",
	"kafka-verifiable-producer": "org.apache.kafka.tools.VerifiableProducer",
	"kafka-verifiable-consumer": "org.apache.kafka.tools.VerifiableConsumer",
	"kafka-transactions":        "org.apache.kafka.tools.TransactionsCommand",
	"kafka-reassign-partitions": "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
	"kafka-leader-election":     "org.apache.kafka.tools.LeaderElectionCommand",
}

func javaArgs(t testing.TB, tool string, args []string) []string {
	t.Helper()
	main, ok := tools[tool]
	if !ok {
		t.Fatalf("unknown tool %s", tool)
	}
	base := []string{"-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", classpath(t), main}
	return append(base, args...)
}

// Java runs one of the official tools to its end.
func Java(t testing.TB, timeout time.Duration, in, tool string, args ...string) (string, error) {
	t.Helper()
	return Run(t, timeout, in, "java", javaArgs(t, tool, args)...)
}

// StartJava runs one of the official tools in the background.
func StartJava(t testing.TB, tool string, args ...string) *Process {
	t.Helper()
	return Start(t, tool, t.TempDir(), nil, "java", javaArgs(t, tool, args)...)
}

// lines drops the noise that the JVM and its logger print around a tool's own output.
func lines(out string) []string {
	var keep []string
	for _, l := range strings.Split(out, "\n") {
		l = strings.TrimRight(l, "\r")
		if l == "" || strings.HasPrefix(l, "SLF4J") || strings.Contains(l, "ERROR StatusLogger") {
			continue
		}
		keep = append(keep, l)
	}
	return keep
}
