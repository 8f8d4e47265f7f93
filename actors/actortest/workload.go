package actortest

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/protocol/batch"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
	"chronik/wal"
)

const (
	// pause spaces the retries of a client.
	pause = 100 * time.Millisecond
	// think is how long a producer waits at most between two batches of a partition.
	think = 60 * time.Millisecond
	// committers is the number of groups that commit offsets.
	committers = 2
)

// Workload is what the clients of a simulation do, and what they were told: idempotent producers of unique values, and
// consumers that follow every partition.
type Workload struct {
	Topic string
	Acked int // records
	Read  int // records, by the consumers that run beside the faults

	c          *Cluster
	partitions int
	producers  []*Producer
	consumers  []*Consumer
	committers []*Committer
	mover      *Mover
	group      *Group
	seen       []map[int64]string // per partition: what was ever read at an offset
	acked      []map[int64]string // per partition: what was acknowledged at an offset
	stopped    bool
}

// CreateTopic creates a topic and calls then.
func (c *Client) CreateTopic(topic string, partitions int32, replicas int16, then func()) {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version, req.TimeoutMillis = 5, 3000
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = topic, partitions, replicas
	// Segments are as small as they may be, so that they roll, are copied and deleted within a run.
	small := "1048576"
	cfg := kmsg.NewCreateTopicsRequestTopicConfig()
	cfg.Name, cfg.Value = "segment.bytes", &small
	t.Configs = append(t.Configs, cfg)
	req.Topics = append(req.Topics, t)
	again := func() { c.cluster.After(pause, func() { c.CreateTopic(topic, partitions, replicas, then) }) }
	c.Ask(c.anyBroker(), req, func(r kmsg.Response, err error) {
		if err != nil {
			again()
			return
		}
		switch code := kerror.Code(r.(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode); code {
		case kerror.None, kerror.TopicAlreadyExists:
			then()
		default:
			if code == kerror.InvalidConfig || code == kerror.InvalidRequest {
				c.cluster.Fail("creating %s: %v", topic, code)
			}
			again()
		}
	})
}

// Commits is how many commits of offsets were acknowledged.
func (w *Workload) Commits() (n int) {
	for _, c := range w.committers {
		n += c.Commits
	}
	return n
}

// Rebalances counts the generations of the group that rebalances.
func (w *Workload) Rebalances() int { return w.group.Rebalances }

// KeepThree has every partition keep three replicas from now on.
func (w *Workload) KeepThree() { w.mover.All = true }

// Moves counts the reassignments that the metadata log took.
func (w *Workload) Moves() int { return w.mover.Moves }

// NewWorkload starts producers, one consumer per partition and some groups on a topic that exists.
func NewWorkload(c *Cluster, topic string, partitions, producers int) *Workload {
	w := &Workload{Topic: topic, c: c, partitions: partitions}
	for range partitions {
		w.seen = append(w.seen, map[int64]string{})
		w.acked = append(w.acked, map[int64]string{})
	}
	for i := range producers {
		p := &Producer{w: w, client: c.NewClient(fmt.Sprintf("producer-%d", i)), name: i, id: -1}
		w.producers = append(w.producers, p)
		p.init()
	}
	for i := range partitions {
		w.consumers = append(w.consumers, newConsumer(w, int32(i)))
	}
	for i := range committers {
		w.committers = append(w.committers, NewCommitter(w, fmt.Sprintf("group-%d", i)))
	}
	w.mover = NewMover(w)
	w.group = NewGroup(w)
	return w
}

// Producer is an idempotent producer with one batch in flight per partition.
type Producer struct {
	w        *Workload
	client   *Client
	name     int
	id       int64
	parts    []*producing
	inFlight int
}

// producing is a producer's way through one partition.
type producing struct {
	p         *Producer
	partition int32
	sequence  int32
	next      int
	values    []string // of the batch in flight
	addr      string
}

func (p *Producer) init() {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.Version, req.ProducerID, req.ProducerEpoch = 4, -1, -1
	p.client.Ask(p.client.anyBroker(), req, func(r kmsg.Response, err error) {
		if err != nil || r.(*kmsg.InitProducerIDResponse).ErrorCode != 0 {
			p.w.c.After(pause, p.init)
			return
		}
		p.id = r.(*kmsg.InitProducerIDResponse).ProducerID
		for i := range p.w.partitions {
			x := &producing{p: p, partition: int32(i)}
			p.parts = append(p.parts, x)
			x.begin()
		}
	})
}

// begin takes new values, unless the workload was stopped.
func (x *producing) begin() {
	if x.p.w.stopped {
		return
	}
	n := 1 + x.p.w.c.Rand.IntN(8)
	for range n {
		x.values = append(x.values, fmt.Sprintf("%d/%d/%d", x.p.name, x.partition, x.next))
		x.next++
	}
	x.p.inFlight++
	x.send()
}

// again sends the same batch anew, to the leader of then.
func (x *producing) again() {
	x.addr = ""
	x.p.w.c.After(pause, x.send)
}

func (x *producing) send() {
	if x.addr == "" {
		x.p.client.leader(x.p.w.Topic, x.partition, func(addr string) {
			if x.addr = addr; addr == "" {
				x.again()
				return
			}
			x.send()
		})
		return
	}
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis = 8, -1, 3000
	t := kmsg.NewProduceRequestTopic()
	t.Topic = x.p.w.Topic
	part := kmsg.NewProduceRequestTopicPartition()
	part.Partition, part.Records = x.partition, x.batch()
	t.Partitions = append(t.Partitions, part)
	req.Topics = append(req.Topics, t)
	x.p.client.Ask(x.addr, req, func(r kmsg.Response, err error) {
		if err != nil {
			x.again()
			return
		}
		x.answered(r.(*kmsg.ProduceResponse).Topics[0].Partitions[0])
	})
}

func (x *producing) batch() []byte {
	now := kafka.Timestamp(Epoch.Add(x.p.w.c.Now).UnixMilli())
	records := make([]batch.Record, len(x.values))
	for i, v := range x.values {
		records[i] = batch.Record{Timestamp: now, Value: []byte(v)}
	}
	return batch.Build(batch.Params{Producer: &batch.Producer{ID: kafka.ProducerID(x.p.id), Sequence: kafka.Sequence(x.sequence)}}, records)
}

func (x *producing) answered(a kmsg.ProduceResponseTopicPartition) {
	w := x.p.w
	switch code := kerror.Code(a.ErrorCode); {
	case code == kerror.None:
		for i, v := range x.values {
			w.ack(x.partition, a.BaseOffset+int64(i), v)
		}
		x.sequence += int32(len(x.values))
		x.values = nil
		x.p.inFlight--
		w.c.After(time.Duration(w.c.Rand.Int64N(int64(think))), x.begin)
	case code.Retriable() || code == kerror.RequestTimedOut || code == kerror.NotEnoughReplicasAfterAppend:
		x.again()
	default:
		w.c.Fail("producer %d, partition %d, sequence %d: %v %v", x.p.name, x.partition, x.sequence, code, a.ErrorMessage)
	}
}

func (w *Workload) ack(partition int32, offset int64, value string) {
	w.Acked++
	if old, ok := w.acked[partition][offset]; ok {
		w.c.Fail("partition %d: offset %d was acknowledged for %q and for %q", partition, offset, old, value)
	}
	w.acked[partition][offset] = value
	w.observe(partition, offset, value)
}

// observe notes what is at an offset, for ever.
func (w *Workload) observe(partition int32, offset int64, value string) {
	if old, ok := w.seen[partition][offset]; ok && old != value {
		w.c.Fail("partition %d: offset %d held %q and now holds %q", partition, offset, old, value)
	}
	w.seen[partition][offset] = value
}

// Consumer reads one partition from its beginning.
type Consumer struct {
	w         *Workload
	client    *Client
	partition int32
	offset    int64
	values    []string
	addr      string
	high      int64
}

func newConsumer(w *Workload, partition int32) *Consumer {
	c := &Consumer{w: w, client: w.c.NewClient(fmt.Sprintf("consumer-%d", partition)), partition: partition}
	c.fetch()
	return c
}

func (c *Consumer) again() {
	c.addr = ""
	c.w.c.After(pause, c.fetch)
}

func (c *Consumer) fetch() {
	if c.addr == "" {
		c.client.leader(c.w.Topic, c.partition, func(addr string) {
			if c.addr = addr; addr == "" {
				c.again()
				return
			}
			c.fetch()
		})
		return
	}
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.SessionEpoch = 11, 500, 1, 1<<20, -1
	t := kmsg.NewFetchRequestTopic()
	t.Topic = c.w.Topic
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes, p.CurrentLeaderEpoch = c.partition, c.offset, 1<<20, -1
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	c.client.Ask(c.addr, req, func(r kmsg.Response, err error) {
		if err != nil {
			c.again()
			return
		}
		topics := r.(*kmsg.FetchResponse).Topics
		if len(topics) == 0 {
			c.again()
			return
		}
		c.answered(topics[0].Partitions[0])
	})
}

func (c *Consumer) answered(p kmsg.FetchResponseTopicPartition) {
	switch code := kerror.Code(p.ErrorCode); {
	case code == kerror.None:
	case code == kerror.OffsetOutOfRange:
		// A follower that is behind what was read elsewhere may say so; a consumer asks again.
		c.again()
		return
	case code.Retriable():
		c.again()
		return
	default:
		c.w.c.Fail("consumer of partition %d at offset %d: %v", c.partition, c.offset, code)
		return
	}
	c.high = max(c.high, p.HighWatermark)
	if err := c.take(p.RecordBatches); err != nil {
		c.w.c.Fail("consumer of partition %d at offset %d: %v", c.partition, c.offset, err)
		return
	}
	c.fetch()
}

func (c *Consumer) take(raw []byte) error {
	for len(raw) > 0 {
		h, ok := batch.ParseHeader(raw)
		if !ok || h.Size > len(raw) {
			return fmt.Errorf("a batch that does not parse")
		}
		one := raw[:h.Size]
		raw = raw[h.Size:]
		if batch.Checksum(one) != h.CRC {
			return fmt.Errorf("the batch at %d does not verify", h.BaseOffset)
		}
		for r, err := range batch.Records(one) {
			if err != nil {
				return err
			}
			if int64(r.Offset) < c.offset {
				continue
			}
			if int64(r.Offset) != c.offset {
				return fmt.Errorf("offset %d follows %d", r.Offset, c.offset-1)
			}
			if g, end := c.w.committedEnd(c.partition); c.offset >= end {
				return fmt.Errorf("offset %d of group %d was given out, and only what lies below %d is committed", c.offset, g, end)
			}
			c.offset++
			c.w.Read++
			c.values = append(c.values, string(r.Value))
			c.w.observe(c.partition, int64(r.Offset), string(r.Value))
		}
	}
	return nil
}

// committedEnd is the end of what is known to be committed of a partition.
func (w *Workload) committedEnd(partition int32) (wal.GroupID, int64) {
	for _, n := range w.c.Nodes {
		if v := n.View(); v != nil {
			if t := v.Image().Topics[w.Topic]; t != nil && int(partition) < len(t.Partitions) {
				g := t.Partitions[partition].Group
				return g, w.c.committed[g]
			}
		}
	}
	return 0, 1 << 62
}

// Stop lets the producers finish what is in flight and begin nothing new.
func (w *Workload) Stop() { w.stopped = true }

// Settled says that everything that was begun was acknowledged and read.
func (w *Workload) Settled() bool {
	for _, p := range w.producers {
		if p.id < 0 || p.inFlight > 0 {
			return false
		}
	}
	for i, c := range w.consumers {
		if int(c.offset) < len(w.acked[i]) {
			return false
		}
	}
	for _, c := range w.committers {
		if c.waiting {
			return false
		}
	}
	return w.mover.stuck() == "" && w.group.stuck() == ""
}

// Verify compares what was read with what was acknowledged: each acknowledged record at its offset, no value twice, and
// each producer's values in their order.
func (w *Workload) Verify() {
	for i, c := range w.consumers {
		where := map[string]int64{}
		last := map[string]int{}
		for o, v := range c.values {
			if first, twice := where[v]; twice {
				w.c.Fail("partition %d: %q is at offset %d and at %d", i, v, first, o)
			}
			where[v] = int64(o)
			var name, partition, n int
			if _, err := fmt.Sscanf(v, "%d/%d/%d", &name, &partition, &n); err != nil || partition != i {
				w.c.Fail("partition %d holds %q", i, v)
			}
			key := fmt.Sprint(name)
			if before, ok := last[key]; ok && n != before+1 {
				w.c.Fail("partition %d: value %d of producer %d follows %d", i, n, name, before)
			}
			last[key] = n
		}
		for o, v := range w.acked[i] {
			if where[v] != o || o >= int64(len(c.values)) {
				w.c.Fail("partition %d: %q was acknowledged at offset %d and is not there", i, v, o)
			}
		}
	}
}

// Stuck says what is not settled.
func (w *Workload) Stuck() (out []string) {
	for _, p := range w.producers {
		for _, x := range p.parts {
			if len(x.values) > 0 {
				out = append(out, fmt.Sprintf("producer %d waits for sequence %d of partition %d from %q", p.name, x.sequence, x.partition, x.addr))
			}
		}
	}
	for _, c := range w.committers {
		if s := c.stuck(); s != "" {
			out = append(out, s)
		}
	}
	for _, s := range []string{w.mover.stuck(), w.group.stuck()} {
		if s != "" {
			out = append(out, s)
		}
	}
	for i, c := range w.consumers {
		if int(c.offset) < len(w.acked[i]) {
			out = append(out, fmt.Sprintf("the consumer of partition %d is at %d of %d, at %q", i, c.offset, len(w.acked[i]), c.addr))
		}
	}
	return out
}
