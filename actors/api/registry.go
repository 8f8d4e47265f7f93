package api

import (
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/protocol"
)

// Row is one API: which versions are advertised, which are served, and who answers.
type Row struct {
	Key kmsg.Key
	// Min and Max are what ApiVersions advertises.
	Min, Max int16
	// From is the lowest version that is served. It is above Min only for Produce: librdkafka stops compressing when
	// Produce 0 is not advertised, and Apache Kafka advertises it for that reason and refuses it too (KIP-896).
	From   int16
	Handle func(*Call)
}

// registry is every API that is served, by key.
var registry map[int16]*Row

func init() { // the handlers reach back here through ApiVersions
	rows := []Row{
		{kmsg.Produce, 0, 13, 3, produce},
		{kmsg.Fetch, 4, 18, 4, fetch},
		{kmsg.ListOffsets, 1, 11, 1, listOffsets},
		{kmsg.Metadata, 0, 13, 0, metadata},
		{kmsg.OffsetCommit, 2, 10, 2, offsetCommit},
		{kmsg.OffsetFetch, 1, 10, 1, offsetFetch},
		{kmsg.FindCoordinator, 0, 6, 0, findCoordinator},
		{kmsg.JoinGroup, 0, 9, 0, joinGroup},
		{kmsg.Heartbeat, 0, 4, 0, heartbeat},
		{kmsg.LeaveGroup, 0, 5, 0, leaveGroup},
		{kmsg.SyncGroup, 0, 5, 0, syncGroup},
		{kmsg.DescribeGroups, 0, 6, 0, describeGroups},
		{kmsg.ListGroups, 0, 5, 0, listGroups},
		{kmsg.ApiVersions, 0, 4, 0, apiVersions},
		{kmsg.CreateTopics, 2, 7, 2, createTopics},
		{kmsg.DeleteTopics, 1, 6, 1, deleteTopics},
		{kmsg.DeleteRecords, 0, 2, 0, deleteRecords},
		{kmsg.InitProducerID, 0, 5, 0, initProducerID},
		{kmsg.OffsetForLeaderEpoch, 2, 4, 2, offsetForLeaderEpoch},
		{kmsg.DescribeConfigs, 1, 4, 1, describeConfigs},
		{kmsg.AlterConfigs, 0, 2, 0, alterConfigs},
		{kmsg.DescribeLogDirs, 1, 5, 1, describeLogDirs},
		{kmsg.CreatePartitions, 0, 3, 0, createPartitions},
		{kmsg.DeleteGroups, 0, 2, 0, deleteGroups},
		{kmsg.ElectLeaders, 0, 2, 0, electLeaders},
		{kmsg.IncrementalAlterConfigs, 0, 1, 0, incrementalAlterConfigs},
		{kmsg.AlterPartitionAssignments, 0, 1, 0, alterPartitionReassignments},
		{kmsg.ListPartitionReassignments, 0, 0, 0, listPartitionReassignments},
		{kmsg.OffsetDelete, 0, 0, 0, offsetDelete},
		{kmsg.DescribeQuorum, 0, 2, 0, describeQuorum},
		{kmsg.DescribeCluster, 0, 2, 0, describeCluster},
		{kmsg.UnregisterBroker, 0, 0, 0, unregisterBroker},
		{kmsg.DescribeProducers, 0, 0, 0, describeProducers},
		{kmsg.DescribeTopicPartitions, 0, 0, 0, describeTopicPartitions},
		{kmsg.AddRaftVoter, 0, 1, 0, addRaftVoter},
		{kmsg.RemoveRaftVoter, 0, 0, 0, removeRaftVoter},
	}
	registry = make(map[int16]*Row, len(rows))
	for i := range rows {
		registry[int16(rows[i].Key)] = &rows[i]
	}
}

// Find is the row of an API, nil when there is none, and whether this version of it is served.
func Find(key, version int16) (row *Row, served bool) {
	row = registry[key]
	return row, row != nil && version >= row.From && version <= row.Max
}

// Keys lists the keys of all APIs that are served, in order.
func Keys() []int16 { return slices.Sorted(maps.Keys(registry)) }

// Unsupported is the answer to a request that is not served, nil when there is none that its client could read: only
// ApiVersions has one (KIP-511), in the layout of version 0.
func Unsupported(h protocol.Header) kmsg.Response {
	if h.Key != int16(kmsg.ApiVersions) {
		return nil
	}
	return unsupportedApiVersions()
}
