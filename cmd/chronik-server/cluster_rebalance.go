package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
)

// rebalance spreads replicas and leaders over all nodes.
func (o *operator) rebalance(c *cli.Context) error {
	if err := arguments(c, 0, 0); err != nil {
		return err
	}
	if err := moveOptions(c); err != nil {
		return err
	}
	v, err := o.look()
	if err != nil {
		return err
	}
	if away := v.missingNodes(); len(away) > 0 {
		return fmt.Errorf("node %s does not answer, and replicas are spread over all nodes: start it, or take it out with\n  %s",
			strings.Join(away, ", "), o.command("remove-node %s --force", away[0]))
	}
	plan := planRebalance(v.planNodes(), v.placed())
	want := preferred(v, plan)
	if len(plan) == 0 && len(want) == 0 {
		_, err := fmt.Fprintf(o.out, "replicas and leaders are spread evenly over %d nodes already\n", len(v.nodes))
		return err
	}
	if err := o.printPlan(v, plan, !c.Bool("dry-run")); err != nil {
		return err
	}
	if len(want) > 0 {
		fmt.Fprintf(o.out, "%d partitions get another leader\n", len(want))
	}
	if c.Bool("dry-run") {
		_, err := fmt.Fprintln(o.out, "nothing was done (--dry-run)")
		return err
	}
	if err := o.carryOut(c, v, plan); err != nil {
		return err
	}
	return o.lead(want)
}

// preferred are the leaders that differ from those that the cluster will prefer.
func preferred(v *view, plan []change) map[partitionID]int32 {
	want := map[partitionID]int32{}
	for _, p := range v.parts {
		if to := p.target(); len(to) > 0 && p.leader != to[0] {
			want[p.partitionID] = to[0]
		}
	}
	for _, c := range plan {
		if p := v.part(c.partitionID); p.leader != c.To[0] {
			want[c.partitionID] = c.To[0]
		} else {
			delete(want, c.partitionID)
		}
	}
	return want
}

// setFactor gives one topic, or all, another number of replicas.
func (o *operator) setFactor(c *cli.Context) error {
	all := c.Bool("all")
	args := 2
	if all {
		args = 1
	}
	if c.Args().Len() != args {
		return usage("set-replication-factor takes a topic and a number, or --all and a number:\n  chronik-server cluster set-replication-factor TOPIC N\n  chronik-server cluster set-replication-factor --all N")
	}
	if err := moveOptions(c); err != nil {
		return err
	}
	n, err := strconv.Atoi(c.Args().Get(args - 1))
	if err != nil || n < 1 {
		return usage("%q is no replication factor; give the number of replicas, at least 1", c.Args().Get(args-1))
	}
	v, err := o.look()
	if err != nil {
		return err
	}
	topic := c.Args().First()
	if !all && v.part(partitionID{topic, 0}) == nil {
		return o.noTopic(v, topic)
	}
	nodes := v.planNodes()
	if n > len(nodes) {
		text := fmt.Sprintf("%d replicas need %d nodes, and %d answer: use at most %d, or add a node (%s)", n, n, len(nodes), len(nodes), o.command("add-node"))
		if away := v.missingNodes(); len(away) > 0 {
			text += "; node " + strings.Join(away, ", ") + " is known and does not answer"
		}
		return fmt.Errorf("%s", text)
	}
	plan := planFactor(nodes, v.placed(), func(id partitionID) bool { return all || id.Topic == topic }, n)
	if len(plan) == 0 {
		_, err := fmt.Fprintf(o.out, "there are %d replicas already\n", n)
		return err
	}
	if err := o.printPlan(v, plan, !c.Bool("dry-run")); err != nil {
		return err
	}
	if n == 2 {
		fmt.Fprintln(o.out, "note: with two replicas both nodes must be up; it takes three to do without one")
	}
	if c.Bool("dry-run") {
		_, err := fmt.Fprintln(o.out, "nothing was done (--dry-run)")
		return err
	}
	return o.carryOut(c, v, plan)
}
