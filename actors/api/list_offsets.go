package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors/message"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
)

// lowestTimestamp is the most negative special timestamp that a version of ListOffsets knows: -1 latest, -2 earliest, -3
// maximum (KIP-734), -4 earliest local, -5 latest tiered.
func lowestTimestamp(version int16) int64 {
	switch {
	case version >= 9:
		return -5
	case version == 8:
		return -4
	case version == 7:
		return -3
	}
	return -2
}

// listOffsets answers ListOffsets 1-11.
func listOffsets(c *Call) {
	req := c.Request.(*kmsg.ListOffsetsRequest)
	im := c.Image()
	resp := kmsg.NewPtrListOffsetsResponse()
	named := map[partKey]int{}
	total := 0
	for i := range req.Topics {
		t := &req.Topics[i]
		x := kmsg.NewListOffsetsResponseTopic()
		x.Topic = t.Topic
		x.Partitions = make([]kmsg.ListOffsetsResponseTopicPartition, len(t.Partitions))
		resp.Topics = append(resp.Topics, x)
		total += len(t.Partitions)
		for _, p := range t.Partitions {
			named[partKey{topic: t.Topic, index: p.Partition}]++
		}
	}
	arrived := gather(total, func() { c.Reply(resp) })
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			t, p, out := &req.Topics[i], &req.Topics[i].Partitions[j], &resp.Topics[i].Partitions[j]
			*out = kmsg.NewListOffsetsResponseTopicPartition()
			out.Partition, out.Offset, out.Timestamp, out.LeaderEpoch = p.Partition, -1, -1, -1
			fail := func(code kerror.Code) {
				out.ErrorCode = int16(code)
				arrived()
			}
			_, part, pid, code := c.lookup(im, t.Topic, [16]byte{}, false, p.Partition)
			switch {
			case named[partKey{topic: t.Topic, index: p.Partition}] > 1:
				fail(kerror.InvalidRequest)
			case part == nil:
				fail(code)
			case p.Timestamp < lowestTimestamp(req.Version):
				fail(kerror.UnsupportedVersion)
			case code != kerror.None:
				fail(code)
			default:
				ask := &message.ListOffsets{Timestamp: p.Timestamp, LeaderEpoch: kafka.LeaderEpoch(p.CurrentLeaderEpoch), ReadCommitted: req.IsolationLevel == 1}
				c.Ask(pid, func(r message.ReplyTo) any { ask.ReplyTo = r; return ask }, func(reply any) {
					if r, ok := reply.(*message.ListOffsetsReply); !ok {
						out.ErrorCode = int16(kerror.RequestTimedOut)
					} else if out.ErrorCode = int16(listOffsetsCode(r.Reason, req.Version)); out.ErrorCode == 0 {
						out.Offset, out.Timestamp, out.LeaderEpoch = int64(r.Offset), int64(r.Timestamp), int32(r.LeaderEpoch)
					}
					arrived()
				})
			}
		}
	}
}

// listOffsetsCode replaces a code that versions before 5 do not know (KIP-207).
func listOffsetsCode(code kerror.Code, version int16) kerror.Code {
	if code == kerror.OffsetNotAvailable && version < 5 {
		return kerror.LeaderNotAvailable
	}
	return code
}
