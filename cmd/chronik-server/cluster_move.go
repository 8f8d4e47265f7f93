package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/urfave/cli/v2"
)

const (
	lookEvery       = 250 * time.Millisecond
	electPatience   = 30 * time.Second // for preferred leaders, all together
	troublePatience = time.Minute      // for a cluster that answers with errors that pass
	overruledAfter  = 20 * time.Second // by then every node knows what was asked for
)

// mover carries out a plan, at most parallel partitions at a time.
type mover struct {
	o        *operator
	parallel int
	timeout  time.Duration
	sizes    func(partitionID) int64
	waiting  []change
	moving   map[partitionID]*moving
	progress *progress
	trouble  time.Time // since when nothing but errors came back; zero: all is well
}

type moving struct {
	change
	since time.Time
}

// moveOptions reads what all commands that move have in common.
func moveOptions(c *cli.Context) error {
	if n := c.Int("parallel"); n < 1 {
		return usage("--parallel %d: at least one partition has to move at a time", n)
	}
	if d := c.Duration("timeout"); d <= 0 {
		return usage("--timeout %v: give moves some time, for example --timeout 1h", d)
	}
	return nil
}

// carryOut moves, and returns when every partition is where the plan wants it. Those without a leader cannot move, and must not
// keep the others from it.
func (o *operator) carryOut(c *cli.Context, v *view, plan []change) error {
	var stuck []string
	plan = slices.DeleteFunc(slices.Clone(plan), func(x change) bool {
		alone := v.part(x.partitionID).leader < 0
		if alone {
			stuck = append(stuck, fmt.Sprintf("%s (replicas on nodes %s)", x.partitionID, idText(x.From)))
		}
		return alone
	})
	sizes := func(id partitionID) int64 { return v.part(id).size }
	m := &mover{o: o, parallel: c.Int("parallel"), timeout: c.Duration("timeout"), sizes: sizes, waiting: slices.Clone(plan), moving: map[partitionID]*moving{}}
	m.progress = newProgress(o.out, o.term, plan, sizes, time.Now())
	err := m.run()
	m.progress.end(time.Now())
	if err == nil && len(stuck) > 0 {
		err = fmt.Errorf("%d partitions have no leader, and stay as they are: %s\nstart more of their nodes, then give the same command again", len(stuck), firstOf(stuck))
	}
	return err
}

func (m *mover) run() error {
	deadline := time.Now().Add(m.timeout)
	for {
		fresh, err := m.step()
		switch {
		case m.passing(err) != nil:
			return err
		case len(m.waiting)+len(m.moving) == 0:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("%d partitions are not there after %v: %s; the nodes go on with those that have begun, the same command does the rest",
				len(m.waiting)+len(m.moving), m.timeout, cmp.Or(m.waits(fresh), "the cluster does not answer"))
		}
		m.progress.show(time.Now(), m.waits(fresh))
		if err := m.o.pause(lookEvery); err != nil {
			return err
		}
	}
}

// step asks for what may move, and strikes off what is there.
func (m *mover) step() (*view, error) {
	if err := m.submit(); err != nil {
		return nil, err
	}
	fresh, err := m.o.lookAt(slices.Collect(maps.Keys(m.moving)))
	if err != nil {
		return nil, err
	}
	return fresh, m.settle(fresh)
}

// passing lets errors pass for a while: leaders and controllers change.
func (m *mover) passing(err error) error {
	var final finalError
	switch {
	case err == nil:
		m.trouble = time.Time{}
		return nil
	case m.o.ctx.Err() != nil || errors.As(err, &final):
		return err
	case m.trouble.IsZero():
		m.trouble = time.Now()
	case time.Since(m.trouble) > troublePatience:
		return err
	}
	return nil
}

// pause waits between two looks; an error: Ctrl-C.
func (o *operator) pause(d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-o.ctx.Done():
		return o.ctx.Err()
	case <-t.C:
		return nil
	}
}

// finalError says that asking again would get the same answer.
type finalError struct{ error }

// submit asks for as many as may move now.
func (m *mover) submit() error {
	n := min(m.parallel-len(m.moving), len(m.waiting))
	if n <= 0 {
		return nil
	}
	took, err := m.o.reassign(m.waiting[:n])
	for _, id := range took {
		at := slices.IndexFunc(m.waiting, func(c change) bool { return c.partitionID == id })
		m.moving[id] = &moving{m.waiting[at], time.Now()}
		m.waiting = slices.Delete(m.waiting, at, at+1)
	}
	return err
}

