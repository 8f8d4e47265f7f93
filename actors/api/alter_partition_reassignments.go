package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors/message"
	"chronik/protocol/kerror"
)

// alterPartitionReassignments answers AlterPartitionReassignments 0-1 (KIP-455): it returns when the metadata log has the new
// target; the partition's leader leads its group there meanwhile.
func alterPartitionReassignments(c *Call) {
	req := c.Request.(*kmsg.AlterPartitionAssignmentsRequest)
	resp := kmsg.NewPtrAlterPartitionAssignmentsResponse()
	resp.AllowReplicationFactorChange = req.AllowReplicationFactorChange
	want := message.Reassign{KeepFactors: c.Header.Version >= 1 && !req.AllowReplicationFactorChange}
	for i := range req.Topics {
		t := &req.Topics[i]
		x := kmsg.NewAlterPartitionAssignmentsResponseTopic()
		w := message.ReassignTopic{Name: t.Topic}
		x.Topic = t.Topic
		for k := range t.Partitions {
			p := &t.Partitions[k]
			y := kmsg.NewAlterPartitionAssignmentsResponseTopicPartition()
			y.Partition = p.Partition
			x.Partitions = append(x.Partitions, y)
			w.Partitions = append(w.Partitions, message.ReassignPartition{Index: p.Partition, Replicas: p.Replicas})
		}
		resp.Topics = append(resp.Topics, x)
		want.Topics = append(want.Topics, w)
	}
	var got message.ReassignResults
	c.command(message.CmdReassign, want, false, millis(req.TimeoutMillis), &got, func(code kerror.Code, text string) {
		if code != kerror.None {
			resp.Topics = nil
			resp.ErrorCode, resp.ErrorMessage = int16(code), nullable(text)
			c.Reply(resp)
			return
		}
		for i, n := 0, 0; i < len(resp.Topics); i++ {
			for k := range resp.Topics[i].Partitions {
				y := &resp.Topics[i].Partitions[k]
				y.ErrorCode, y.ErrorMessage = int16(got.Partitions[n].Code), nullable(got.Partitions[n].Message)
				n++
			}
		}
		c.Reply(resp)
	})
}
