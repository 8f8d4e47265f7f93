package metadata

import (
	"fmt"
	"maps"
	"slices"

	"chronik/actors/cluster"
	"chronik/protocol/kafka"
	"chronik/wal"
)

// draft returns a copy of an image whose maps may be changed; topics and nodes in it are shared and immutable.
func draft(im *cluster.Image) *cluster.Image {
	d := *im
	d.Nodes = maps.Clone(im.Nodes)
	d.Topics = maps.Clone(im.Topics)
	d.ByID = maps.Clone(im.ByID)
	d.ByGroup = maps.Clone(im.ByGroup)
	d.BrokerConfigs = maps.Clone(im.BrokerConfigs)
	return &d
}

// apply changes a draft by one record. It is total: whatever the log says happens, alike on every node.
func apply(d *cluster.Image, r *record) {
	switch {
	case r.Node != nil:
		n := *r.Node
		if have := d.Nodes[n.ID]; have != nil && have.Directory != n.Directory {
			retire(d, have.Directory)
		}
		d.Nodes[n.ID] = &n
		d.NextReplica = max(d.NextReplica, n.Replica+1)
	case r.NodeGone != nil:
		if have := d.Nodes[*r.NodeGone]; have != nil {
			retire(d, have.Directory)
			delete(d.Nodes, have.ID)
		}
	case r.Topic != nil:
		t := &cluster.Topic{Name: r.Topic.Name, ID: r.Topic.ID, Internal: r.Topic.Internal, Partitions: r.Topic.Partitions, Configs: r.Topic.Configs}
		putTopic(d, t)
	case r.Deleted != nil:
		if t := d.ByID[*r.Deleted]; t != nil {
			delete(d.ByID, t.ID)
			delete(d.Topics, t.Name)
			for _, p := range t.Partitions {
				delete(d.ByGroup, p.Group)
			}
		}
	case r.Partitions != nil:
		if t := d.ByID[r.Partitions.Topic]; t != nil {
			grown := *t
			grown.Partitions = append(append([]*cluster.Partition(nil), t.Partitions...), r.Partitions.Partitions...)
			putTopic(d, &grown)
		}
	case r.Assigned != nil:
		if t := d.ByID[r.Assigned.Topic]; t != nil {
			changed := *t
			changed.Partitions = slices.Clone(t.Partitions)
			for _, p := range r.Assigned.Partitions {
				if int(p.Index) < len(changed.Partitions) {
					changed.Partitions[p.Index] = p
				}
			}
			putTopic(d, &changed)
		}
	case r.Configs != nil:
		applyConfigs(d, r.Configs)
	case r.Producers != nil:
		d.NextProducer = max(d.NextProducer, r.Producers.Next)
	default:
		panic(fmt.Sprintf("BUG: a metadata record of an unknown kind at index %d", d.Index))
	}
}

// maxRetired bounds what is remembered of directories that are gone.
const maxRetired = 1000

func retire(d *cluster.Image, dir wal.DirectoryID) {
	d.Retired = append(slices.Clone(d.Retired), dir)
	d.Retired = d.Retired[max(0, len(d.Retired)-maxRetired):]
}

func putTopic(d *cluster.Image, t *cluster.Topic) {
	d.Topics[t.Name], d.ByID[t.ID] = t, t
	for _, p := range t.Partitions {
		d.ByGroup[p.Group] = cluster.PartitionRef{Topic: t, Partition: p}
		d.NextGroup = max(d.NextGroup, p.Group+1)
	}
}

func applyConfigs(d *cluster.Image, c *configsRecord) {
	if c.Type == resourceTopic {
		if t := d.Topics[c.Name]; t != nil {
			changed := *t
			changed.Configs = c.Configs
			putTopic(d, &changed)
		}
		return
	}
	if len(c.Configs) == 0 {
		delete(d.BrokerConfigs, c.Name)
	} else {
		d.BrokerConfigs[c.Name] = c.Configs
	}
}

// Kafka's numbers for config resources.
const (
	resourceTopic  = 2
	resourceBroker = 4
)

// emptyImage is the image of a cluster that was formed a moment ago.
func emptyImage() *cluster.Image {
	return &cluster.Image{Nodes: map[kafka.NodeID]*cluster.Node{}, Topics: map[string]*cluster.Topic{}, ByID: map[kafka.TopicID]*cluster.Topic{},
		ByGroup: map[wal.GroupID]cluster.PartitionRef{}, BrokerConfigs: map[string]map[string]string{}, NextGroup: wal.MetaGroup + 1, NextReplica: 1}
}