// reassign asks for changes and returns those that the cluster took.
func (o *operator) reassign(changes []change) (took []partitionID, err error) {
	req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	req.TimeoutMillis = int32(callPatience / time.Millisecond)
	topics := map[string]*kmsg.AlterPartitionAssignmentsRequestTopic{}
	for _, c := range changes {
		t := topics[c.Topic]
		if t == nil {
			x := kmsg.NewAlterPartitionAssignmentsRequestTopic()
			x.Topic = c.Topic
			t, topics[c.Topic] = &x, &x
		}
		p := kmsg.NewAlterPartitionAssignmentsRequestTopicPartition()
		p.Partition, p.Replicas = c.Index, c.To
		t.Partitions = append(t.Partitions, p)
	}
	for _, name := range slices.Sorted(maps.Keys(topics)) {
		req.Topics = append(req.Topics, *topics[name])
	}
	ctx, cancel := o.call()
	defer cancel()
	r, err := req.RequestWith(ctx, o.cl)
	if err == nil {
		err = refusalOf(r.ErrorCode, r.ErrorMessage)
	}
	if err != nil {
		return nil, fmt.Errorf("asking for reassignments: %w", err)
	}
	var refused, later []string
	for _, t := range r.Topics {
		for _, p := range t.Partitions {
			id := partitionID{t.Topic, p.Partition}
			switch e := refusalOf(p.ErrorCode, p.ErrorMessage); {
			case e == nil:
				took = append(took, id)
			case kerr.IsRetriable(kerr.ErrorForCode(p.ErrorCode)) && p.ErrorCode != kerr.UnknownTopicOrPartition.Code:
				later = append(later, fmt.Sprintf("%s: %v", id, e))
			default:
				refused = append(refused, fmt.Sprintf("%s: %v", id, e))
			}
		}
	}
	if len(refused) > 0 {
		return took, finalError{fmt.Errorf("the cluster refuses a reassignment: %s; if topics or nodes changed meanwhile, give the same command again", strings.Join(refused, "; "))}
	}
	if len(later) > 0 {
		return took, fmt.Errorf("reassignments are not taken yet: %s", strings.Join(later, "; "))
	}
	return took, nil
}

// lookAt asks for some partitions and the moves of them that are under way.
func (o *operator) lookAt(ids []partitionID) (*view, error) {
	only := map[string][]int32{}
	for _, id := range ids {
		only[id.Topic] = append(only[id.Topic], id.Index)
	}
	v := &view{}
	if len(only) == 0 {
		return v, nil
	}
	if err := o.lookAtTopics(v, slices.Sorted(maps.Keys(only))...); err != nil {
		return nil, err
	}
	return v, o.lookAtMoves(v, only)
}

// settle strikes off what is there.
func (m *mover) settle(fresh *view) error {
	for id, x := range m.moving {
		p := fresh.part(id)
		switch {
		case p == nil: // the topic was deleted meanwhile
		case !slices.Equal(p.target(), x.To):
			if time.Since(x.since) > overruledAfter {
				return finalError{fmt.Errorf("%s is to be on nodes %s now, not on %s: somebody else changes this cluster too; give the same command again once they are done",
					id, idText(p.target()), idText(x.To))}
			}
			continue
		case len(p.adding)+len(p.removes) > 0 || len(lagging(fresh, p)) > 0:
			continue
		}
		m.progress.finished(weigh(&x.change, m.sizes))
		delete(m.moving, id)
	}
	return nil
}

// lagging lists the nodes that are to have a replica, are there, and are not in sync.
func lagging(v *view, p *partView) (out []int32) {
	for _, n := range missing(p.target(), p.inSync) {
		if v.node(n) != nil {
			out = append(out, n)
		}
	}
	return out
}

