package api

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors/cluster"
	"chronik/actors/message"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
)

// The kinds of elections.
const (
	electPreferred = 0
	electUnclean   = 1
)

// lookAgain is how often the leadership table is read while an election is under way.
const lookAgain = 20 * time.Millisecond

// election is one partition whose preferred replica is asked to lead.
type election struct {
	partition *cluster.Partition
	preferred kafka.NodeID
	topic, at int // in the response
}

// electLeaders answers ElectLeaders 0-2 (KIP-183, KIP-460). A preferred replica that is in sync is handed the leadership by the
// present leader. There is no unclean election: a group without a majority waits for it.
func electLeaders(c *Call) {
	req := c.Request.(*kmsg.ElectLeadersRequest)
	resp := kmsg.NewPtrElectLeadersResponse()
	if c.Header.Version < 1 {
		req.ElectionType = electPreferred
	}
	if req.ElectionType != electPreferred && req.ElectionType != electUnclean {
		c.refuseElections(req, resp)
		return
	}
	im := c.Image()
	var waiting []election
	consider := func(x *kmsg.ElectLeadersResponseTopic, name string, index int32, named bool) {
		code, text, e := c.elect(im, name, index, req.ElectionType)
		if code == kerror.ElectionNotNeeded && !named {
			return
		}
		y := kmsg.NewElectLeadersResponseTopicPartition()
		y.Partition, y.ErrorCode, y.ErrorMessage = index, int16(code), nullable(text)
		if e != nil {
			e.topic, e.at = len(resp.Topics), len(x.Partitions)
			waiting = append(waiting, *e)
		}
		x.Partitions = append(x.Partitions, y)
	}
	topic := func(name string, partitions []int32, named bool) {
		x := kmsg.NewElectLeadersResponseTopic()
		x.Topic = name
		for _, p := range partitions {
			consider(&x, name, p, named)
		}
		resp.Topics = append(resp.Topics, x)
	}
	if req.Topics == nil {
		for _, name := range slices.Sorted(maps.Keys(im.Topics)) {
			all := make([]int32, len(im.Topics[name].Partitions))
			for i := range all {
				all[i] = int32(i)
			}
			topic(name, all, false)
		}
	}
	for i := range req.Topics {
		topic(req.Topics[i].Topic, req.Topics[i].Partitions, true)
	}
	c.awaitLeaders(resp, waiting, c.Now().Add(millis(req.TimeoutMillis)))
}

// refuseElections answers a kind of election that there is not.
func (c *Call) refuseElections(req *kmsg.ElectLeadersRequest, resp *kmsg.ElectLeadersResponse) {
	text := fmt.Sprintf("Unknown election type %d", req.ElectionType)
	resp.ErrorCode = int16(kerror.InvalidRequest)
	for i := range req.Topics {
		x := kmsg.NewElectLeadersResponseTopic()
		x.Topic = req.Topics[i].Topic
		for _, p := range req.Topics[i].Partitions {
			y := kmsg.NewElectLeadersResponseTopicPartition()
			y.Partition, y.ErrorCode, y.ErrorMessage = p, int16(kerror.InvalidRequest), &text
			x.Partitions = append(x.Partitions, y)
		}
		resp.Topics = append(resp.Topics, x)
	}
	c.Reply(resp)
}

// elect asks for one partition's election. A code is the outcome; without one the election is under way.
func (c *Call) elect(im *cluster.Image, name string, index int32, kind int8) (kerror.Code, string, *election) {
	t := im.Topics[name]
	if t == nil {
		return kerror.UnknownTopicOrPartition, "No such topic as " + name, nil
	}
	p := partitionOf(t, index)
	if p == nil {
		return kerror.UnknownTopicOrPartition, fmt.Sprintf("No such partition as %s-%d", name, index), nil
	}
	l := c.View().Leader(p.Group)
	preferred := p.Replicas[0]
	switch {
	case kind == electUnclean && l.Leader != kafka.NoNode, kind == electPreferred && l.Leader == preferred:
		return kerror.ElectionNotNeeded, kerror.ElectionNotNeeded.Text(), nil
	case kind == electUnclean:
		return kerror.EligibleLeadersNotAvailable, kerror.EligibleLeadersNotAvailable.Text(), nil
	case l.Leader == kafka.NoNode || !slices.Contains(l.InSync, preferred):
		return kerror.PreferredLeaderNotAvailable, kerror.PreferredLeaderNotAvailable.Text(), nil
	}
	if l.Leader == c.View().NodeID {
		c.Tell(c.View().Replica(p.Group), &message.TransferLeadership{To: p.Voters[0]})
	} else if n := im.Nodes[l.Leader]; n != nil {
		c.Tell(c.Client.Node.Link(n.Replica), &message.MoveLeadership{Group: p.Group, To: p.Voters[0]})
	}
	return kerror.None, "", &election{partition: p, preferred: preferred}
}

// awaitLeaders answers once every preferred replica leads, or time is up.
func (c *Call) awaitLeaders(resp *kmsg.ElectLeadersResponse, waiting []election, deadline time.Time) {
	waiting = slices.DeleteFunc(waiting, func(e election) bool { return c.View().Leader(e.partition.Group).Leader == e.preferred })
	switch {
	case len(waiting) == 0:
		c.Reply(resp)
	case c.Now().After(deadline):
		for _, e := range waiting {
			y := &resp.Topics[e.topic].Partitions[e.at]
			y.ErrorCode, y.ErrorMessage = int16(kerror.RequestTimedOut), nullable(kerror.RequestTimedOut.Text())
		}
		c.Reply(resp)
	default:
		c.After(lookAgain, func() { c.awaitLeaders(resp, waiting, deadline) })
	}
}
