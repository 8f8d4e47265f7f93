package config

import "strconv"

// Mode is how a node runs.
type Mode int

// The modes.
const (
	Standalone Mode = iota
	RaftCluster
)

func (m Mode) String() string {
	if m == RaftCluster {
		return "raft-cluster"
	}
	return "standalone"
}

// Peer is one other node of a cluster.
type Peer struct {
	ID   int32
	Addr string // host:port, v6 in brackets
}

// Settings is what a node was started with, checked: values are in bounds and fit together.
type Settings struct {
	Mode Mode

	KafkaPort      int
	BindAddr       string
	AdvertisedHost string // "": answer each client with the address it connected to
	AdvertisedPort int    // 0 when AdvertisedHost is ""
	NodeID         int32  // -1: not said; the directory's own, or 1
	DataDir        string
	FileMetadata   bool
	Rack           string
	ClusterSecret  string
	MetricsPort    int // 0: none
	LogLevel       string
	LogFormat      string
	ConfigFile     string

	// In a raft-cluster only.
	RaftAddr  string
	Peers     []Peer
	Join      string // raft address of some member, "": none
	Bootstrap bool

	// Kafka holds the broker configs given in the config file; all are accepted ones.
	Kafka map[string]string
}

// identity is what DescribeConfigs shows of the command line, by Kafka's names.
func (s *Settings) identity() map[string]string {
	m := map[string]string{
		"listeners": "PLAINTEXT://" + hostPort(s.BindAddr, s.KafkaPort),
		"log.dir":   s.DataDir,
		"log.dirs":  s.DataDir,
	}
	if s.NodeID >= 0 {
		m["node.id"] = strconv.Itoa(int(s.NodeID))
		m["broker.id"] = m["node.id"]
	}
	if s.AdvertisedHost != "" {
		m["advertised.listeners"] = "PLAINTEXT://" + hostPort(s.AdvertisedHost, s.AdvertisedPort)
	}
	if s.Rack != "" {
		m["broker.rack"] = s.Rack
	}
	return m
}
