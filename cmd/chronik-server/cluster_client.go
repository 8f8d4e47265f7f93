package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/urfave/cli/v2"
)

const (
	callPatience = 15 * time.Second // for one call, retries included
	nodePatience = 4 * time.Second  // for a node to say anything, when the question is whether it does
	metaTopic    = "__cluster_metadata"
)

// operator is one run of a cluster command: a Kafka client and somebody who reads along.
type operator struct {
	ctx   context.Context // ends with Ctrl-C
	cl    *kgo.Client
	seeds string
	out   io.Writer
	term  bool // out is a terminal
	met   bool // some node answered
}

// operate makes the client; it connects when something is asked.
func operate(c *cli.Context, action func(*operator, *cli.Context) error) error {
	o := &operator{seeds: c.String("bootstrap-server"), out: c.App.Writer, term: c.App.Writer == os.Stdout && isTerminal(os.Stdout)}
	addrs := strings.Split(o.seeds, ",")
	for i, a := range addrs {
		addrs[i] = strings.TrimSpace(a)
		host, port, err := net.SplitHostPort(addrs[i])
		if n, bad := strconv.Atoi(port); err != nil || host == "" || bad != nil || n < 1 || n > 65535 {
			return usage("--bootstrap-server: %q is no address of a node; use HOST:PORT, its Kafka address, for example localhost:9092", addrs[i])
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	o.ctx = ctx
	dialer := &net.Dialer{Timeout: nodePatience}
	var err error
	o.cl, err = kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.ClientID("chronik-cluster"), kgo.Dialer(dialer.DialContext),
		kgo.MetadataMinAge(100*time.Millisecond), kgo.RetryBackoffFn(func(int) time.Duration { return 200 * time.Millisecond }), kgo.RetryTimeout(callPatience))
	if err != nil {
		return usage("--bootstrap-server: %v", err)
	}
	defer o.cl.Close()
	err = action(o, c)
	if err != nil && ctx.Err() != nil {
		return errors.New("stopped; moves that have begun are finished by the nodes, " + o.command("status") + " shows them")
	}
	return err
}

// meet asks every address for the nodes it knows, once: a client would try for longer, when one is only mistyped. An address
// that knows none is left out from then on: a node that was taken out of the cluster answers, but knows nothing that is true.
func (o *operator) meet() error {
	seeds := o.cl.SeedBrokers()
	errs := make([]error, len(seeds))
	var asked sync.WaitGroup
	for i, s := range seeds {
		asked.Go(func() {
			ctx, cancel := context.WithTimeout(o.ctx, nodePatience)
			defer cancel()
			req := kmsg.NewPtrMetadataRequest()
			req.Topics = []kmsg.MetadataRequestTopic{}
			r, err := s.Request(ctx, req)
			if err == nil && len(r.(*kmsg.MetadataResponse).Brokers) == 0 {
				err = errors.New("it knows no node: it was taken out of the cluster, or has not joined yet")
			}
			errs[i] = err
		})
	}
	asked.Wait()
	var good []string
	for i, a := range strings.Split(o.seeds, ",") {
		if errs[i] == nil {
			good = append(good, strings.TrimSpace(a))
		}
	}
	if len(good) == 0 {
		return fmt.Errorf("--bootstrap-server: no node of a cluster answers at %s (%w); name the Kafka address of a running node", o.seeds, errs[0])
	}
	return o.cl.UpdateSeedBrokers(good...)
}

// call is the time that one call has.
func (o *operator) call() (context.Context, context.CancelFunc) {
	return context.WithTimeout(o.ctx, callPatience)
}

// refusalOf is the error in an answer, nil for none, with the broker's own words.
func refusalOf(code int16, text *string) error {
	err := kerr.ErrorForCode(code)
	if err == nil {
		return nil
	}
	if text != nil && *text != "" && !strings.Contains(err.Error(), strings.TrimSuffix(*text, ".")) {
		return fmt.Errorf("%w (%s)", err, *text)
	}
	return err
}

// view is what the cluster looks like at one moment.
type view struct {
	clusterID  string
	controller int32
	nodes      []*nodeView // by id; also those that are known and not there
	parts      []*partView // by name
	quorum     quorumView
}

type nodeView struct {
	id            int32
	addr, rack    string
	listed        bool   // by the cluster
	why           string // it does not answer; "": it does
	total, usable int64  // bytes of its disk; -1: unknown
}

func (n *nodeView) reachable() bool { return n.listed && n.why == "" }

type partView struct {
	partitionID
	internal                                   bool
	leader                                     int32
	replicas, inSync, offline, adding, removes []int32
	size                                       int64
}

// target is where the partition is, or is going to be.
func (p *partView) target() []int32 { return missing(p.replicas, p.removes) }

type quorumView struct {
	err      error
	leader   int32
	epoch    int32
	end      int64
	voters   []quorumMember
	watchers []quorumMember
}

type quorumMember struct {
	id  int32
	lag int64
}

// look asks for everything. Only the metadata must be answered; of a node that does not answer it says so.
func (o *operator) look() (*view, error) {
	if !o.met {
		if err := o.meet(); err != nil {
			return nil, err
		}
		o.met = true
	}
	v := &view{}
	if err := o.lookAtTopics(v); err != nil {
		return nil, err
	}
	if err := o.lookAtMoves(v, nil); err != nil {
		return nil, err
	}
	known := o.lookAtQuorum(v)
	for _, p := range v.parts {
		known = append(known, p.replicas...)
	}
	for _, id := range known {
		if v.node(id) == nil {
			v.nodes = append(v.nodes, &nodeView{id: id, why: "the cluster does not reach it", total: -1, usable: -1})
		}
	}
	slices.SortFunc(v.nodes, func(a, b *nodeView) int { return cmp.Compare(a.id, b.id) })
	o.lookAtDisks(v)
	return v, nil
}

func (v *view) node(id int32) *nodeView {
	for _, n := range v.nodes {
		if n.id == id {
			return n
		}
	}
	return nil
}

func (v *view) part(id partitionID) *partView {
	at, ok := slices.BinarySearchFunc(v.parts, id, func(p *partView, id partitionID) int { return comparePartitions(p.partitionID, id) })
	if !ok {
		return nil
	}
	return v.parts[at]
}

// lookAtTopics asks for nodes and all topics, or those that are named.
func (o *operator) lookAtTopics(v *view, topics ...string) error {
	ctx, cancel := o.call()
	defer cancel()
	req := kmsg.NewPtrMetadataRequest()
	for _, t := range topics {
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = &t
		req.Topics = append(req.Topics, rt)
	}
	r, err := req.RequestWith(ctx, o.cl)
	if err != nil {
		return fmt.Errorf("asking for the cluster's metadata: %w", err)
	}
	if r.ClusterID != nil {
		v.clusterID = *r.ClusterID
	}
	v.controller = r.ControllerID
	v.nodes, v.parts = nil, nil
	for _, b := range r.Brokers {
		n := &nodeView{id: b.NodeID, addr: net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port))), listed: true, total: -1, usable: -1}
		if b.Rack != nil {
			n.rack = *b.Rack
		}
		v.nodes = append(v.nodes, n)
	}
	for _, t := range r.Topics {
		for _, p := range t.Partitions {
			v.parts = append(v.parts, &partView{partitionID: partitionID{*t.Topic, p.Partition}, internal: t.IsInternal, leader: p.Leader,
				replicas: p.Replicas, inSync: p.ISR, offline: p.OfflineReplicas})
		}
	}
	slices.SortFunc(v.parts, func(a, b *partView) int { return comparePartitions(a.partitionID, b.partitionID) })
	return nil
}

