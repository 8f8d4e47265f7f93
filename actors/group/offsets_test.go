package group

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/protocol/kerror"
)

func TestCommitFencing(t *testing.T) {
	r := newRig(t)
	if code := r.commitCode(commitRequest("m", 3, "t", 0, 1)); code != kerror.IllegalGeneration {
		t.Error("no such group, version 8:", code)
	}
	nine := commitRequest("m", 3, "t", 0, 1)
	nine.Version = 9
	if code := r.commitCode(nine); code != kerror.GroupIDNotFound {
		t.Error("no such group, version 9:", code)
	}
	if code := r.commitCode(commitRequest("", -1, "t", 0, 1)); code != kerror.None {
		t.Error("assign-only:", code)
	}
	ids, g := r.stableGroup(2)
	for name, x := range map[string]struct {
		req  *kmsg.OffsetCommitRequest
		want kerror.Code
	}{
		"member":             {commitRequest(ids[0], g, "t", 0, 5), kerror.None},
		"zombie":             {commitRequest(ids[0], g-1, "t", 0, 4), kerror.IllegalGeneration},
		"stranger":           {commitRequest("stranger", g, "t", 0, 4), kerror.UnknownMemberID},
		"assign-only":        {commitRequest("", -1, "t", 0, 4), kerror.UnknownMemberID},
		"without generation": {commitRequest(ids[0], -1, "t", 0, 4), kerror.IllegalGeneration},
	} {
		if code := r.commitCode(x.req); code != x.want {
			t.Errorf("%s: %v, want %v", name, code, x.want)
		}
	}
	// While members rejoin, those of the last generation may still commit; once the next is known, nobody may.
	joins := []uint64{r.ask("c", joinRequest(9, ids[0]))}
	if code := r.commitCode(commitRequest(ids[1], g, "t", 1, 6)); code != kerror.None {
		t.Error("while preparing:", code)
	}
	joins = append(joins, r.ask("c", joinRequest(9, ids[1])))
	next := r.joined(joins[0]).Generation
	if code := r.commitCode(commitRequest(ids[1], next, "t", 1, 9)); code != kerror.RebalanceInProgress {
		t.Error("while completing:", code)
	}
	if r.offset("t", 0) != 5 || r.offset("t", 1) != 6 {
		t.Error(r.offset("t", 0), r.offset("t", 1))
	}
}

// A member that was driven out cannot commit, even if its commit was on its way when that happened.
func TestCommitIsDecidedWhenItsTurnComes(t *testing.T) {
	r := newRig(t)
	ids, g := r.stableGroup(2)
	r.holdAppends = true
	r.ask("c", commitRequest(ids[0], g, "t", 0, 1))
	zombie := r.ask("c", commitRequest(ids[1], g, "t", 1, 2))
	r.ask("c", leaveRequest(ids[1]))
	r.waiting(zombie)
	r.decide(kerror.None)
	if a := at[*kmsg.OffsetCommitResponse](r, zombie); kerror.Code(a.Topics[0].Partitions[0].ErrorCode) != kerror.UnknownMemberID {
		t.Fatalf("%+v", a)
	}
}

// One append at a time; what waits meanwhile shares the next one.
func TestCommitsShareAnAppend(t *testing.T) {
	r := newRig(t)
	ids, g := r.stableGroup(1)
	before := r.batches
	r.holdAppends = true
	var commits []uint64
	for i := range 50 {
		commits = append(commits, r.ask("c", commitRequest(ids[0], g, "t", int32(i%2), int64(i))))
	}
	r.waiting(commits[0])
	r.decide(kerror.None)
	at[*kmsg.OffsetCommitResponse](r, commits[0])
	r.waiting(commits[1])
	r.decide(kerror.None)
	for _, c := range commits {
		if a := at[*kmsg.OffsetCommitResponse](r, c); a.Topics[0].Partitions[0].ErrorCode != 0 {
			t.Fatalf("%+v", a)
		}
	}
	if r.batches-before != 2 {
		t.Errorf("%d appends", r.batches-before)
	}
	r.holdAppends = false
	if r.offset("t", 0) != 48 || r.offset("t", 1) != 49 {
		t.Error("the last commit in order does not win")
	}
}

