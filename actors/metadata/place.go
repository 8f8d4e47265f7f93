package metadata

import (
	"sort"

	"chronik/actors/cluster"
	"chronik/protocol/kafka"
	"chronik/wal"
)

// place makes count partitions from index first on, each with rf replicas. Nodes are taken in turn, racks alternating, from
// a start that follows the number of groups so far: leaders (the first of each) and replicas come out even over topics.
func place(im *cluster.Image, first, count int, rf int) []*cluster.Partition {
	nodes := alternating(im)
	start := int(im.NextGroup)
	ps := make([]*cluster.Partition, count)
	for i := range count {
		var replicas []kafka.NodeID
		for k := range rf {
			replicas = append(replicas, nodes[(start+i+k)%len(nodes)].ID)
		}
		ps[i] = partition(im, kafka.PartitionIndex(first+i), im.NextGroup+wal.GroupID(i), replicas)
	}
	return ps
}

func partition(im *cluster.Image, index kafka.PartitionIndex, g wal.GroupID, replicas []kafka.NodeID) *cluster.Partition {
	p := &cluster.Partition{Index: index, Group: g, Replicas: replicas}
	for _, id := range replicas {
		p.Voters = append(p.Voters, im.Nodes[id].Replica)
	}
	return p
}

// alternating lists the nodes by id, taking one of each rack in turn.
func alternating(im *cluster.Image) []*cluster.Node {
	racks := map[string][]*cluster.Node{}
	var names []string
	for _, n := range sortedNodes(im) {
		if racks[n.Rack] == nil {
			names = append(names, n.Rack)
		}
		racks[n.Rack] = append(racks[n.Rack], n)
	}
	var out []*cluster.Node
	for i := 0; len(out) < len(im.Nodes); i++ {
		for _, r := range names {
			if i < len(racks[r]) {
				out = append(out, racks[r][i])
			}
		}
	}
	return out
}

func sortedNodes(im *cluster.Image) []*cluster.Node {
	nodes := make([]*cluster.Node, 0, len(im.Nodes))
	for _, n := range im.Nodes {
		nodes = append(nodes, n)
	}
	sort.Slice(nodes, func(i, j int) bool { return nodes[i].ID < nodes[j].ID })
	return nodes
}
