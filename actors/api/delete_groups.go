package api

import "github.com/twmb/franz-go/pkg/kmsg"

// deleteGroups answers DeleteGroups 0-2, one question per group.
func deleteGroups(c *Call) {
	req := c.Request.(*kmsg.DeleteGroupsRequest)
	resp := kmsg.NewPtrDeleteGroupsResponse()
	var names []string
	seen := map[string]bool{}
	for _, id := range req.Groups {
		if !seen[id] {
			seen[id] = true
			names = append(names, id)
		}
	}
	resp.Groups = make([]kmsg.DeleteGroupsResponseGroup, len(names))
	arrived := gather(len(names), func() { c.Reply(resp) })
	for i, id := range names {
		one := *req
		one.Groups = []string{id}
		c.askGroup(id, &one, Patience, func(r kmsg.Response) {
			resp.Groups[i] = r.(*kmsg.DeleteGroupsResponse).Groups[0]
			arrived()
		})
	}
}
