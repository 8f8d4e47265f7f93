package config

import (
	"bufio"
	"os"
	"slices"
	"strings"
	"testing"
)

// kafkaConfig is one line of testdata/kafka-4.3.1-configs.tsv.
type kafkaConfig struct{ resource, name, typ, def, update string }

func kafkaConfigs(t *testing.T) []kafkaConfig {
	t.Helper()
	f, err := os.Open("testdata/kafka-4.3.1-configs.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []kafkaConfig
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		if strings.HasPrefix(sc.Text(), "#") {
			continue
		}
		p := strings.Split(sc.Text(), "\t")
		out = append(out, kafkaConfig{p[0], p[1], p[2], p[3], p[4]})
	}
	if len(out) < 370 {
		t.Fatalf("only %d configs", len(out))
	}
	return out
}

// Differences from Kafka's defaults that are meant.
var otherDefaults = map[string]string{
	"default.replication.factor":            "by the number of nodes",
	"offsets.topic.replication.factor":      "by the number of nodes",
	"group.coordinator.rebalance.protocols": "only classic",
	"listener.security.protocol.map":        "only PLAINTEXT",
	"listeners":                             "from the command line",
	"log.dir":                               "from the command line",
	"node.id":                               "from the command line",
	"broker.id":                             "from the command line",
	"log.cleaner.enable":                    "no compaction",
	"process.roles":                         "always both",
	"sasl.enabled.mechanisms":               "no authentication",
	"inter.broker.listener.name":            "own protocol",
}

func TestEveryKafkaConfigIsKnown(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range kafkaConfigs(t) {
		rows := topicRows
		if k.resource == "broker" {
			rows = brokerRows
		}
		seen[k.resource+k.name] = true
		r := find(rows, k.name)
		if r == nil {
			if k.resource == "broker" && refusedBroker[k.name] != "" {
				continue
			}
			t.Errorf("%s config %s is not in the table", k.resource, k.name)
			continue
		}
		if r.typ.String() != k.typ {
			t.Errorf("%s is a %s, not a %s", k.name, k.typ, r.typ)
		}
		if _, meant := otherDefaults[k.name]; !meant && !(r.none && k.def == "null") && (r.none || r.def != k.def) {
			t.Errorf("%s: default %q, Kafka's is %q", k.name, r.def, k.def)
		}
		mode := map[update]string{readOnly: "read-only", perBroker: "per-broker", clusterWide: "cluster-wide"}[r.update]
		if k.resource == "broker" && mode != k.update {
			t.Errorf("%s is %s, not %s", k.name, k.update, mode)
		}
	}
	for _, r := range topicRows {
		if !seen["topic"+r.name] {
			t.Errorf("topic config %s is none of Kafka's", r.name)
		}
	}
	for _, n := range BrokerConfigNames() {
		if !seen["broker"+n] {
			t.Errorf("broker config %s is none of Kafka's", n)
		}
	}
	for n := range refusedBroker {
		if !seen["broker"+n] || find(brokerRows, n) != nil {
			t.Errorf("refused broker config %s is none of Kafka's, or is in both lists", n)
		}
	}
}

func TestRowsAreSound(t *testing.T) {
	for _, rows := range [][]row{topicRows, brokerRows} {
		if !slices.IsSortedFunc(rows, func(a, b row) int { return strings.Compare(a.name, b.name) }) {
			t.Error("a table is not sorted by name")
		}
		for _, r := range rows {
			if !r.none {
				if _, err := r.accept(r.def); err != nil {
					t.Errorf("default of %s: %v", r.name, err)
				}
			}
			if r.honoured() && len(r.only) > 0 || !r.honoured() && r.why == "" {
				t.Errorf("%s: neither honoured nor refused, or both", r.name)
			}
			if r.doc == "" && r.means == "" {
				t.Errorf("%s has no doc", r.name)
			}
			if r.means != "" && find(topicRows, r.means) == nil {
				t.Errorf("%s means %s, which is no topic config", r.name, r.means)
			}
		}
	}
}
