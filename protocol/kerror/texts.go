package kerror

// texts are the default messages of Kafka 4.3 where the library words them differently. Clients show them to people.
var texts = map[Code]string{
	NotLeaderOrFollower:                "For requests intended only for the leader, this error indicates that the broker is not the current leader. For requests intended for any replica, this error indicates that the broker is not a replica of the topic partition.",
	ReplicaNotAvailable:                "The replica is not available for the requested topic-partition. Produce/Fetch requests and other requests intended only for the leader or follower return NOT_LEADER_OR_FOLLOWER if the broker is not a replica of the topic-partition.",
	MessageTooLarge:                    "The request included a message larger than the max message size the server will accept.",
	InvalidGroupID:                     "The group id is invalid.",
	TopicAuthorizationFailed:           "Topic authorization failed.",
	GroupAuthorizationFailed:           "Group authorization failed.",
	InvalidProducerEpoch:               "Producer attempted to produce with an old epoch.",
	TransactionalIDAuthorizationFailed: "Transactional Id authorization failed.",
	UnknownProducerID:                  "This exception is raised by the broker if it could not locate the producer metadata associated with the producerId in question. This could happen if, for instance, the producer's records were deleted because their retention time had elapsed. Once the last records of the producerId are removed, the producer's metadata is removed from the broker, and future appends by the producer will return this exception.",
	FencedLeaderEpoch:                  "The leader epoch in the request is older than the epoch on the broker.",
	UnknownLeaderEpoch:                 "The leader epoch in the request is newer than the epoch on the broker.",
	StaleBrokerEpoch:                   "Broker epoch has changed.",
	OffsetNotAvailable:                 "The leader high watermark has not caught up from a recent leader election so the offsets cannot be guaranteed to be monotonically increasing.",
	MemberIDRequired:                   "The group member needs to have a valid member id before actually entering a consumer group.",
	PreferredLeaderNotAvailable:        "The preferred leader was not available.",
	GroupMaxSizeReached:                "The group has reached its maximum size.",
	EligibleLeadersNotAvailable:        "Eligible topic partition leaders are not available.",
	ElectionNotNeeded:                  "Leader election not needed for topic partition.",
	InvalidRecord:                      "This record has failed the validation on broker and hence will be rejected.",
	InconsistentVoterSet:               "Indicates that the either the sender or recipient of a voter-only request is not one of the expected voters.",
	UnknownControllerID:                "This controller ID is not known.",
	FencedStateEpoch:                   "The share coordinator rejected the request because the share-group state epoch did not match.",
}
