package api

import (
	"regexp"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/protocol/kerror"
)

// softwareName is what KIP-511 allows as name and version of a client.
var softwareName = regexp.MustCompile(`^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$`)

// apiVersions answers ApiVersions: the rows of the registry. No finalized feature is named before it is real.
func apiVersions(c *Call) {
	req := c.Request.(*kmsg.ApiVersionsRequest)
	resp := kmsg.NewPtrApiVersionsResponse()
	if req.Version >= 3 {
		if !softwareName.MatchString(req.ClientSoftwareName) || !softwareName.MatchString(req.ClientSoftwareVersion) {
			resp.ErrorCode = int16(kerror.InvalidRequest)
			c.Reply(resp)
			return
		}
		c.Client.Software = req.ClientSoftwareName + " " + req.ClientSoftwareVersion
	}
	for _, key := range Keys() {
		r := registry[key]
		resp.ApiKeys = append(resp.ApiKeys, apiKey(r))
	}
	c.Reply(resp)
}

func apiKey(r *Row) kmsg.ApiVersionsResponseApiKey {
	k := kmsg.NewApiVersionsResponseApiKey()
	k.ApiKey, k.MinVersion, k.MaxVersion = int16(r.Key), r.Min, r.Max
	return k
}

// unsupportedApiVersions tells a client that is newer than us which ApiVersions we know.
func unsupportedApiVersions() kmsg.Response {
	resp := kmsg.NewPtrApiVersionsResponse()
	resp.SetVersion(0)
	resp.ErrorCode = int16(kerror.UnsupportedVersion)
	resp.ApiKeys = append(resp.ApiKeys, apiKey(registry[int16(kmsg.ApiVersions)]))
	return resp
}
