package api

import "github.com/twmb/franz-go/pkg/kmsg"

// listGroups answers ListGroups 0-5 with the groups that this node coordinates.
func listGroups(c *Call) {
	c.askGroup("", c.Request.(*kmsg.ListGroupsRequest), Patience, func(r kmsg.Response) { c.Reply(r) })
}
