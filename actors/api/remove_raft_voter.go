package api

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors/message"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
	"chronik/wal"
)

// removalPatience is how long RemoveRaftVoter, which has no timeout of its own, waits for the change.
const removalPatience = 15 * time.Second

// removeRaftVoter answers RemoveRaftVoter 0 (KIP-853): a node listens to the metadata log from now on, until AddRaftVoter. While
// there are nodes that are not removed, one of them fills its place, so that three vote.
func removeRaftVoter(c *Call) {
	req := c.Request.(*kmsg.RemoveRaftVoterRequest)
	resp := kmsg.NewPtrRemoveRaftVoterResponse()
	reply := func(code kerror.Code, text string) {
		resp.ErrorCode, resp.ErrorMessage = int16(code), nullable(text)
		c.Reply(resp)
	}
	if code, text := c.voterRequest("Remove", req.ClusterID, req.VoterID, req.VoterDirectoryID); code != kerror.None {
		reply(code, text)
		return
	}
	c.setVoter(message.SetVoter{Node: kafka.NodeID(req.VoterID), Directory: wal.DirectoryID(req.VoterDirectoryID)}, removalPatience, true, reply)
}
