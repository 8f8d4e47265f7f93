package api

import (
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors/cluster"
)

// listPartitionReassignments answers ListPartitionReassignments 0 from the image: what is under way, of the topics that are
// named or of all.
func listPartitionReassignments(c *Call) {
	req := c.Request.(*kmsg.ListPartitionReassignmentsRequest)
	resp := kmsg.NewPtrListPartitionReassignmentsResponse()
	im := c.Image()
	list := func(t *cluster.Topic, wanted func(int32) bool) {
		x := kmsg.NewListPartitionReassignmentsResponseTopic()
		x.Topic = t.Name
		for _, p := range t.Partitions {
			if !p.Reassigning() || !wanted(int32(p.Index)) {
				continue
			}
			y := kmsg.NewListPartitionReassignmentsResponseTopicPartition()
			y.Partition, y.Replicas, y.AddingReplicas, y.RemovingReplicas = int32(p.Index), ids(p.All()), ids(p.Adding()), ids(p.Removing())
			x.Partitions = append(x.Partitions, y)
		}
		if len(x.Partitions) > 0 {
			resp.Topics = append(resp.Topics, x)
		}
	}
	if req.Topics == nil {
		for _, name := range slices.Sorted(maps.Keys(im.Topics)) {
			list(im.Topics[name], func(int32) bool { return true })
		}
	}
	for i := range req.Topics {
		if t := im.Topics[req.Topics[i].Topic]; t != nil {
			list(t, func(p int32) bool { return slices.Contains(req.Topics[i].Partitions, p) })
		}
	}
	c.Reply(resp)
}
