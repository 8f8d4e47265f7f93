package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Kafka is an Apache Kafka 4.3.1 broker (KRaft, combined roles, one node) that runs beside us for comparison.
type Kafka struct {
	*Process
	Addr string
	Dir  string
}

// kafkaProperties is what Kafka's own config/server.properties says, with ports and directory filled in.
func kafkaProperties(dir string, port, controller int, extra ...string) string {
	return strings.Join(append([]string{
		"process.roles=broker,controller",
		"node.id=1",
		fmt.Sprintf("controller.quorum.bootstrap.servers=localhost:%d", controller),
		fmt.Sprintf("listeners=PLAINTEXT://localhost:%d,CONTROLLER://localhost:%d", port, controller),
		fmt.Sprintf("advertised.listeners=PLAINTEXT://localhost:%d,CONTROLLER://localhost:%d", port, controller),
		"inter.broker.listener.name=PLAINTEXT",
		"controller.listener.names=CONTROLLER",
		"listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
		"num.network.threads=3", "num.io.threads=8",
		"socket.send.buffer.bytes=102400", "socket.receive.buffer.bytes=102400", "socket.request.max.bytes=104857600",
		"log.dirs=" + filepath.Join(dir, "logs"),
		"num.partitions=1", "num.recovery.threads.per.data.dir=1",
		"offsets.topic.replication.factor=1", "share.coordinator.state.topic.replication.factor=1", "share.coordinator.state.topic.min.isr=1",
		"transaction.state.log.replication.factor=1", "transaction.state.log.min.isr=1",
		"log.retention.hours=168", "log.segment.bytes=1073741824", "log.retention.check.interval.ms=300000",
	}, extra...), "\n") + "\n"
}

// StartKafka formats a fresh directory and starts Apache Kafka on it; extra lines override its properties.
func StartKafka(t testing.TB, heap string, extra ...string) *Kafka {
	t.Helper()
	cp := classpath(t)
	dir := t.TempDir()
	ports := freePorts(t, 2)
	props := filepath.Join(dir, "server.properties")
	if err := os.WriteFile(props, []byte(kafkaProperties(dir, ports[0], ports[1], extra...)), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := Run(t, time.Minute, "", "java", "-Xshare:auto", "-cp", cp, "kafka.tools.StorageTool", "format", "--standalone", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", props)
	if err != nil {
		t.Fatalf("formatting Kafka's directory: %v\n%s", err, out)
	}
	p := Start(t, "apache-kafka", dir, nil, "java", "-Xmx"+heap, "-Xms"+heap, "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
		"-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true", "-Dorg.slf4j.simpleLogger.defaultLogLevel=info", "-cp", cp, "kafka.Kafka", props)
	p.WaitLine(t, `Kafka Server started|started \(kafka`, 90*time.Second)
	return &Kafka{Process: p, Addr: fmt.Sprintf("localhost:%d", ports[0]), Dir: dir}
}
