package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// target returns the bootstrap address that the client tests talk to: a fresh standalone chronik-server, or Apache Kafka
// when CHRONIK_E2E_TARGET=kafka, which is how these tests are themselves tested.
func target(t *testing.T) string {
	t.Helper()
	if os.Getenv("CHRONIK_E2E_TARGET") == "kafka" {
		return StartKafka(t, "512m").Addr
	}
	return StartStandalone(t).Addr
}

// scripted runs a client script of testdata/clients and expects it to end well with all of its OK lines.
func scripted(t *testing.T, interpreter, script string, probe ...string) {
	t.Helper()
	needs(t, interpreter)
	dir := filepath.Join(root(), "testdata", "clients")
	check := exec.Command(interpreter, probe...)
	check.Dir = dir
	if out, err := check.CombinedOutput(); err != nil {
		unavailable(t, fmt.Sprintf("the client of %s is not installed: %s", script, strings.TrimSpace(string(out))))
	}
	addr := target(t)
	out, err := Run(t, 5*time.Minute, "", interpreter, filepath.Join(dir, script), addr, "c"+fmt.Sprint(time.Now().UnixNano()))
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	if !strings.Contains(out, "OK admin") {
		t.Fatalf("%s ended early:\n%s", script, out)
	}
}

func TestKafkaPython(t *testing.T) {
	scripted(t, "python3", "kafka_python.py", "-c", "import kafka, snappy, lz4, zstandard")
}

func TestAiokafka(t *testing.T) {
	scripted(t, "python3", "aiokafka_client.py", "-c", "import aiokafka, cramjam")
}

func TestConfluentPython(t *testing.T) {
	scripted(t, "python3", "confluent.py", "-c", "import confluent_kafka")
}

func TestKafkaJS(t *testing.T) {
	scripted(t, "node", "kafkajs.js", "-e", "require('kafkajs'); require('kafkajs-snappy'); require('kafkajs-lz4')")
}

// TestKcat produces with every codec that kcat has and reads back, alone and as a member of a group.
func TestKcat(t *testing.T) {
	needs(t, "kcat")
	addr := target(t)
	var want []string
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		var in strings.Builder
		for i := range 40 {
			line := fmt.Sprintf("%s-%d", codec, i)
			want = append(want, line)
			in.WriteString(line + "\n")
		}
		if out, err := Run(t, time.Minute, in.String(), "kcat", "-b", addr, "-P", "-t", "kcat", "-z", codec, "-X", "acks=all"); err != nil {
			t.Fatalf("producing with %s: %v\n%s", codec, err, out)
		}
	}
	out, err := Run(t, time.Minute, "", "kcat", "-b", addr, "-C", "-t", "kcat", "-o", "beginning", "-e", "-q", "-X", "check.crcs=true")
	if err != nil || strings.TrimSpace(out) != strings.Join(want, "\n") {
		t.Fatalf("reading back: %v\n%s", err, out)
	}
	out, err = Run(t, time.Minute, "", "kcat", "-b", addr, "-G", "kcat-group", "-q", "-e", "-o", "beginning", "-X", "auto.offset.reset=earliest", "kcat")
	if err != nil || strings.Count(out, "\n") < len(want) {
		t.Fatalf("reading as a group: %v\n%s", err, out)
	}
	if out, err = Run(t, time.Minute, "", "kcat", "-b", addr, "-L"); err != nil || !strings.Contains(out, `topic "kcat"`) {
		t.Fatalf("listing: %v\n%s", err, out)
	}
}

// TestJavaTools walks through the console tools as the README's quick start does.
func TestJavaTools(t *testing.T) {
	addr := target(t)
	run := func(in, tool string, args ...string) string {
		t.Helper()
		out, err := Java(t, 90*time.Second, in, tool, append([]string{"--bootstrap-server", addr}, args...)...)
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", tool, args, err, out)
		}
		return strings.Join(lines(out), "\n")
	}
	contains := func(out, want string) {
		t.Helper()
		if !strings.Contains(out, want) {
			t.Fatalf("%q is missing in:\n%s", want, out)
		}
	}
	run("", "kafka-topics", "--create", "--topic", "jt", "--partitions", "3", "--config", "retention.ms=3600000")
	contains(run("", "kafka-topics", "--describe", "--topic", "jt"), "PartitionCount: 3")
	run("", "kafka-topics", "--alter", "--topic", "jt", "--partitions", "4")
	contains(run("", "kafka-topics", "--describe", "--topic", "jt"), "PartitionCount: 4")
	contains(run("", "kafka-topics", "--list"), "jt")
	contains(run("", "kafka-configs", "--describe", "--topic", "jt"), "retention.ms=3600000")
	run("", "kafka-configs", "--alter", "--topic", "jt", "--add-config", "max.message.bytes=2000000")
	contains(run("", "kafka-configs", "--describe", "--topic", "jt"), "max.message.bytes=2000000")
	var want []string
	for i := range 60 {
		want = append(want, fmt.Sprintf("k%d:v%d", i, i))
	}
	run(strings.Join(want, "\n")+"\n", "kafka-console-producer", "--topic", "jt", "--reader-property", "parse.key=true", "--reader-property", "key.separator=:")
	got := run("", "kafka-console-consumer", "--topic", "jt", "--from-beginning", "--max-messages", "60", "--group", "jg", "--timeout-ms", "30000",
		"--formatter-property", "print.key=true", "--formatter-property", "key.separator=:")
	for _, w := range want {
		contains(got+"\n", w+"\n")
	}
	describe := run("", "kafka-consumer-groups", "--describe", "--group", "jg")
	contains(describe, "jt")
	contains(run("", "kafka-consumer-groups", "--list"), "jg")
	contains(run("", "kafka-get-offsets", "--topic", "jt"), "jt:3:")
	run("", "kafka-consumer-groups", "--group", "jg", "--topic", "jt", "--reset-offsets", "--to-earliest", "--execute")
	file := filepath.Join(t.TempDir(), "delete.json")
	if err := os.WriteFile(file, []byte(`{"partitions":[{"topic":"jt","partition":0,"offset":-1}],"version":1}`), 0o644); err != nil {
		t.Fatal(err)
	}
	run("", "kafka-delete-records", "--offset-json-file", file)
	contains(run("", "kafka-log-dirs", "--describe", "--topic-list", "jt"), "jt-0")
	run("", "kafka-consumer-groups", "--delete", "--group", "jg")
	run("", "kafka-broker-api-versions")
	run("", "kafka-topics", "--delete", "--topic", "jt")
}
