package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors/cluster"
	"chronik/actors/message"
)

// describeLogDirs answers DescribeLogDirs 1-5: one directory, with the replicas of this node in it.
func describeLogDirs(c *Call) {
	req := c.Request.(*kmsg.DescribeLogDirsRequest)
	im := c.Image()
	resp := kmsg.NewPtrDescribeLogDirsResponse()
	dir := kmsg.NewDescribeLogDirsResponseDir()
	dir.Dir = c.Client.Node.DataDir
	dir.TotalBytes, dir.UsableBytes = -1, -1
	if total, err := c.Env().FS.Total(c.Client.Node.DataDir); err == nil {
		dir.TotalBytes = total
	}
	if free, err := c.Env().FS.Free(c.Client.Node.DataDir); err == nil {
		dir.UsableBytes = free
	}
	type described struct {
		topic *cluster.Topic
		parts []*cluster.Partition
	}
	var want []described
	if req.Topics == nil {
		for _, t := range sortedTopics(im) {
			want = append(want, described{t, t.Partitions})
		}
	}
	for _, rt := range req.Topics {
		t := im.Topics[rt.Topic]
		if t == nil {
			continue
		}
		d := described{topic: t}
		for _, i := range rt.Partitions {
			if p := partitionOf(t, i); p != nil {
				d.parts = append(d.parts, p)
			}
		}
		want = append(want, d)
	}
	total := 0
	for i := range want {
		var here []*cluster.Partition
		for _, p := range want[i].parts {
			if c.View().Replica(p.Group) != nil {
				here = append(here, p)
			}
		}
		want[i].parts = here
		if len(here) == 0 {
			continue
		}
		x := kmsg.NewDescribeLogDirsResponseDirTopic()
		x.Topic = want[i].topic.Name
		x.Partitions = make([]kmsg.DescribeLogDirsResponseDirTopicPartition, len(here))
		total += len(here)
		dir.Topics = append(dir.Topics, x)
	}
	arrived := gather(total, func() {
		resp.Dirs = append(resp.Dirs, dir)
		c.Reply(resp)
	})
	at := 0
	for i := range want {
		if len(want[i].parts) == 0 {
			continue
		}
		for j, p := range want[i].parts {
			out := &dir.Topics[at].Partitions[j]
			*out = kmsg.NewDescribeLogDirsResponseDirTopicPartition()
			out.Partition = int32(p.Index)
			c.Ask(c.View().Replica(p.Group), func(r message.ReplyTo) any { return &message.DescribeReplica{ReplyTo: r} }, func(reply any) {
				if r, ok := reply.(*message.DescribeReplicaReply); ok {
					out.Size, out.OffsetLag = r.SizeBytes, max(int64(r.HighWatermark-r.LogEnd), 0)
				}
				arrived()
			})
		}
		at++
	}
}