func TestFailedCommits(t *testing.T) {
	for code, want := range map[kerror.Code]kerror.Code{
		kerror.NotEnoughReplicas: kerror.CoordinatorNotAvailable,
		kerror.KafkaStorageError: kerror.KafkaStorageError,
		kerror.MessageTooLarge:   kerror.InvalidCommitOffsetSize,
		kerror.None:              kerror.None,
	} {
		r := newRig(t)
		r.fails = code
		if got := r.commitCode(commitRequest("", -1, "t", 0, 1)); got != want {
			t.Errorf("append %v: commit %v, want %v", code, got, want)
		}
		if there := r.m.offsets.count() > 0; there != (code == kerror.None) {
			t.Errorf("append %v: offset known %v", code, there)
		}
	}
}

func TestLateCommit(t *testing.T) {
	r := newRig(t)
	r.holdAppends = true
	first, second := r.ask("c", commitRequest("", -1, "t", 0, 1)), r.ask("c", commitRequest("", -1, "t", 1, 2))
	r.wait(answerWithin + time.Second)
	for _, c := range []uint64{first, second} {
		if a := at[*kmsg.OffsetCommitResponse](r, c); kerror.Code(a.Topics[0].Partitions[0].ErrorCode) != kerror.CoordinatorNotAvailable {
			t.Fatalf("%+v", a)
		}
	}
	r.holdAppends = false
	r.decide(kerror.None)
	// The one in the log counts, whatever was said; the one that was given up never gets there.
	if r.offset("t", 0) != 1 || r.offset("t", 1) != -1 {
		t.Error(r.offset("t", 0), r.offset("t", 1))
	}
}

func TestCommitMetadataSize(t *testing.T) {
	r := newRig(t)
	req := commitRequest("", -1, "t", 0, 1)
	large := kmsg.NewOffsetCommitRequestTopicPartition()
	large.Partition, large.Offset, large.Metadata = 1, 2, str(strings.Repeat("x", 4097))
	req.Topics[0].Partitions = append(req.Topics[0].Partitions, large)
	a := at[*kmsg.OffsetCommitResponse](r, r.ask("c", req))
	if a.Topics[0].Partitions[0].ErrorCode != 0 || kerror.Code(a.Topics[0].Partitions[1].ErrorCode) != kerror.OffsetMetadataTooLarge {
		t.Fatalf("%+v", a)
	}
	if r.offset("t", 0) != 1 || r.offset("t", 1) != -1 {
		t.Fatal("stored what was refused")
	}
	req.Topics[0].Partitions = req.Topics[0].Partitions[1:]
	r.ask("c", req)
}

func TestFetchAllAndTopicsOfTheSameName(t *testing.T) {
	r := newRig(t)
	old, current := [16]byte{1}, [16]byte{2}
	req := commitRequest("", -1, "t", 0, 1)
	req.Topics[0].TopicID = old
	r.ask("c", req)
	r.ask("c", commitRequest("", -1, "u", 1, 3))
	f := fetchRequest("t")
	f.Groups[0].Topics[0].TopicID = current
	if a := at[*kmsg.OffsetFetchResponse](r, r.ask("c", f)); a.Groups[0].Topics[0].Partitions[0].Offset != -1 {
		t.Error("an offset of a deleted topic was given for its successor")
	}
	f.Groups[0].Topics[0].TopicID = old
	if a := at[*kmsg.OffsetFetchResponse](r, r.ask("c", f)); a.Groups[0].Topics[0].Partitions[0].Offset != 1 {
		t.Error("lost")
	}
	all := at[*kmsg.OffsetFetchResponse](r, r.ask("c", fetchRequest())).Groups[0].Topics
	if len(all) != 2 || all[0].Topic != "t" || all[0].TopicID != old || all[1].Topic != "u" || all[1].Partitions[0].Partition != 1 || all[1].Partitions[0].Offset != 3 {
		t.Errorf("%+v", all)
	}
}

