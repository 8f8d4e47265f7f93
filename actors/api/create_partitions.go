package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors/message"
	"chronik/protocol/kerror"
)

// createPartitions answers CreatePartitions 0-3.
func createPartitions(c *Call) {
	req := c.Request.(*kmsg.CreatePartitionsRequest)
	resp := kmsg.NewPtrCreatePartitionsResponse()
	count := map[string]int{}
	for i := range req.Topics {
		count[req.Topics[i].Topic]++
	}
	var want message.CreatePartitions
	var place []int
	for i := range req.Topics {
		t := &req.Topics[i]
		x := kmsg.NewCreatePartitionsResponseTopic()
		x.Topic = t.Topic
		if count[t.Topic] > 1 {
			text := "Duplicate topic name."
			x.ErrorCode, x.ErrorMessage = int16(kerror.InvalidRequest), &text
		} else {
			g := message.GrowTopic{Name: t.Topic, Count: t.Count}
			for _, a := range t.Assignment {
				g.Assignments = append(g.Assignments, a.Replicas)
			}
			want.Topics = append(want.Topics, g)
			place = append(place, len(resp.Topics))
		}
		resp.Topics = append(resp.Topics, x)
	}
	if len(want.Topics) == 0 {
		c.Reply(resp)
		return
	}
	var got message.TopicResults
	c.command(message.CmdCreatePartitions, want, req.ValidateOnly, millis(req.TimeoutMillis), &got, func(code kerror.Code, text string) {
		for i, at := range place {
			code, text := code, text
			if code == kerror.None {
				code, text = got.Topics[i].Code, got.Topics[i].Message
			}
			resp.Topics[at].ErrorCode, resp.Topics[at].ErrorMessage = int16(code), nullable(text)
		}
		c.Reply(resp)
	})
}
