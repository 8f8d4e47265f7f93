package api

import (
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors/message"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
	"chronik/wal"
)

// addRaftVoter answers AddRaftVoter 0-1 (KIP-853): a registered node votes in the metadata log, beside those that do. Nodes reach
// each other where they registered; the listeners that a request names are theirs in Apache Kafka and mean nothing here.
func addRaftVoter(c *Call) {
	req := c.Request.(*kmsg.AddRaftVoterRequest)
	resp := kmsg.NewPtrAddRaftVoterResponse()
	reply := func(code kerror.Code, text string) {
		resp.ErrorCode, resp.ErrorMessage = int16(code), nullable(text)
		c.Reply(resp)
	}
	if code, text := c.voterRequest("Add", req.ClusterID, req.VoterID, req.VoterDirectoryID); code != kerror.None {
		reply(code, text)
		return
	}
	c.setVoter(message.SetVoter{Node: kafka.NodeID(req.VoterID), Directory: wal.DirectoryID(req.VoterDirectoryID), Votes: true},
		millis(req.TimeoutMillis), c.Header.Version == 0 || req.AckWhenCommitted, reply)
}

// voterRequest judges what both requests about voters say.
func (c *Call) voterRequest(what string, clusterID *string, id int32, directory [16]byte) (kerror.Code, string) {
	switch own := c.Image().ClusterID; {
	case clusterID != nil && *clusterID != own:
		return kerror.InconsistentClusterID, fmt.Sprintf("The given id %q doesn't match the cluster id %q", *clusterID, own)
	case id < 0 || directory == [16]byte{}:
		return kerror.InvalidRequest, what + " voter request didn't include a valid voter"
	}
	return kerror.None, ""
}

// setVoter changes who votes, and waits until it is so: a new voter has to catch up first, and a leader to hand over.
func (c *Call) setVoter(want message.SetVoter, timeout time.Duration, wait bool, reply func(kerror.Code, string)) {
	deadline := c.Now().Add(timeout)
	var none struct{}
	c.command(message.CmdSetVoter, want, false, timeout, &none, func(code kerror.Code, text string) {
		if code != kerror.None || !wait {
			reply(code, text)
			return
		}
		c.awaitVoter(want, deadline, reply)
	})
}

func (c *Call) awaitVoter(want message.SetVoter, deadline time.Time, reply func(kerror.Code, string)) {
	im := c.Image()
	votes := slices.ContainsFunc(im.MetaVoters, func(r wal.ReplicaID) bool {
		n := im.NodeByReplica(r)
		return n != nil && n.ID == want.Node && n.Directory == want.Directory
	})
	switch {
	case votes == want.Votes:
		reply(kerror.None, "")
	case c.Now().After(deadline):
		reply(kerror.RequestTimedOut, "the cluster goes on with it: see kafka-metadata-quorum describe --replication")
	default:
		c.After(lookAgain, func() { c.awaitVoter(want, deadline, reply) })
	}
}