// Reads wait for a barrier that was asked for after they came; without one they are refused, not answered from memory.
func TestReadsWaitForTheirBarrier(t *testing.T) {
	r := newRig(t)
	r.ask("c", commitRequest("", -1, "t", 0, 1))
	r.holdBarriers = true
	first := r.ask("c", fetchRequest("t"))
	second := r.ask("c", fetchRequest("t"))
	r.confirm(kerror.None)
	at[*kmsg.OffsetFetchResponse](r, first)
	r.waiting(second)
	r.confirm(kerror.NotLeaderOrFollower)
	if a := at[*kmsg.OffsetFetchResponse](r, second); kerror.Code(a.Groups[0].ErrorCode) != kerror.NotCoordinator {
		t.Fatalf("%+v", a)
	}
	// A lost barrier does not hold up later reads, and when it turns up after all it confirms nothing.
	lost := r.ask("c", fetchRequest("t"))
	number := r.barrier
	r.wait(answerWithin)
	if a := at[*kmsg.OffsetFetchResponse](r, lost); kerror.Code(a.Groups[0].ErrorCode) != kerror.CoordinatorNotAvailable {
		t.Fatalf("%+v", a)
	}
	later := r.ask("c", fetchRequest("t"))
	r.m.barrierPassed(r.now, number, kerror.None)
	r.collect()
	r.waiting(later)
	r.confirm(kerror.None)
	at[*kmsg.OffsetFetchResponse](r, later)
}

func TestRequireStableWaitsForWrites(t *testing.T) {
	r := newRig(t)
	r.holdAppends = true
	r.ask("c", commitRequest("", -1, "t", 0, 1))
	now := r.ask("c", fetchRequest("t"))
	f := fetchRequest("t")
	f.RequireStable = true
	stable := r.ask("c", f)
	if a := at[*kmsg.OffsetFetchResponse](r, now); a.Groups[0].Topics[0].Partitions[0].Offset != -1 {
		t.Error("an offset was told before it was committed")
	}
	r.waiting(stable)
	r.decide(kerror.None)
	if a := at[*kmsg.OffsetFetchResponse](r, stable); a.Groups[0].Topics[0].Partitions[0].Offset != 1 {
		t.Errorf("%+v", a)
	}
}

func deleteRequest(topics ...string) *kmsg.OffsetDeleteRequest {
	req := kmsg.NewPtrOffsetDeleteRequest()
	req.Group = "g"
	for _, name := range topics {
		p := kmsg.NewOffsetDeleteRequestTopicPartition()
		t := kmsg.NewOffsetDeleteRequestTopic()
		t.Topic, t.Partitions = name, append(t.Partitions, p)
		req.Topics = append(req.Topics, t)
	}
	return req
}

func TestDeleteOffsets(t *testing.T) {
	r := newRig(t)
	if d := at[*kmsg.OffsetDeleteResponse](r, r.ask("c", deleteRequest("t"))); kerror.Code(d.ErrorCode) != kerror.GroupIDNotFound {
		t.Fatalf("%+v", d)
	}
	ids, g := r.stableGroup(1)
	r.ask("c", commitRequest(ids[0], g, "t", 0, 1))
	r.ask("c", commitRequest(ids[0], g, "u", 0, 2))
	d := at[*kmsg.OffsetDeleteResponse](r, r.ask("c", deleteRequest("t", "u")))
	if d.ErrorCode != 0 || kerror.Code(d.Topics[0].Partitions[0].ErrorCode) != kerror.GroupSubscribedToTopic || d.Topics[1].Partitions[0].ErrorCode != 0 {
		t.Fatalf("%+v", d)
	}
	if r.offset("t", 0) != 1 || r.offset("u", 0) != -1 {
		t.Fatal("the wrong one is gone")
	}
	r.ask("c", leaveRequest(ids[0]))
	r.ask("c", deleteRequest("t"))
	r.restart()
	if r.offset("t", 0) != -1 {
		t.Fatal("a deleted offset is back after a restart")
	}
}