// lookAtMoves notes the reassignments under way.
func (o *operator) lookAtMoves(v *view, only map[string][]int32) error {
	ctx, cancel := o.call()
	defer cancel()
	req := kmsg.NewPtrListPartitionReassignmentsRequest()
	req.TimeoutMillis = int32(callPatience / time.Millisecond)
	for t, ps := range only {
		rt := kmsg.NewListPartitionReassignmentsRequestTopic()
		rt.Topic, rt.Partitions = t, ps
		req.Topics = append(req.Topics, rt)
	}
	r, err := req.RequestWith(ctx, o.cl)
	if err == nil {
		err = refusalOf(r.ErrorCode, r.ErrorMessage)
	}
	if err != nil {
		return fmt.Errorf("asking for the reassignments under way: %w", err)
	}
	for _, t := range r.Topics {
		for _, p := range t.Partitions {
			if x := v.part(partitionID{t.Topic, p.Partition}); x != nil {
				x.replicas, x.adding, x.removes = p.Replicas, p.AddingReplicas, p.RemovingReplicas
			}
		}
	}
	return nil
}

// lookAtQuorum returns all nodes that the metadata log knows.
func (o *operator) lookAtQuorum(v *view) (known []int32) {
	ctx, cancel := o.call()
	defer cancel()
	req := kmsg.NewPtrDescribeQuorumRequest()
	topic := kmsg.NewDescribeQuorumRequestTopic()
	topic.Topic, topic.Partitions = metaTopic, []kmsg.DescribeQuorumRequestTopicPartition{{}}
	req.Topics = append(req.Topics, topic)
	r, err := req.RequestWith(ctx, o.cl)
	switch {
	case err != nil:
	case r.ErrorCode != 0:
		err = refusalOf(r.ErrorCode, r.ErrorMessage)
	case len(r.Topics) != 1 || len(r.Topics[0].Partitions) != 1:
		err = errors.New("the answer does not name " + metaTopic)
	default:
		err = refusalOf(r.Topics[0].Partitions[0].ErrorCode, r.Topics[0].Partitions[0].ErrorMessage)
	}
	if err != nil {
		v.quorum = quorumView{err: err, leader: -1}
		return nil
	}
	p := &r.Topics[0].Partitions[0]
	members := func(list []kmsg.DescribeQuorumResponseTopicPartitionReplicaState) (out []quorumMember) {
		for _, m := range list {
			out = append(out, quorumMember{m.ReplicaID, max(0, p.HighWatermark-m.LogEndOffset)})
			known = append(known, m.ReplicaID)
		}
		slices.SortFunc(out, func(a, b quorumMember) int { return cmp.Compare(a.id, b.id) })
		return out
	}
	v.quorum = quorumView{leader: p.LeaderID, epoch: p.LeaderEpoch, end: p.HighWatermark, voters: members(p.CurrentVoters), watchers: members(p.Observers)}
	return known
}

