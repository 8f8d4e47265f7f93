package main

import (
	"github.com/urfave/cli/v2"

	"chronik/protocol/config"
)

// raftClusterCommand runs one node of a cluster.
func raftClusterCommand() *cli.Command {
	return &cli.Command{
		Name:               "raft-cluster",
		Usage:              "one node of a cluster",
		Flags:              optionFlags(true),
		CustomHelpTemplate: helpText(),
		OnUsageError:       wrongUsage,
		Action:             func(c *cli.Context) error { return serve(c, config.RaftCluster) },
	}
}