func TestDeleteOffsetsOfOtherProtocolTypes(t *testing.T) {
	r := newRig(t)
	r.limits.initialDelay = 0
	req := joinRequest(3, "")
	req.ProtocolType = "connect"
	r.joined(r.ask("c", req))
	if d := at[*kmsg.OffsetDeleteResponse](r, r.ask("c", deleteRequest("t"))); kerror.Code(d.ErrorCode) != kerror.NonEmptyGroup {
		t.Fatalf("%+v", d)
	}
	// A consumer whose subscription cannot be read may be subscribed to anything.
	r = newRig(t)
	r.limits.initialDelay = 0
	req = joinRequest(3, "")
	req.Protocols[0].Metadata = []byte{0, 1}
	r.joined(r.ask("c", req))
	if d := at[*kmsg.OffsetDeleteResponse](r, r.ask("c", deleteRequest("t"))); kerror.Code(d.Topics[0].Partitions[0].ErrorCode) != kerror.GroupSubscribedToTopic {
		t.Fatalf("%+v", d)
	}
}

func deleteGroupRequest() *kmsg.DeleteGroupsRequest {
	req := kmsg.NewPtrDeleteGroupsRequest()
	req.Version, req.Groups = 2, []string{"g"}
	return req
}

func (r *rig) deleteCode() kerror.Code {
	r.t.Helper()
	return kerror.Code(at[*kmsg.DeleteGroupsResponse](r, r.ask("admin", deleteGroupRequest())).Groups[0].ErrorCode)
}

func TestDeleteGroup(t *testing.T) {
	r := newRig(t)
	if code := r.deleteCode(); code != kerror.GroupIDNotFound {
		t.Error(code)
	}
	ids, g := r.stableGroup(1)
	r.ask("c", commitRequest(ids[0], g, "t", 0, 1))
	if code := r.deleteCode(); code != kerror.NonEmptyGroup {
		t.Error(code)
	}
	r.ask("c", leaveRequest(ids[0]))
	r.holdAppends = true
	gone := r.ask("admin", deleteGroupRequest())
	// Nobody gets into a group whose tombstones are being written.
	if j := at[*kmsg.JoinGroupResponse](r, r.ask("c", joinRequest(3, ""))); kerror.Code(j.ErrorCode) != kerror.CoordinatorNotAvailable {
		t.Errorf("%+v", j)
	}
	r.waiting(gone)
	r.decide(kerror.None)
	if d := at[*kmsg.DeleteGroupsResponse](r, gone); d.Groups[0].ErrorCode != 0 {
		t.Fatalf("%+v", d)
	}
	r.inState(dead)
	if m := r.replayed(); m.stored != nil || len(m.offsets) != 0 || m.size != 0 {
		t.Errorf("the log still holds %+v", m)
	}
	// What cannot be deleted stays, and can be joined again.
	r = newRig(t)
	r.ask("c", commitRequest("", -1, "t", 0, 1))
	r.fails = kerror.KafkaStorageError
	if code := r.deleteCode(); code != kerror.KafkaStorageError {
		t.Error(code)
	}
	r.fails = kerror.None
	r.waiting(r.ask("c", joinRequest(3, "")))
	r.inState(preparing)
}

