package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/urfave/cli/v2"
)

const (
	// failoverPatience is how long partitions of a dead node may take to have another leader.
	failoverPatience = 6 * time.Second
	// unregisterPatience is for the change of the metadata quorum that comes with it.
	unregisterPatience = 45 * time.Second
	// drainRounds bounds how often a node is drained again because topics were created on it meanwhile.
	drainRounds = 5
)

// removal is one run of remove-node.
type removal struct {
	*operator
	id    int32
	force bool
}

// removeNode moves everything off a node and unregisters it.
func (o *operator) removeNode(c *cli.Context) error {
	if err := arguments(c, 1, 1); err != nil {
		return err
	}
	if err := moveOptions(c); err != nil {
		return err
	}
	id, err := parseNode(c.Args().First())
	if err != nil {
		return err
	}
	r := &removal{o, id, c.Bool("force")}
	for range drainRounds {
		v, err := r.lookForLeaders()
		if err != nil {
			return err
		}
		plan, stuck, err := r.plan(v)
		if err != nil {
			return err
		}
		if len(plan) == 0 && len(stuck) == 0 && !r.holds(v) {
			if c.Bool("dry-run") {
				_, err := fmt.Fprintf(o.out, "node %d holds nothing and would be taken out; nothing was done (--dry-run)\n", id)
				return err
			}
			return r.unregister()
		}
		if err := r.announce(v, plan, c.Bool("dry-run")); err != nil {
			return err
		}
		if c.Bool("dry-run") {
			_, err := fmt.Fprintln(o.out, "nothing was done (--dry-run)")
			return errors.Join(err, r.stuckError(stuck))
		}
		if err := o.carryOut(c, v, plan); err != nil {
			return err
		}
		if err := o.lead(preferredOf(plan)); err != nil {
			return err
		}
		if err := r.stuckError(stuck); err != nil {
			return err
		}
	}
	return fmt.Errorf("node %d got new partitions %d times while it was drained, and is not taken out: stop creating topics for a while, then give the same command again", id, drainRounds)
}

func preferredOf(plan []change) map[partitionID]int32 {
	want := map[partitionID]int32{}
	for _, c := range plan {
		want[c.partitionID] = c.To[0]
	}
	return want
}

// lookForLeaders looks and checks that the node may go. Of a dead one, it waits until its partitions have leaders, or may be
// taken to get none.
func (r *removal) lookForLeaders() (*view, error) {
	deadline := time.Now().Add(failoverPatience)
	for {
		v, err := r.look()
		if err == nil {
			err = r.check(v)
		}
		if err != nil || !r.force || len(r.leaderless(v)) == 0 || time.Now().After(deadline) {
			return v, err
		}
		if err := r.pause(lookEvery); err != nil {
			return nil, err
		}
	}
}

func (r *removal) leaderless(v *view) (out []partitionID) {
	for _, p := range v.parts {
		if p.leader < 0 && slices.Contains(p.replicas, r.id) {
			out = append(out, p.partitionID)
		}
	}
	return out
}

// holds says that a partition still has the node among its replicas, coming, staying or going.
func (r *removal) holds(v *view) bool {
	return slices.ContainsFunc(v.parts, func(p *partView) bool { return slices.Contains(p.replicas, r.id) })
}

func (r *removal) check(v *view) error {
	n := v.node(r.id)
	switch {
	case n == nil:
		return fmt.Errorf("there is no node %d; there are %s", r.id, v.nodeIDs())
	case r.force && n.reachable():
		return fmt.Errorf("node %d answers at %s, and --force is for a dead node: leave it out, so that what the node has is moved while it is there", r.id, n.addr)
	case !r.force && !n.reachable():
		return fmt.Errorf("node %d does not answer (%s): start it, so that it can hand over what it has; if it is lost for good, use\n  %s",
			r.id, n.why, r.command("remove-node %d --force", r.id))
	case len(v.planNodes(r.id)) == 0:
		return fmt.Errorf("no other node answers, so node %d has nobody to move to: add a node first (%s)", r.id, r.command("add-node"))
	}
	return nil
}

// plan drains; stuck are partitions that nobody can move, as their majority is gone with the node.
func (r *removal) plan(v *view) (plan []change, stuck []partitionID, err error) {
	plan, short := planDrain(v.planNodes(r.id), v.placed(), r.id, r.force)
	if len(short) > 0 && !r.force {
		var why []string
		for _, t := range short {
			why = append(why, fmt.Sprintf("topic %s has %d replicas, and only %d nodes remain", t.topic, t.replicas, t.left))
		}
		text := fmt.Sprintf("node %d cannot be removed: %s\nadd a node first (%s), or have fewer replicas:", r.id, firstOf(why), r.command("add-node"))
		for i, t := range short {
			if i == mostNamed {
				text += "\n  and so on"
				break
			}
			text += "\n  " + r.command("set-replication-factor %s %d", t.topic, t.left)
		}
		return nil, nil, errors.New(text)
	}
	if r.force {
		stuck = r.leaderless(v)
		plan = slices.DeleteFunc(plan, func(c change) bool { return slices.Contains(stuck, c.partitionID) })
	}
	return plan, stuck, nil
}

