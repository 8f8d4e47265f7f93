package api

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors/group"
	"chronik/actors/message"
	"chronik/protocol/kerror"
)

// askGroup hands a request about one group to this node's group manager. then gets the answer; when none comes in time
// the connection is closed, since the request may have been carried out or not.
func (c *Call) askGroup(id string, req kmsg.Request, patience time.Duration, then func(kmsg.Response)) {
	req.SetVersion(c.Header.Version)
	c.askGroupAs(id, req, patience, then)
}

// askGroupAs is askGroup for a request in another version than the client's.
func (c *Call) askGroupAs(id string, req kmsg.Request, patience time.Duration, then func(kmsg.Response)) {
	ask := &message.GroupCall{Group: id, ClientID: c.Header.ClientID, ClientHost: c.Client.Host, Request: req}
	c.AskWithin(patience, c.View().Groups, func(r message.ReplyTo) any { ask.ReplyTo = r; return ask }, func(reply any) {
		r, ok := reply.(*message.GroupReply)
		switch {
		case c.Answered():
		case !ok:
			c.Close("the group coordinator gave no answer")
		default:
			then(r.Response)
		}
	})
}

// pass hands a request of a member on as it is and answers with what comes back.
func (c *Call) pass(id string, patience time.Duration) {
	if id == "" {
		c.Reply(group.Refuse(c.Request, kerror.InvalidGroupID))
		return
	}
	c.askGroup(id, c.Request, patience, func(r kmsg.Response) { c.Reply(r) })
}