func TestExpiry(t *testing.T) {
	const day = 24 * time.Hour
	t.Run("assign-only", func(t *testing.T) {
		r := newRig(t)
		r.ask("c", commitRequest("", -1, "t", 0, 1))
		r.wait(4 * day)
		r.ask("c", commitRequest("", -1, "t", 1, 2))
		r.wait(4 * day)
		if r.offset("t", 0) != -1 || r.offset("t", 1) != 2 {
			t.Fatal("seven days after its commit, an offset expires")
		}
		r.wait(4 * day)
		r.inState(dead)
		if m := r.replayed(); m.stored != nil || len(m.offsets) != 0 {
			t.Fatal("the log still holds the group")
		}
	})
	t.Run("consumers", func(t *testing.T) {
		r := newRig(t)
		ids, g := r.stableGroup(1)
		r.ask("c", commitRequest(ids[0], g, "t", 0, 1))
		r.ask("c", commitRequest(ids[0], g, "left", 0, 2))
		for range int(8 * day / (9 * time.Second)) {
			r.wait(9 * time.Second)
			r.heartbeatCode(ids[0], g)
		}
		if r.offset("t", 0) != 1 || r.offset("left", 0) != -1 {
			t.Fatal("only offsets of topics without subscribers expire")
		}
		r.ask("c", leaveRequest(ids[0]))
		r.wait(6 * day)
		if r.offset("t", 0) != 1 {
			t.Fatal("an offset expired before the group was empty for seven days")
		}
		r.wait(2 * day)
		r.inState(dead)
	})
	t.Run("own retention", func(t *testing.T) {
		r := newRig(t)
		req := commitRequest("", -1, "t", 0, 1)
		req.Version, req.RetentionTimeMillis = 2, time.Hour.Milliseconds()
		r.ask("c", req)
		r.wait(50 * time.Minute)
		if r.offset("t", 0) != 1 {
			t.Fatal("early")
		}
		r.restart()
		r.wait(30 * time.Minute)
		r.inState(dead)
	})
	t.Run("group without offsets", func(t *testing.T) {
		r := newRig(t)
		ids, _ := r.stableGroup(1)
		r.ask("c", leaveRequest(ids[0]))
		r.wait(11 * time.Minute)
		r.inState(dead)
		if r.replayed().stored != nil {
			t.Fatal("the log still holds the group")
		}
	})
	t.Run("failed", func(t *testing.T) {
		r := newRig(t)
		r.ask("c", commitRequest("", -1, "t", 0, 1))
		r.fails = kerror.NotEnoughReplicas
		r.wait(8 * day)
		r.inState(empty)
		if r.m.closing {
			t.Fatal("the group is closed for ever")
		}
		r.fails = kerror.None
		r.wait(time.Hour)
		r.inState(dead)
	})
}

func TestDeletedTopics(t *testing.T) {
	r := newRig(t)
	r.ask("c", commitRequest("", -1, "t", 0, 1))
	r.ask("c", commitRequest("", -1, "u", 0, 2))
	r.m.forget(r.now, []string{"t", "unknown"})
	r.collect()
	if r.offset("t", 0) != -1 || r.offset("u", 0) != 2 {
		t.Fatal("the wrong offsets are gone")
	}
}

// Rewriting appends everything alive, behind what is being written, and what is left gives the same state.
func TestRewrite(t *testing.T) {
	r := newRig(t)
	ids, g := r.stableGroup(2)
	for i := range 5000 {
		r.ask("c", commitRequest(ids[0], g, "t", int32(i), int64(i)))
	}
	r.holdAppends = true
	r.ask("c", commitRequest(ids[0], g, "t", 1, 77))
	cut := len(r.log)
	outcome := kerror.Code(-99)
	r.m.rewrite(r.now, func(c kerror.Code) { outcome = c })
	r.holdAppends = false
	r.collect()
	if outcome != kerror.None {
		t.Fatal(outcome)
	}
	r.ask("c", commitRequest(ids[0], g, "t", 2, 88))
	full := r.replayed()
	r.log = r.log[cut:]
	short := r.replayed()
	same(t, full, short)
	same(t, full, r.m)
	if c, _ := short.offsets.get("t", 1); c.Offset != 77 {
		t.Error(c)
	}
}