// waits names the first partition that is on its way, and for whom it waits.
func (m *mover) waits(fresh *view) string {
	if fresh == nil || len(m.moving) == 0 {
		return ""
	}
	id := slices.SortedFunc(maps.Keys(m.moving), comparePartitions)[0]
	p := fresh.part(id)
	switch {
	case p == nil:
		return ""
	case p.leader < 0:
		return fmt.Sprintf("%s has no leader", id)
	}
	for _, n := range p.target() {
		if fresh.node(n) == nil && slices.Contains(p.adding, n) {
			return fmt.Sprintf("%s waits for node %d, which the cluster does not reach", id, n)
		}
	}
	if behind := lagging(fresh, p); len(behind) > 0 {
		return fmt.Sprintf("%s is being copied to node %s", id, idText(behind))
	}
	if len(p.offline) > 0 {
		return fmt.Sprintf("%s waits, while node %s is not there", id, idText(p.offline))
	}
	return fmt.Sprintf("%s is about to drop node %s", id, idText(p.removes))
}

// elect makes preferred leaders lead, and returns those that do not with the reason.
func (o *operator) elect(want map[partitionID]int32) (left map[partitionID]string, err error) {
	deadline := time.Now().Add(electPatience)
	left = map[partitionID]string{}
	for {
		v, err := o.lookAt(slices.Collect(maps.Keys(want)))
		if err == nil {
			for id, node := range want {
				if p := v.part(id); p == nil || p.leader == node {
					delete(want, id)
					delete(left, id)
				}
			}
		}
		if len(want) == 0 {
			return nil, nil
		}
		if err == nil {
			err = o.electOnce(want, left)
		}
		if time.Now().After(deadline) {
			return left, err
		}
		if err := o.pause(lookEvery); err != nil {
			return nil, err
		}
	}
}

func (o *operator) electOnce(want map[partitionID]int32, left map[partitionID]string) error {
	req := kmsg.NewPtrElectLeadersRequest()
	req.TimeoutMillis = 5000
	topics := map[string][]int32{}
	for id := range want {
		left[id] = "no election yet"
		topics[id.Topic] = append(topics[id.Topic], id.Index)
	}
	for _, name := range slices.Sorted(maps.Keys(topics)) {
		t := kmsg.NewElectLeadersRequestTopic()
		t.Topic, t.Partitions = name, topics[name]
		req.Topics = append(req.Topics, t)
	}
	ctx, cancel := o.call()
	defer cancel()
	r, err := req.RequestWith(ctx, o.cl)
	if err == nil {
		err = refusalOf(r.ErrorCode, nil)
	}
	if err != nil {
		return fmt.Errorf("asking for elections: %w", err)
	}
	for _, t := range r.Topics {
		for _, p := range t.Partitions {
			if e := refusalOf(p.ErrorCode, p.ErrorMessage); e != nil {
				left[partitionID{t.Topic, p.Partition}] = e.Error()
			}
		}
	}
	return nil
}

// lead elects after moves, and tells how it went. Leaders that stay elsewhere are no failure of the move.
func (o *operator) lead(want map[partitionID]int32) error {
	if len(want) == 0 {
		return nil
	}
	n := len(want)
	left, err := o.elect(want)
	if err != nil {
		return err
	}
	fmt.Fprintf(o.out, "%d of %d leaders are where they should be\n", n-len(left), n)
	for i, id := range slices.SortedFunc(maps.Keys(left), comparePartitions) {
		if i == mostNamed {
			fmt.Fprintf(o.out, "  and %d more\n", len(left)-i)
			break
		}
		fmt.Fprintf(o.out, "  %s is not led by node %d: %s\n", id, want[id], left[id])
	}
	if len(left) > 0 {
		fmt.Fprintf(o.out, "give the same command again once those nodes are in sync (%s)\n", o.command("status"))
	}
	return nil
}

// printPlan tells what is going to happen; short: the first changes only.
func (o *operator) printPlan(v *view, plan []change, short bool) error {
	if len(plan) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(o.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "PARTITION\tREPLICAS NOW\tREPLICAS THEN\tTO COPY")
	copies, bytes := 0, int64(0)
	for i := range plan {
		c := &plan[i]
		n := len(c.Adding())
		size := int64(n) * v.part(c.partitionID).size
		copies, bytes = copies+n, bytes+size
		if short && i >= mostNamed {
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", c.partitionID, idText(c.From), idText(c.To), cmp.Or(map[bool]string{true: "nothing"}[n == 0], sizeText(size)))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if more := len(plan) - mostNamed; short && more > 0 {
		fmt.Fprintf(o.out, "and %d more; --dry-run prints all\n", more)
	}
	_, err := fmt.Fprintf(o.out, "%d partitions change, %d replicas are copied, %s\n", len(plan), copies, sizeText(bytes))
	return err
}
