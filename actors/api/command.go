package api

import (
	"encoding/json"
	"time"

	"chronik/actors/message"
	"chronik/protocol/kerror"
)

// command asks for a change of the cluster's metadata. then gets the outcome, after it was applied on this node; result
// is filled only when code is NONE.
func (c *Call) command(kind message.CommandKind, body any, validateOnly bool, timeout time.Duration, result any, then func(code kerror.Code, text string)) {
	raw, err := json.Marshal(body)
	if err != nil {
		panic("BUG: a metadata command does not encode: " + err.Error())
	}
	ask := &message.MetaCommand{Kind: kind, Body: raw, ValidateOnly: validateOnly, Deadline: c.Now().Add(timeout)}
	c.AskWithin(timeout+grace, c.View().Metadata(), func(r message.ReplyTo) any { ask.ReplyTo = r; return ask }, func(reply any) {
		r, ok := reply.(*message.MetaCommandReply)
		switch {
		case !ok && c.View().Metadata() == nil:
			then(kerror.NotController, NoLeaderText)
		case !ok:
			then(kerror.RequestTimedOut, "")
		case r.Reason != kerror.None:
			then(r.Reason, r.Message)
		default:
			if err := json.Unmarshal(r.Body, result); err != nil {
				then(kerror.UnknownServerError, "the answer of the metadata leader cannot be read: "+err.Error())
				return
			}
			then(kerror.None, "")
		}
	})
}

func millis(n int32) time.Duration { return time.Duration(max(n, 0)) * time.Millisecond }