// lookAtDisks asks every node that is listed for its log directories: that tells its disk, the size of its replicas, and
// whether it answers at all. All are asked at once.
func (o *operator) lookAtDisks(v *view) {
	var asked sync.WaitGroup
	answers := make([]*kmsg.DescribeLogDirsResponse, len(v.nodes))
	for i, n := range v.nodes {
		if !n.listed {
			continue
		}
		asked.Go(func() {
			ctx, cancel := context.WithTimeout(o.ctx, nodePatience)
			defer cancel()
			r, err := o.cl.Broker(int(n.id)).RetriableRequest(ctx, kmsg.NewPtrDescribeLogDirsRequest())
			if err != nil {
				n.why = "it does not answer: " + err.Error()
				return
			}
			answers[i] = r.(*kmsg.DescribeLogDirsResponse)
		})
	}
	asked.Wait()
	for i, n := range v.nodes {
		if answers[i] != nil {
			v.noteDisk(n, answers[i])
		}
	}
}

func (v *view) noteDisk(n *nodeView, r *kmsg.DescribeLogDirsResponse) {
	for _, d := range r.Dirs {
		if r.Version >= 4 && d.ErrorCode == 0 && d.TotalBytes >= 0 {
			n.total, n.usable = max(0, n.total)+d.TotalBytes, max(0, n.usable)+d.UsableBytes
		}
		for _, t := range d.Topics {
			for _, p := range t.Partitions {
				if x := v.part(partitionID{t.Topic, p.Partition}); x != nil {
					x.size = max(x.size, p.Size)
				}
			}
		}
	}
}

// planNodes are the nodes that may be given replicas.
func (v *view) planNodes(but ...int32) (out []planNode) {
	for _, n := range v.nodes {
		if n.reachable() && !slices.Contains(but, n.id) {
			out = append(out, planNode{n.id, n.rack})
		}
	}
	return out
}

// placed is the layout to plan from: what is under way counts as done.
func (v *view) placed() (out []placed) {
	for _, p := range v.parts {
		out = append(out, placed{p.partitionID, p.leader, p.target()})
	}
	return out
}

// missingNodes names those that are known and do not answer.
func (v *view) missingNodes() (out []string) {
	for _, n := range v.nodes {
		if !n.reachable() {
			out = append(out, fmt.Sprint(n.id))
		}
	}
	return out
}

func (v *view) nodeIDs() string {
	var out []string
	for _, n := range v.nodes {
		out = append(out, fmt.Sprint(n.id))
	}
	return strings.Join(out, ", ")
}
