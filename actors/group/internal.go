package group

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"chronik/protocol/kerror"
)

// Messages between manager, shards and groups.
type (
	// resignShard: manager to shard: this node leads the partition no longer in the shard's epoch.
	resignShard struct{}
	// resignGroup: shard to group: answer everything with Code; a poison pill follows.
	resignGroup struct{ Code kerror.Code }
	// groupChanged: group to shard, before the answer that lets a client know.
	groupChanged struct {
		ID           string
		PID          *actor.PID
		State        state
		ProtocolType string
		Bytes        int // about what a full rewrite of the group would append
	}
	// groupGone: group to shard: nothing is left of the group; it takes no more calls.
	groupGone struct {
		ID  string
		PID *actor.PID
	}
	// groupLost: group to shard: the outcome of an append is unknown, the log has to be read again.
	groupLost struct{ Reason kerror.Code }
	// rewriteGroup: shard to group: append your whole state anew; answered by groupRewritten.
	rewriteGroup struct{ Round uint64 }
	// groupRewritten answers rewriteGroup.
	groupRewritten struct {
		Round uint64
		PID   *actor.PID
		Code  kerror.Code
	}
	// probeLag: shard to group, now and then: find out how far the group is behind.
	probeLag struct{}
	// retryLoad: a shard's pause before it tries to load again is over.
	retryLoad struct{ Attempt uint64 }
	// housekeep: a shard's time to look at its log's size and its groups' lag.
	housekeep struct{}
	// wake: a deadline of the receiver has come. At tells apart timers that were replaced.
	wake struct{ At time.Time }
	// childrenGone: shard to itself, behind everything its groups sent before they ended.
	childrenGone struct{ Generation uint64 }
)
