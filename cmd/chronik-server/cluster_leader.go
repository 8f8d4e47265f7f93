package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

// transferLeader puts a node first among a partition's replicas, and has it elected.
func (o *operator) transferLeader(c *cli.Context) error {
	if err := arguments(c, 2, 2); err != nil {
		return err
	}
	id, err := parsePartition(c.Args().Get(0))
	if err != nil {
		return err
	}
	node, err := parseNode(c.Args().Get(1))
	if err != nil {
		return err
	}
	v, err := o.look()
	if err != nil {
		return err
	}
	p := v.part(id)
	switch {
	case p == nil:
		return o.noPartition(v, id)
	case len(p.adding)+len(p.removes) > 0:
		return fmt.Errorf("%s is being reassigned: wait until %s shows that it is done", id, o.command("status"))
	case !slices.Contains(p.replicas, node):
		return fmt.Errorf("node %d has no replica of %s; nodes %s have", node, id, idText(p.replicas))
	case !v.node(node).reachable():
		return fmt.Errorf("node %d does not answer (%s): start it first", node, v.node(node).why)
	case p.leader < 0:
		return fmt.Errorf("%s has no leader who could hand over: start more of its nodes, %s", id, idText(p.replicas))
	case !slices.Contains(p.inSync, node):
		return fmt.Errorf("node %d is not in sync with %s, nodes %s are: start it, or wait until it has caught up", node, id, idText(p.inSync))
	}
	before := p.leader
	to := append([]int32{node}, missing(p.replicas, []int32{node})...)
	if slices.Equal(to, p.replicas) && before == node {
		_, err := fmt.Fprintf(o.out, "node %d leads %s already, and is preferred\n", node, id)
		return err
	}
	if err := o.reorder(change{id, p.replicas, to}); err != nil {
		return err
	}
	left, err := o.elect(map[partitionID]int32{id: node})
	switch {
	case err != nil:
		return err
	case len(left) > 0:
		return fmt.Errorf("%s prefers node %d now, but it does not lead after %v (%s); once it is in sync, give the same command again", id, node, electPatience, left[id])
	case before == node:
		_, err = fmt.Fprintf(o.out, "node %d leads %s already, and is preferred from now on; replicas: %s\n", node, id, idText(to))
	default:
		_, err = fmt.Fprintf(o.out, "node %d leads %s now, before it was node %d; replicas: %s\n", node, id, before, idText(to))
	}
	return err
}

// reorder asks for one change that moves nothing, and waits for it.
func (o *operator) reorder(c change) error {
	m := &mover{o: o, parallel: 1, timeout: electPatience, sizes: func(partitionID) int64 { return 0 }, waiting: []change{c}, moving: map[partitionID]*moving{}}
	m.progress = newProgress(o.out, false, m.waiting, m.sizes, time.Now())
	return m.run()
}

func (o *operator) noPartition(v *view, id partitionID) error {
	n := 0
	for _, p := range v.parts {
		if p.Topic == id.Topic {
			n++
		}
	}
	if n == 0 {
		return o.noTopic(v, id.Topic)
	}
	return fmt.Errorf("topic %s has no partition %d; it has %d, counted from 0", id.Topic, id.Index, n)
}

func (o *operator) noTopic(v *view, topic string) error {
	var names []string
	for _, p := range v.parts {
		if p.Index == 0 && len(names) < mostNamed {
			names = append(names, p.Topic)
		}
	}
	if len(names) == 0 {
		return fmt.Errorf("there is no topic %s; this cluster has none", topic)
	}
	return fmt.Errorf("there is no topic %s; there are %s", topic, strings.Join(names, ", "))
}

// parsePartition reads TOPIC-PARTITION; topics may have a dash in their names too.
func parsePartition(s string) (partitionID, error) {
	at := strings.LastIndexByte(s, '-')
	if at > 0 {
		if n, err := strconv.ParseUint(s[at+1:], 10, 31); err == nil {
			return partitionID{s[:at], int32(n)}, nil
		}
	}
	return partitionID{}, usage("%q is no partition; name topic and partition, for example orders-0", s)
}

func parseNode(s string) (int32, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, usage("%q is no node; give its id, a number", s)
	}
	return int32(n), nil
}
