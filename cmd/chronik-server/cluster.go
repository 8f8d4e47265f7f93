package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"chronik/protocol/config"
)

const clusterUsage = `chronik-server cluster COMMAND [OPTIONS]

Looks at a running cluster and changes where its partitions are, by Kafka calls to any node.

  status [-o table|json|yaml]   nodes, disks, partitions that lack something, moves under way, the metadata quorum
  transfer-leader TOPIC-P NODE  make NODE, which has a replica in sync, the leader of a partition
  rebalance [--dry-run]         spread replicas and leaders evenly over all nodes, with as few moves as possible
  set-replication-factor TOPIC N, or --all N
                                give a topic, or every topic with the internal ones, N replicas
  remove-node ID [--force]      move everything off a node, then take it out of the cluster; --force: it is dead
  add-node [RAFT-HOST:PORT]     print the command line for the machine that is to join; the address is the --raft-addr
                                of any running node, as the new machine reaches it

Options
  --bootstrap-server HOST:PORT[,…]  Kafka address of some running nodes (default: localhost:9092)
  -o, --output table|json|yaml      of status (default: table)
  --dry-run                         print the plan of rebalance, set-replication-factor or remove-node, and do nothing
  --parallel N                      partitions that move at the same time (default: 10)
  --timeout DURATION                how long moves may take altogether (default: 24h); the nodes finish them anyway

Moves go on without this program: after Ctrl-C, give the same command again, it does what is left.
Exit code 1: refused or failed, 2: the command line.
`

// clusterCommand is for operators: it talks to nodes as any Kafka client does.
func clusterCommand() *cli.Command {
	sub := func(name, usage, args string, action func(*operator, *cli.Context) error, flags ...cli.Flag) *cli.Command {
		return &cli.Command{
			Name: name, Usage: usage, ArgsUsage: args, Flags: append([]cli.Flag{bootstrapFlag()}, flags...),
			CustomHelpTemplate: clusterUsage, OnUsageError: wrongUsage, HideHelpCommand: true,
			Action: func(c *cli.Context) error { return operate(c, action) },
		}
	}
	return &cli.Command{
		Name: "cluster", Usage: "look at a running cluster, and change it", ArgsUsage: "COMMAND",
		CustomHelpTemplate: clusterUsage, OnUsageError: wrongUsage, HideHelpCommand: true,
		Action: func(c *cli.Context) error {
			if c.Args().Len() == 0 {
				return usage("cluster needs a command: %s", strings.Join(clusterCommands(), ", "))
			}
			return usage("cluster has no command %q; it has %s", c.Args().First(), strings.Join(clusterCommands(), ", "))
		},
		Subcommands: []*cli.Command{
			sub("status", "nodes, partitions that lack something, moves, the quorum", "", (*operator).status,
				&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Value: "table", Usage: "table, json or yaml"}),
			sub("transfer-leader", "make a node the leader of a partition", "TOPIC-PARTITION NODE", (*operator).transferLeader),
			sub("rebalance", "spread replicas and leaders evenly", "", (*operator).rebalance, moveFlags()...),
			sub("set-replication-factor", "give a topic more or fewer replicas", "TOPIC N", (*operator).setFactor,
				append(moveFlags(), &cli.BoolFlag{Name: "all", Usage: "every topic, the internal ones included"})...),
			sub("remove-node", "move everything off a node and take it out of the cluster", "ID", (*operator).removeNode,
				append(moveFlags(), &cli.BoolFlag{Name: "force", Usage: "the node is dead and does not come back"})...),
			sub("add-node", "print the command line for a machine that is to join", "[RAFT-HOST:PORT]", (*operator).addNode),
		},
	}
}

func clusterCommands() []string {
	return []string{"status", "transfer-leader", "rebalance", "set-replication-factor", "remove-node", "add-node"}
}

func bootstrapFlag() cli.Flag {
	return &cli.StringFlag{Name: "bootstrap-server", Value: "localhost:9092", Usage: "Kafka address of some running nodes"}
}

func moveFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "dry-run", Usage: "print the plan and do nothing"},
		&cli.IntFlag{Name: "parallel", Value: 10, Usage: "partitions that move at the same time"},
		&cli.DurationFlag{Name: "timeout", Value: 24 * time.Hour, Usage: "how long moves may take altogether"},
	}
}

// clusterSwitches are the options without a value.
var clusterSwitches = []string{"dry-run", "all", "force", "help", "h"}

// flagsFirst lets the options of cluster stand anywhere behind it; cli wants them before the arguments.
func flagsFirst(args []string) []string {
	at := commandAt(args)
	if at < 0 || args[at] != "cluster" {
		return args
	}
	var flags, rest []string
	for i := at + 1; i < len(args); i++ {
		a := args[i]
		if a == "--" {
			rest = append(rest, args[i+1:]...)
			break
		}
		if !strings.HasPrefix(a, "-") || a == "-" {
			rest = append(rest, a)
			continue
		}
		flags = append(flags, a)
		if !strings.Contains(a, "=") && !slices.Contains(clusterSwitches, strings.TrimLeft(a, "-")) && i+1 < len(args) {
			i++
			flags = append(flags, args[i])
		}
	}
	out := slices.Clone(args[:at+1])
	if len(rest) > 0 {
		out, rest = append(out, rest[0]), rest[1:]
	}
	return append(append(out, flags...), rest...)
}

// commandAt is where the command stands behind the global options, -1: nowhere.
func commandAt(args []string) int {
	for i := 1; i < len(args); i++ {
		if !strings.HasPrefix(args[i], "-") {
			return i
		}
		name, _, inline := strings.Cut(strings.TrimLeft(args[i], "-"), "=")
		if o := config.FindOption(name); o != nil && !inline && o.Type != config.TypeBoolean {
			i++
		}
	}
	return -1
}

// arguments refuses too few and too many.
func arguments(c *cli.Context, min, max int) error {
	if n := c.Args().Len(); n < min || n > max {
		what := strings.TrimSpace(c.Command.Name + " " + c.Command.ArgsUsage)
		return usage("%s has %d arguments, it is used as\n  chronik-server cluster %s", c.Command.Name, n, what)
	}
	return nil
}

// command is another command line of cluster, for this same cluster, to be named as a remedy.
func (o *operator) command(format string, args ...any) string {
	at := ""
	if o.seeds != "localhost:9092" {
		at = " --bootstrap-server " + o.seeds
	}
	return "chronik-server cluster " + fmt.Sprintf(format, args...) + at
}
