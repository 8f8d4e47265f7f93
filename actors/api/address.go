package api

import (
	"slices"

	"chronik/actors/cluster"
	"chronik/protocol/kafka"
	"chronik/wal"
)

// Advertised is the address under which this client reaches a node: the node's own, or, for a standalone node that was
// given none, where the client's connection ended. ok is false when the client cannot reach the node.
func (c *Call) Advertised(n *cluster.Node) (host string, port int32, ok bool) {
	switch {
	case n == nil || !c.View().Online(n.ID):
		return "", 0, false
	case n.Host != "":
		return n.Host, n.Port, true
	case n.ID == c.View().NodeID:
		return c.Client.LocalHost, c.Client.LocalPort, true
	default:
		return "", 0, false
	}
}

// broker is a node as clients are told about it.
type broker struct {
	id   kafka.NodeID
	host string
	port int32
	rack *string
}

// brokers lists the nodes that this client can reach, by id.
func (c *Call) brokers(im *cluster.Image) []broker {
	out := make([]broker, 0, len(im.Nodes))
	for _, n := range im.Nodes {
		if b, ok := c.broker(n); ok {
			out = append(out, b)
		}
	}
	slices.SortFunc(out, func(a, b broker) int { return int(a.id) - int(b.id) })
	return out
}

func (c *Call) broker(n *cluster.Node) (broker, bool) {
	host, port, ok := c.Advertised(n)
	if !ok {
		return broker{}, false
	}
	return broker{n.ID, host, port, nullable(n.Rack)}, true
}

// controller is the node to name as controller: the leader of the metadata log, else the first that can be reached; any
// node carries out what is asked of a controller.
func (c *Call) controller(im *cluster.Image) kafka.NodeID {
	leader := c.View().Leader(wal.MetaGroup).Leader
	if _, _, ok := c.Advertised(im.Nodes[leader]); ok {
		return leader
	}
	if all := c.brokers(im); len(all) > 0 {
		return all[0].id
	}
	return kafka.NoNode
}

// nullable is nil for "".
func nullable(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
