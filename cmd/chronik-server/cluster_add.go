package main

import (
	"fmt"
	"net"
	"strconv"

	"github.com/urfave/cli/v2"
)

// joinPlaceholder stands for what Kafka calls do not tell.
const joinPlaceholder = "RAFT-HOST:RAFT-PORT"

// addNode prints what to run on the new machine; nothing has to be told to the cluster before.
func (o *operator) addNode(c *cli.Context) error {
	if err := arguments(c, 0, 1); err != nil {
		return err
	}
	join := c.Args().First()
	if join != "" {
		host, port, err := net.SplitHostPort(join)
		n, bad := strconv.Atoi(port)
		switch {
		case err != nil || host == "" || bad != nil || n < 1 || n > 65535:
			return usage("%q is no address of a node; use HOST:PORT, the --raft-addr of a running node as the new machine reaches it", join)
		case host == "0.0.0.0" || host == "::":
			return usage("%q is where a node listens, not where it is reached; put its host name in, for example node-1:%s", join, port)
		}
	}
	v, err := o.look()
	if err != nil {
		return err
	}
	next := int32(1)
	for _, n := range v.nodes {
		next = max(next, n.id+1)
		if n.addr == join && join != "" {
			return fmt.Errorf("%s is the Kafka address of node %d; a node joins by the raft address, which node %d prints at its start behind \"Peers:\"", join, n.id, n.id)
		}
	}
	port := "5001"
	if _, p, err := net.SplitHostPort(join); err == nil {
		port = p
	}
	where := join
	if where == "" {
		where = joinPlaceholder
	}
	fmt.Fprintf(o.out, "run this on the new machine, NEW-HOST being its name, as clients and the other nodes reach it:\n\n")
	fmt.Fprintf(o.out, "  chronik-server --node-id %d --advertised-addr NEW-HOST raft-cluster --raft-addr 0.0.0.0:%s --join %s\n\n", next, port, where)
	if join == "" {
		fmt.Fprintf(o.out, "%s is the raft address of any running node: its --raft-addr (CHRONIK_RAFT_ADDR), which it prints at its start\nbehind \"Peers:\", with the name by which the new machine reaches it; `%s` fills it in\n", joinPlaceholder, o.command("add-node HOST:PORT"))
	}
	_, err = fmt.Fprintf(o.out, "if the cluster has a secret, set CHRONIK_CLUSTER_SECRET there too. Once it has joined (%s), give it its share:\n  %s\n", o.command("status"), o.command("rebalance"))
	return err
}
