package api

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors/cluster"
	"chronik/actors/message"
	meta "chronik/actors/metadata"
	"chronik/protocol/batch"
	"chronik/protocol/config"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
)

// grace is what a replica gets beyond the client's own timeout to say that time is up.
const grace = 2 * time.Second

// produceCall is a Produce under way.
type produceCall struct {
	*Call
	req  *kmsg.ProduceRequest
	resp *kmsg.ProduceResponse
	im   *cluster.Image
	left int // answers that are missing, and one while partitions are still being handed out
	// leaders are the nodes that partitions were said to be led by (KIP-951).
	leaders map[kafka.NodeID]bool
}

// produce answers Produce 3-13: each batch is validated here and appended by its partition's replica, which answers when
// it is as durable as acks asks for. Byte fields of the request alias the frame until the replicas have copied them.
func produce(c *Call) {
	req := c.Request.(*kmsg.ProduceRequest)
	p := &produceCall{Call: c, req: req, resp: kmsg.NewPtrProduceResponse(), im: c.Image(), left: 1, leaders: map[kafka.NodeID]bool{}}
	for i := range req.Topics {
		t := &req.Topics[i]
		x := kmsg.NewProduceResponseTopic()
		x.Topic, x.TopicID = t.Topic, t.TopicID
		x.Partitions = make([]kmsg.ProduceResponseTopicPartition, len(t.Partitions))
		p.resp.Topics = append(p.resp.Topics, x)
	}
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			p.partition(i, j)
			if c.Answered() {
				return // acks=0 was refused: the connection closes
			}
		}
	}
	if req.Acks == 0 {
		c.NoReply()
		return
	}
	p.arrived()
}

func (p *produceCall) arrived() {
	if p.left--; p.left == 0 && !p.Answered() {
		p.endpoints()
		p.Reply(p.resp)
	}
}

// partition deals with one batch.
func (p *produceCall) partition(i, j int) {
	t, rp, out := &p.req.Topics[i], &p.req.Topics[i].Partitions[j], &p.resp.Topics[i].Partitions[j]
	*out = kmsg.NewProduceResponseTopicPartition()
	out.Partition, out.BaseOffset, out.LogAppendTime, out.LogStartOffset = rp.Partition, -1, -1, -1
	if a := p.req.Acks; a < -1 || a > 1 {
		p.refuse(out, kerror.InvalidRequiredAcks, "")
		return
	}
	topic, part, pid, code := p.lookup(p.im, t.Topic, t.TopicID, p.req.Version >= 13, rp.Partition)
	switch {
	case topic == nil && p.req.Version < 13 && meta.CheckName(t.Topic) == "" && p.mayCreate(t.Topic):
		p.ensureTopic(t.Topic)
		p.refuse(out, code, "")
	case part == nil:
		p.refuse(out, code, "")
	case topic.Internal:
		p.refuse(out, kerror.InvalidTopicException, "")
	case code != kerror.None:
		p.notLeader(out, part, code)
	default:
		p.append(out, topic, part, pid, rp.Records)
	}
}

func (p *produceCall) append(out *kmsg.ProduceResponseTopicPartition, topic *cluster.Topic, part *cluster.Partition, pid *actor.PID, raw []byte) {
	now := p.Now()
	cfg := p.Client.topicConfig(p.im, topic)
	valid, h, fault := batch.Validate(raw, rules(cfg, topic, part, p.req.Version, now))
	if fault != nil {
		for _, r := range fault.Records {
			e := kmsg.NewProduceResponseTopicPartitionErrorRecord()
			e.RelativeOffset, e.ErrorMessage = r.Index, nullable(r.Text)
			out.ErrorRecords = append(out.ErrorRecords, e)
		}
		text, _ := fault.ClientText()
		p.refuse(out, fault.Code, text)
		return
	}
	if h.Transactional() || p.req.TransactionID != nil {
		p.refuse(out, kerror.TransactionalIDAuthorizationFailed, noTransactions)
		return
	}
	p.Client.Shared.recordsIn.Add(int(h.RecordCount))
	p.Client.Shared.recordBytesIn.Add(len(valid))
	timeout := time.Duration(max(p.req.TimeoutMillis, 0)) * time.Millisecond
	m := &message.AppendBatch{Raw: valid, Header: h, Acks: p.req.Acks, Deadline: now.Add(timeout), LeaderEpoch: kafka.NoLeaderEpoch, Free: p.Retain()}
	if p.req.Acks == 0 {
		m.ReplyTo = message.ReplyTo{PID: p.host.Self()}
		p.Tell(pid, m)
		return
	}
	p.left++
	p.AskWithin(max(timeout, Patience)+grace, pid, func(r message.ReplyTo) any { m.ReplyTo = r; return m }, func(reply any) {
		p.appended(out, part, reply)
		p.arrived()
	})
}

