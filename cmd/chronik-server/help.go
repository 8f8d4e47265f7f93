package main

import (
	"fmt"
	"strings"

	"chronik/protocol/config"
)

// helpText is the whole of --help: commands, and every option by group, with its default and its environment variable.
func helpText() string {
	var b strings.Builder
	b.WriteString(`chronik-server: a durable Kafka-compatible broker

  chronik-server [GLOBAL_OPTIONS] [COMMAND]

Commands
  standalone                    one broker on its own; also without a command
  raft-cluster [RAFT_OPTIONS]   one node of a cluster
  cluster COMMAND               look at a running cluster and change it: status, transfer-leader, rebalance,
                                set-replication-factor, remove-node, add-node; cluster --help tells more
  verify-log DIR [--dump TOPIC-P [--records]]
                                check the data directory of a stopped node, or list what it holds of a partition
  version                       what this program is
  completion bash|zsh|fish      print a script that completes command lines

Global options stand before the command, the options of raft-cluster behind it. Every option can also be given by its
environment variable, or as key=value in the file named by --config, where Kafka's broker configs can stand too. The
command line wins over the environment, that over the file.
`)
	for _, raft := range []bool{false, true} {
		if raft {
			b.WriteString("\nOptions of raft-cluster\n")
		}
		last := ""
		for _, o := range config.Options {
			if o.Raft != raft {
				continue
			}
			if o.Group != last && !raft {
				fmt.Fprintf(&b, "\n%s\n", o.Group)
			}
			last = o.Group
			b.WriteString(optionHelp(&o))
		}
	}
	b.WriteString(`
A cluster of three on one machine
  chronik-server --kafka-port 9092 --advertised-addr localhost --node-id 1 \
    raft-cluster --raft-addr 0.0.0.0:9192 --peers "2@localhost:9292,3@localhost:9392" --bootstrap
  chronik-server --kafka-port 9093 --advertised-addr localhost --node-id 2 \
    raft-cluster --raft-addr 0.0.0.0:9292 --peers "1@localhost:9192,3@localhost:9392"
  chronik-server --kafka-port 9094 --advertised-addr localhost --node-id 3 \
    raft-cluster --raft-addr 0.0.0.0:9392 --peers "1@localhost:9192,2@localhost:9292"
`)
	return b.String()
}

func optionHelp(o *config.Option) string {
	head := "--" + o.Name
	if o.Value != "" {
		head += " " + o.Value
	}
	tail := ""
	if o.Default != "" {
		tail = " (default: " + o.Default + ")"
	}
	return fmt.Sprintf("  %-31s %s%s\n  %-31s $%s\n", head, o.Doc, tail, "", o.Env)
}
