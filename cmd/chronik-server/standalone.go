package main

import (
	"github.com/urfave/cli/v2"

	"chronik/protocol/config"
)

// standaloneCommand runs one broker on its own: a cluster of one voter.
func standaloneCommand() *cli.Command {
	return &cli.Command{
		Name:               "standalone",
		Usage:              "one broker on its own",
		CustomHelpTemplate: helpText(),
		OnUsageError:       wrongUsage,
		Action:             func(c *cli.Context) error { return serve(c, config.Standalone) },
	}
}
