package main

import (
	"os"

	"github.com/urfave/cli/v2"

	"chronik/protocol/config"
)

// newApp is the command line. Every option is a text to cli: package config parses and checks it, together with the
// environment and the config file.
func newApp() *cli.App {
	app := &cli.App{
		Name:                  "chronik-server",
		Usage:                 "a durable Kafka-compatible broker",
		HideVersion:           true,
		EnableBashCompletion:  true,
		Flags:                 optionFlags(false),
		CustomAppHelpTemplate: helpText(),
		Action:                func(c *cli.Context) error { return serve(c, config.Standalone) },
		OnUsageError:          wrongUsage,
		ExitErrHandler:        func(*cli.Context, error) {},
		Commands:              []*cli.Command{standaloneCommand(), raftClusterCommand(), clusterCommand(), versionCommand(), completionCommand(), verifyLogCommand()},
	}
	return app
}

func wrongUsage(_ *cli.Context, err error, _ bool) error { return usage("%v", err) }

// optionFlags are the global options, or those of raft-cluster.
func optionFlags(raft bool) []cli.Flag {
	var out []cli.Flag
	for _, o := range config.Options {
		switch {
		case o.Raft != raft:
		case o.Type == config.TypeBoolean:
			out = append(out, &cli.BoolFlag{Name: o.Name, Usage: o.Doc, Category: o.Group})
		default:
			out = append(out, &cli.StringFlag{Name: o.Name, Usage: o.Doc, Category: o.Group})
		}
	}
	return out
}

// given returns the options that stand on the command line.
func given(c *cli.Context) map[string]string {
	flags := map[string]string{}
	for _, o := range config.Options {
		switch {
		case !c.IsSet(o.Name):
		case o.Type == config.TypeBoolean:
			flags[o.Name] = map[bool]string{true: "true", false: "false"}[c.Bool(o.Name)]
		default:
			flags[o.Name] = c.String(o.Name)
		}
	}
	return flags
}

// settings joins the command line, the environment and the config file.
func settings(c *cli.Context, mode config.Mode) (*config.Settings, error) {
	s, err := config.Load(config.Given{Mode: mode, Flags: given(c), Env: os.Getenv, ReadFile: os.ReadFile})
	if err != nil {
		return nil, usage("%v", err)
	}
	return s, nil
}
