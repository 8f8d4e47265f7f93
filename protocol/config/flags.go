package config

// Option is one option of the command line: a flag, its environment variable and its key in the config file.
type Option struct {
	Name    string // flag without dashes, and key in the config file
	Env     string
	Keys    []string // Kafka's names for it in the config file
	Type    Type     // TypeBoolean, TypeInt or TypeString
	Default string   // as shown by --help
	Value   string   // placeholder of the value in --help
	Doc     string
	Group   string
	Raft    bool // belongs behind raft-cluster
}

// The groups of --help.
const (
	groupNode     = "Identity and storage"
	groupListen   = "Clients"
	groupObserve  = "Logging and metrics"
	groupSecurity = "Security"
	groupRaft     = "Cluster"
)

// Options is every option, in the order of --help.
var Options = []Option{
	{Name: "kafka-port", Env: "CHRONIK_KAFKA_PORT", Type: TypeInt, Default: "9092", Value: "PORT", Group: groupListen,
		Doc: "where Kafka clients connect"},
	{Name: "bind-addr", Env: "CHRONIK_BIND_ADDR", Type: TypeString, Default: "0.0.0.0", Value: "ADDR", Group: groupListen,
		Doc: "the local address that clients' port and metrics port listen on"},
	{Name: "advertised-addr", Env: "CHRONIK_ADVERTISED_ADDR", Type: TypeString, Value: "HOST[:PORT]", Group: groupListen,
		Doc: "what clients are told to connect to: host, host:port or [v6]:port; standalone's default is the address they came to"},
	{Name: "advertised-port", Env: "CHRONIK_ADVERTISED_PORT", Type: TypeInt, Default: "the Kafka port", Value: "PORT", Group: groupListen,
		Doc: "the port that clients are told to connect to"},
	{Name: "node-id", Env: "CHRONIK_NODE_ID", Keys: []string{"node.id", "broker.id"}, Type: TypeInt, Default: "1 when standalone", Value: "N", Group: groupNode,
		Doc: "this node's number; different on every node of a cluster, and never changed"},
	{Name: "data-dir", Env: "CHRONIK_DATA_DIR", Keys: []string{"log.dirs", "log.dir"}, Type: TypeString, Default: "./data, in a raft-cluster ./data/node-N", Value: "DIR", Group: groupNode,
		Doc: "where everything is kept"},
	{Name: "file-metadata", Env: "CHRONIK_FILE_METADATA", Type: TypeBoolean, Group: groupNode,
		Doc: "keep the metadata snapshot as one readable JSON file, written at every change; slower, for looking at"},
	{Name: "rack", Env: "CHRONIK_RACK", Keys: []string{"broker.rack"}, Type: TypeString, Value: "NAME", Group: groupNode,
		Doc: "where this node stands; replicas are spread over racks, consumers may read from the nearest"},
	{Name: "config", Env: "CHRONIK_CONFIG", Type: TypeString, Value: "FILE", Group: groupNode,
		Doc: "settings as key=value lines; keys are the names of these options or Kafka's broker configs"},
	{Name: "cluster-secret", Env: "CHRONIK_CLUSTER_SECRET", Type: TypePassword, Value: "TEXT", Group: groupSecurity,
		Doc: "what nodes prove to each other that they know; best given by its environment variable"},
	{Name: "metrics-port", Env: "CHRONIK_METRICS_PORT", Type: TypeInt, Default: "9093 beside Kafka port 9092 when standalone, else the Kafka port + 4000", Value: "PORT", Group: groupObserve,
		Doc: "HTTP with /metrics, /healthz and /readyz; 0: none"},
	{Name: "log-level", Env: "CHRONIK_LOG_LEVEL", Type: TypeString, Default: "info", Value: "LEVEL", Group: groupObserve,
		Doc: "debug, info, warn or error"},
	{Name: "log-format", Env: "CHRONIK_LOG_FORMAT", Type: TypeString, Default: "text", Value: "FORMAT", Group: groupObserve,
		Doc: "text or json"},
	{Name: "raft-addr", Env: "CHRONIK_RAFT_ADDR", Type: TypeString, Default: "0.0.0.0:5001", Value: "ADDR:PORT", Group: groupRaft, Raft: true,
		Doc: "where the other nodes connect, with this program's own protocol"},
	{Name: "peers", Env: "CHRONIK_RAFT_PEERS", Type: TypeString, Value: "N@HOST:PORT,…", Group: groupRaft, Raft: true,
		Doc: "all other nodes: node id and raft address of each"},
	{Name: "join", Env: "CHRONIK_RAFT_JOIN", Type: TypeString, Value: "HOST:PORT", Group: groupRaft, Raft: true,
		Doc: "join the cluster of the node with this raft address; once joined, the stored membership holds"},
	{Name: "bootstrap", Env: "CHRONIK_RAFT_BOOTSTRAP", Type: TypeBoolean, Group: groupRaft, Raft: true,
		Doc: "found the cluster as soon as all peers have answered that they are blank too; on exactly one node, once"},
}

// FindOption returns the option of a flag name, nil when there is none.
func FindOption(name string) *Option {
	for i := range Options {
		if Options[i].Name == name {
			return &Options[i]
		}
	}
	return nil
}

// OptionNames lists the flags' names.
func OptionNames() []string {
	out := make([]string, len(Options))
	for i := range Options {
		out[i] = Options[i].Name
	}
	return out
}

// NearestOption names the flag most like word, "" when none is near.
func NearestOption(word string) string { return nearest(word, OptionNames()) }