func rules(cfg *config.Topic, topic *cluster.Topic, part *cluster.Partition, version int16, now time.Time) *batch.Options {
	codec := batch.KeepCodec
	if cfg.CompressionType != "producer" {
		if named, ok := batch.ParseCodec(cfg.CompressionType); ok {
			codec = named
		}
	}
	return &batch.Options{Partition: kafka.TopicPartition{Topic: topic.Name, Partition: part.Index}, Version: version, Now: kafka.Timestamp(now.UnixMilli()),
		LogAppendTime: cfg.TimestampType == "LogAppendTime", TimestampBeforeMaxMs: cfg.TimestampBeforeMaxMs, TimestampAfterMaxMs: cfg.TimestampAfterMaxMs,
		MaxBytes: cfg.MaxMessageBytes, SegmentBytes: cfg.SegmentBytes, Compression: codec}
}

func (p *produceCall) appended(out *kmsg.ProduceResponseTopicPartition, part *cluster.Partition, reply any) {
	r, ok := reply.(*message.AppendBatchReply)
	switch {
	case !ok:
		p.refuse(out, kerror.RequestTimedOut, "")
	case r.Reason == kerror.NotLeaderOrFollower:
		p.notLeader(out, part, r.Reason)
	case r.Reason != kerror.None:
		p.refuse(out, r.Reason, r.Message)
		out.LogStartOffset = int64(r.LogStartOffset)
	default:
		out.BaseOffset, out.LogAppendTime, out.LogStartOffset = int64(r.BaseOffset), int64(r.LogAppendTime), int64(r.LogStartOffset)
	}
}

// refuse answers one partition with an error; of acks=0 nobody hears, so the connection is closed, as by Apache Kafka.
func (p *produceCall) refuse(out *kmsg.ProduceResponseTopicPartition, code kerror.Code, text string) {
	if p.req.Acks == 0 {
		if !p.Answered() {
			p.Close("a batch with acks=0 was refused: " + code.String())
		}
		return
	}
	out.ErrorCode, out.ErrorMessage = int16(code), nullable(text)
}

// notLeader refuses a partition that is led elsewhere, or by nobody yet, and names the leader (KIP-951).
func (p *produceCall) notLeader(out *kmsg.ProduceResponseTopicPartition, part *cluster.Partition, code kerror.Code) {
	leader, epoch := p.leaderOf(p.im, part.Group)
	text := ""
	if leader == kafka.NoNode {
		text = NoLeaderText
		p.Client.Shared.noLeader(p.Call, part)
	}
	p.refuse(out, code, text)
	if p.req.Version >= 10 && leader != kafka.NoNode {
		out.CurrentLeader.LeaderID, out.CurrentLeader.LeaderEpoch = int32(leader), int32(epoch)
		p.leaders[leader] = true
	}
}

// endpoints adds the addresses of the leaders that were named.
func (p *produceCall) endpoints() {
	if len(p.leaders) == 0 {
		return
	}
	for _, b := range p.brokers(p.im) {
		if p.leaders[b.id] {
			x := kmsg.NewProduceResponseBroker()
			x.NodeID, x.Host, x.Port, x.Rack = int32(b.id), b.host, b.port, b.rack
			p.resp.Brokers = append(p.resp.Brokers, x)
		}
	}
}
