package main

import "github.com/urfave/cli/v2"

func verifyLogCommand() *cli.Command { return &cli.Command{Name: "verify-log", Usage: "check the data directory of a stopped node", Hidden: true} }
