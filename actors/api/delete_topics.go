package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors/message"
	"chronik/protocol/kerror"
)

// deleteTopics answers DeleteTopics 1-6, by name or, from 6 on, by id.
func deleteTopics(c *Call) {
	req := c.Request.(*kmsg.DeleteTopicsRequest)
	resp := kmsg.NewPtrDeleteTopicsResponse()
	topics := req.Topics
	for i := range req.TopicNames {
		t := kmsg.NewDeleteTopicsRequestTopic()
		t.Topic = &req.TopicNames[i]
		topics = append(topics, t)
	}
	var want message.DeleteTopics
	var place []int
	seen := map[message.TopicName]int{}
	for _, t := range topics {
		n := message.TopicName{ID: t.TopicID}
		if t.Topic != nil {
			n.Name = *t.Topic
		}
		seen[n]++
	}
	for _, t := range topics {
		x := kmsg.NewDeleteTopicsResponseTopic()
		x.Topic, x.TopicID = t.Topic, t.TopicID
		n := message.TopicName{ID: t.TopicID}
		if t.Topic != nil {
			n.Name = *t.Topic
		}
		code, text := kerror.None, ""
		switch {
		case n.Name != "" && n.ID != [16]byte{}:
			code, text = kerror.InvalidRequest, "You may not specify both topic name and topic id."
		case n.Name == "" && n.ID == [16]byte{}:
			code, text = kerror.InvalidRequest, "Neither topic name nor id were specified."
		case seen[n] > 1:
			code, text = kerror.InvalidRequest, "Duplicate topic."
		}
		if code != kerror.None {
			x.ErrorCode, x.ErrorMessage = int16(code), &text
		} else {
			want.Topics = append(want.Topics, n)
			place = append(place, len(resp.Topics))
		}
		resp.Topics = append(resp.Topics, x)
	}
	if len(want.Topics) == 0 {
		c.Reply(resp)
		return
	}
	var got message.TopicResults
	c.command(message.CmdDeleteTopics, want, false, millis(req.TimeoutMillis), &got, func(code kerror.Code, text string) {
		for i, at := range place {
			x := &resp.Topics[at]
			code, text := code, text
			if code == kerror.None {
				r := &got.Topics[i]
				code, text, x.TopicID = r.Code, r.Message, r.ID
				if r.Name != "" {
					x.Topic = &r.Name
				}
			}
			x.ErrorCode, x.ErrorMessage = int16(code), nullable(text)
		}
		c.Reply(resp)
	})
}
