package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/protocol/kerror"
)

// endpointBrokers is the endpoint type of client listeners (KIP-919); controllers have no listener of their own here.
const endpointBrokers = 1

// describeCluster answers DescribeCluster 0-2 (KIP-700).
func describeCluster(c *Call) {
	req := c.Request.(*kmsg.DescribeClusterRequest)
	im := c.Image()
	resp := kmsg.NewPtrDescribeClusterResponse()
	resp.EndpointType = endpointBrokers
	if req.Version >= 1 && req.EndpointType != endpointBrokers {
		code, text := kerror.UnsupportedEndpointType, "Unsupported endpoint type "+itoa(int64(req.EndpointType))
		if req.EndpointType == 2 {
			code, text = kerror.MismatchedEndpointType, "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER"
		}
		resp.ErrorCode, resp.ErrorMessage = int16(code), &text
		c.Reply(resp)
		return
	}
	resp.ClusterID = im.ClusterID
	resp.ControllerID = int32(c.controller(im))
	resp.ClusterAuthorizedOperations = operations(req.IncludeClusterAuthorizedOperations, clusterOperations)
	for _, b := range c.brokers(im) {
		x := kmsg.NewDescribeClusterResponseBroker()
		x.NodeID, x.Host, x.Port, x.Rack = int32(b.id), b.host, b.port, b.rack
		resp.Brokers = append(resp.Brokers, x)
	}
	c.Reply(resp)
}
