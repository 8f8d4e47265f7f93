// Command chronik-server is a Kafka-compatible broker: alone in one command, or as one node of a Raft cluster.
//
// One file per command: standalone.go, raft_cluster.go, version.go, completion.go, verify_log.go; cluster.go and a cluster_*.go
// for each concern of `cluster`, which is a Kafka client for operators. args.go says which options stand in the wrong place,
// help.go prints the options by group, run.go joins the real clock, disk and network to the broker and waits for a signal;
// http.go serves /metrics, /healthz and /readyz; refusals.go turns the broker's errors into the flag at fault and the remedy.
// What can be set is in package config, nowhere else.
package main

import (
	"errors"
	"fmt"
	"os"
)

// Exit codes.
const (
	exitRefused = 1 // the node could not start, or a directory failed its verification
	exitUsage   = 2 // the command line
)

func main() { os.Exit(run(os.Args)) }

func run(args []string) int {
	var err error
	if args[len(args)-1] != "--generate-bash-completion" {
		args = flagsFirst(args)
		err = checkPlacement(args[1:])
	}
	if err == nil {
		err = newApp().Run(args)
	}
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "chronik-server: "+err.Error())
	var u *usageError
	if errors.As(err, &u) {
		return exitUsage
	}
	return exitRefused
}
