package api

import (
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/protocol"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
)

// answer encodes what was gathered; batches go out as they lie in memory.
func (f *fetchCall) answer() {
	resp := kmsg.NewPtrFetchResponse()
	resp.SetVersion(f.req.Version)
	if f.session != nil {
		resp.SessionID = f.session.id
	}
	var batches [][][][]byte
	topics := map[partKey]int{}
	leaders := map[kafka.NodeID]bool{}
	for _, p := range f.parts {
		x := f.partition(p, leaders)
		if f.partial && !p.news(x) {
			continue
		}
		if f.session != nil {
			p.told = &told{kafka.Offset(x.HighWatermark), kafka.Offset(x.LastStableOffset), kafka.Offset(x.LogStartOffset)}
			if p.code != kerror.None {
				p.told = nil // to be told again
			}
		}
		k := partKey{topic: p.key.topic, id: p.key.id}
		at, ok := topics[k]
		if !ok {
			at = len(resp.Topics)
			topics[k] = at
			t := kmsg.NewFetchResponseTopic()
			t.Topic, t.TopicID = k.topic, k.id
			resp.Topics = append(resp.Topics, t)
			batches = append(batches, nil)
		}
		resp.Topics[at].Partitions = append(resp.Topics[at].Partitions, x)
		batches[at] = append(batches[at], p.batches)
		f.count(p)
	}
	f.endpoints(resp, leaders)
	if f.session != nil {
		f.session.rotate()
		f.session.busy = false
	}
	cold, shared := f.cold, f.Client.Shared
	f.ReplyParts(protocol.EncodeFetch(f.Header.CorrelationID, resp, func(t, p int) [][]byte { return batches[t][p] }), func() { shared.coldBytes.Add(-cold) })
	for _, p := range f.parts { // a session keeps the partition, not what was read
		p.part, p.pid, p.reply, p.batches = nil, nil, nil, nil
	}
}

// news says whether an incremental answer has to name the partition.
func (p *fetchPart) news(x kmsg.FetchResponseTopicPartition) bool {
	return p.told == nil || x.ErrorCode != 0 || len(p.batches) > 0 || x.DivergingEpoch.Epoch >= 0 || x.PreferredReadReplica >= 0 ||
		*p.told != told{kafka.Offset(x.HighWatermark), kafka.Offset(x.LastStableOffset), kafka.Offset(x.LogStartOffset)}
}

func (f *fetchCall) partition(p *fetchPart, leaders map[kafka.NodeID]bool) kmsg.FetchResponseTopicPartition {
	x := kmsg.NewFetchResponseTopicPartition()
	x.Partition, x.ErrorCode = p.key.index, int16(p.code)
	x.HighWatermark, x.LastStableOffset, x.LogStartOffset, x.PreferredReadReplica = -1, -1, -1, int32(p.preferred)
	switch p.code {
	case kerror.None:
		if p.reply == nil { // only the preferred replica is named
			break
		}
		r := p.reply
		x.HighWatermark, x.LastStableOffset, x.LogStartOffset = int64(r.HighWatermark), int64(r.LastStable), int64(r.LogStart)
		if f.req.IsolationLevel == 1 {
			x.AbortedTransactions = []kmsg.FetchResponseTopicPartitionAbortedTransaction{}
		}
		if r.DivergingEpoch != kafka.NoLeaderEpoch {
			x.DivergingEpoch.Epoch, x.DivergingEpoch.EndOffset = int32(r.DivergingEpoch), int64(r.DivergingEnd)
		}
	case kerror.NotLeaderOrFollower, kerror.FencedLeaderEpoch:
		if p.part == nil || f.req.Version < 12 {
			break
		}
		if leader, epoch := f.leaderOf(f.im, p.part.Group); leader != kafka.NoNode {
			x.CurrentLeader.LeaderID, x.CurrentLeader.LeaderEpoch = int32(leader), int32(epoch)
			leaders[leader] = true
		} else {
			f.Client.Shared.noLeader(f.Call, p.part)
		}
	}
	return x
}

// endpoints adds the addresses of the leaders that were named (KIP-951).
func (f *fetchCall) endpoints(resp *kmsg.FetchResponse, leaders map[kafka.NodeID]bool) {
	if len(leaders) == 0 || f.req.Version < 16 {
		return
	}
	for _, b := range f.brokers(f.im) {
		if leaders[b.id] {
			x := kmsg.NewFetchResponseBroker()
			x.NodeID, x.Host, x.Port, x.Rack = int32(b.id), b.host, b.port, b.rack
			resp.Brokers = append(resp.Brokers, x)
		}
	}
}

// count adds a partition's records to the counters.
func (f *fetchCall) count(p *fetchPart) {
	n := 0
	for _, b := range p.batches {
		n += int(binary.BigEndian.Uint32(b[57:]))
	}
	f.Client.Shared.recordsOut.Add(n)
	f.Client.Shared.recordByte.Add(p.size)
}