// announce prints the plan and, for a dead node, what is lost with it.
func (r *removal) announce(v *view, plan []change, all bool) error {
	if err := r.printPlan(v, plan, !all); err != nil || !r.force {
		return err
	}
	var fewer []string
	for _, c := range plan {
		if len(c.To) < len(c.From) {
			fewer = append(fewer, fmt.Sprintf("%s (%d replicas instead of %d)", c.partitionID, len(c.To), len(c.From)))
		}
	}
	if len(fewer) > 0 {
		fmt.Fprintf(r.out, "%d partitions lose redundancy, as there are too few nodes: %s\n", len(fewer), firstOf(fewer))
		fmt.Fprintf(r.out, "after adding a node, raise them again with %s\n", r.command("set-replication-factor TOPIC N"))
	}
	if more := len(plan) - len(fewer); more > 0 {
		fmt.Fprintf(r.out, "%d partitions have one replica fewer until they are copied\n", more)
	}
	return nil
}

func firstOf(list []string) string {
	if len(list) <= mostNamed {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:mostNamed], ", "), len(list)-mostNamed)
}

// stuckError keeps a node registered whose disk has the only copies: once it is out, it could not come back with them.
func (r *removal) stuckError(stuck []partitionID) error {
	if len(stuck) == 0 {
		return nil
	}
	var names []string
	for _, id := range stuck {
		names = append(names, id.String())
	}
	return fmt.Errorf("node %d is not taken out: %d partitions have no leader without it, and what they hold may be on its disk only: %s\nstart the node again, or delete these topics, then give the same command again",
		r.id, len(stuck), firstOf(names))
}

// unregister takes out a node that holds nothing.
func (r *removal) unregister() error {
	at, served, err := r.whoUnregisters()
	if err != nil {
		return fmt.Errorf("node %d holds nothing any more; asking who can take it out: %w", r.id, err)
	}
	if !served {
		_, err := fmt.Fprintf(r.out, "node %d is drained, not unregistered: this version of the cluster cannot take a node out (UnregisterBroker: UNSUPPORTED_VERSION)\n"+
			"it holds nothing and may be off, but it still counts as a node: new topics may be placed on it, and the metadata quorum counts its vote\n", r.id)
		return err
	}
	ctx, cancel := context.WithTimeout(r.ctx, unregisterPatience)
	defer cancel()
	req := kmsg.NewPtrUnregisterBrokerRequest()
	req.BrokerID = r.id
	answer, err := r.cl.Broker(int(at)).RetriableRequest(ctx, req)
	if err == nil {
		a := answer.(*kmsg.UnregisterBrokerResponse)
		err = refusalOf(a.ErrorCode, a.ErrorMessage)
	}
	if err != nil && !errors.Is(err, kerr.BrokerIDNotRegistered) { // that is so when an answer was lost and the client asked again
		return fmt.Errorf("node %d is drained, not unregistered: %w; give the same command again", r.id, err)
	}
	if r.force {
		_, err = fmt.Fprintf(r.out, "node %d is out of the cluster; its old directory does not come back in\n", r.id)
	} else {
		_, err = fmt.Fprintf(r.out, "node %d is drained and out of the cluster; stop it now\n", r.id)
	}
	return err
}

// whoUnregisters finds a node other than the one that goes, and whether it serves UnregisterBroker.
func (r *removal) whoUnregisters() (at int32, served bool, err error) {
	v := &view{}
	if err := r.lookAtTopics(v); err != nil {
		return 0, false, err
	}
	// the controller first, as Kafka's own tools do
	slices.SortStableFunc(v.nodes, func(a, b *nodeView) int {
		switch {
		case a.id == v.controller && b.id != v.controller:
			return -1
		case b.id == v.controller && a.id != v.controller:
			return 1
		}
		return 0
	})
	err = errors.New("no other node answers")
	for _, n := range v.nodes {
		if n.id == r.id {
			continue
		}
		ctx, cancel := r.call()
		req := kmsg.NewPtrApiVersionsRequest()
		req.ClientSoftwareName, req.ClientSoftwareVersion = "chronik-server", "1"
		var answer kmsg.Response
		answer, err = r.cl.Broker(int(n.id)).RetriableRequest(ctx, req)
		cancel()
		if err == nil {
			a := answer.(*kmsg.ApiVersionsResponse)
			if err = refusalOf(a.ErrorCode, nil); err == nil {
				return n.id, slices.ContainsFunc(a.ApiKeys, func(k kmsg.ApiVersionsResponseApiKey) bool { return k.ApiKey == int16(kmsg.UnregisterBroker) }), nil
			}
		}
	}
	return 0, false, err
}
