package api

import "github.com/twmb/franz-go/pkg/kmsg"

// describeGroups answers DescribeGroups 0-6, one question per group.
func describeGroups(c *Call) {
	req := c.Request.(*kmsg.DescribeGroupsRequest)
	resp := kmsg.NewPtrDescribeGroupsResponse()
	resp.Groups = make([]kmsg.DescribeGroupsResponseGroup, len(req.Groups))
	arrived := gather(len(req.Groups), func() { c.Reply(resp) })
	for i, id := range req.Groups {
		one := *req
		one.Groups = []string{id}
		c.askGroup(id, &one, Patience, func(r kmsg.Response) {
			resp.Groups[i] = r.(*kmsg.DescribeGroupsResponse).Groups[0]
			resp.Groups[i].AuthorizedOperations = operations(req.IncludeAuthorizedOperations && resp.Groups[i].ErrorCode == 0, groupOperations)
			arrived()
		})
	}
}
