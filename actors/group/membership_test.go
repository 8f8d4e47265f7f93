package group

import (
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/protocol/kerror"
)

func TestOneMemberFromJoinToLeave(t *testing.T) {
	r := newRig(t)
	id, join := r.newcomer()
	r.inState(preparing)
	r.wait(r.limits.initialDelay - time.Millisecond)
	r.waiting(join)
	r.wait(time.Millisecond)
	j := r.joined(join)
	if j.Generation != 1 || j.LeaderID != id || j.MemberID != id || *j.Protocol != "range" || *j.ProtocolType != "consumer" || len(j.Members) != 1 {
		t.Fatalf("%+v", j)
	}
	r.inState(completing)
	if len(r.log) != 0 {
		t.Fatal("something was stored before there was an assignment")
	}
	s := at[*kmsg.SyncGroupResponse](r, r.ask("c", syncRequest(id, 1, id, "everything")))
	if s.ErrorCode != 0 || string(s.MemberAssignment) != "everything" {
		t.Fatalf("%+v", s)
	}
	r.inState(stable)
	for range 20 { // far beyond the session timeout
		r.wait(3 * time.Second)
		if code := r.heartbeatCode(id, 1); code != kerror.None {
			t.Fatal(code)
		}
	}
	if code := r.commitCode(commitRequest(id, 1, "t", 0, 7)); code != kerror.None || r.offset("t", 0) != 7 {
		t.Fatal(code, r.offset("t", 0))
	}
	if l := at[*kmsg.LeaveGroupResponse](r, r.ask("c", leaveRequest(id))); l.ErrorCode != 0 || l.Members[0].ErrorCode != 0 {
		t.Fatalf("%+v", l)
	}
	r.inState(empty)
	if r.m.stored == nil || r.m.stored.Generation != 2 || len(r.m.stored.Members) != 0 {
		t.Fatalf("stored %+v", r.m.stored)
	}
	if r.offset("t", 0) != 7 {
		t.Fatal("the offset went with the member")
	}
}

// Three members that come one after the other end up in one generation with disjoint assignments.
func TestStaggeredMembers(t *testing.T) {
	r := newRig(t)
	a, joinA := r.newcomer()
	r.wait(r.limits.initialDelay)
	r.joined(joinA)
	r.ask("c", syncRequest(a, 1, a, "all"))
	b, joinB := r.newcomer()
	r.waiting(joinB)
	r.inState(preparing)
	if code := r.heartbeatCode(a, 1); code != kerror.RebalanceInProgress {
		t.Fatal(code)
	}
	c, joinC := r.newcomer()
	joinA = r.ask("c", joinRequest(9, a))
	for _, j := range []uint64{joinA, joinB, joinC} {
		if x := r.joined(j); x.Generation != 2 || x.LeaderID != a || (len(x.Members) > 0) != (x.MemberID == a) {
			t.Fatalf("%+v", x)
		}
	}
	members := r.joined(joinA).Members
	if len(members) != 3 || !slices.IsSortedFunc(members, func(x, y kmsg.JoinGroupResponseMember) int { return 0 }) {
		t.Fatalf("%+v", members)
	}
	syncB := r.ask("c", syncRequest(b, 2))
	r.waiting(syncB)
	if code := r.heartbeatCode(b, 2); code != kerror.None {
		t.Fatal("heartbeats count while the assignment is awaited:", code)
	}
	syncA := r.ask("c", syncRequest(a, 2, a, "0", b, "1", c, "2"))
	syncC := r.ask("c", syncRequest(c, 2))
	for s, want := range map[uint64]string{syncA: "0", syncB: "1", syncC: "2"} {
		if x := at[*kmsg.SyncGroupResponse](r, s); string(x.MemberAssignment) != want {
			t.Fatalf("%+v", x)
		}
	}
}

// The first rebalance is put off while members arrive, at most for the rebalance timeout.
func TestInitialDelayIsExtendedForNewcomers(t *testing.T) {
	r := newRig(t)
	_, first := r.newcomer()
	for range 19 {
		r.wait(2 * time.Second)
		r.newcomer()
		r.waiting(first)
	}
	r.wait(30 * time.Second)
	if j := r.joined(first); len(j.Members) != 20 {
		t.Fatalf("%d members", len(j.Members))
	}
	r = newRig(t)
	_, first = r.newcomer()
	for range 40 { // 80 s: longer than the rebalance timeout of 60 s
		r.wait(2 * time.Second)
		if r.replies[first] != nil {
			break
		}
		r.newcomer()
	}
	if n := r.now.Sub(start); n < 55*time.Second || n > 65*time.Second {
		t.Fatalf("the first generation began after %v", n)
	}
	r = newRig(t)
	r.limits.initialDelay = 0
	_, first = r.newcomer()
	r.joined(first)
}

func TestSessionTimeout(t *testing.T) {
	r := newRig(t)
	ids, generation := r.stableGroup(2)
	r.wait(9 * time.Second)
	r.heartbeatCode(ids[0], generation)
	r.wait(2 * time.Second)
	r.inState(preparing)
	if code := r.heartbeatCode(ids[1], generation); code != kerror.UnknownMemberID {
		t.Fatal(code)
	}
	join := r.ask("c", joinRequest(9, ids[0]))
	if j := r.joined(join); j.Generation != generation+1 || len(j.Members) != 1 {
		t.Fatalf("%+v", j)
	}
	// The last one is missed as well: the group is empty and says so in the log.
	r.ask("c", syncRequest(ids[0], generation+1, ids[0], "x"))
	r.wait(11 * time.Second)
	r.inState(empty)
	if r.m.stored.Generation != generation+2 || len(r.m.stored.Members) != 0 {
		t.Fatalf("%+v", r.m.stored)
	}
}

// A member that waits for others is not missed, however long it takes.
func TestWaitingMembersAreAlive(t *testing.T) {
	r := newRig(t)
	ids, _ := r.stableGroup(2)
	join := r.ask("c", joinRequest(9, ids[0]))
	for range 5 {
		r.wait(9 * time.Second)
		r.heartbeatCode(ids[1], 1) // alive, but does not join
	}
	r.waiting(join)
	r.wait(16 * time.Second)
	if j := r.joined(join); len(j.Members) != 1 {
		t.Fatal("the member that did not join within the rebalance timeout is still there")
	}
}

// A new member whose client gave up is forgotten after five minutes; a pending id after its session timeout.
func TestAbandonedJoins(t *testing.T) {
	r := newRig(t)
	ids, _ := r.stableGroup(1)
	for i := range 60 {
		r.wait(5 * time.Second)
		r.heartbeatCode(ids[0], 1)
		if i == 0 {
			r.ask("c", joinRequest(3, "")) // its rebalance cannot end: the leader does not join, and its timeout is long
		}
	}
	r = newRig(t)
	a := at[*kmsg.JoinGroupResponse](r, r.ask("c", joinRequest(9, "")))
	r.wait(9 * time.Second)
	if r.m.vacant() {
		t.Fatal("a promised member id was forgotten early")
	}
	r.wait(2 * time.Second)
	if !r.m.vacant() {
		t.Fatal("a promised member id is kept for ever")
	}
	if j := at[*kmsg.JoinGroupResponse](r, r.ask("c", joinRequest(9, a.MemberID))); kerror.Code(j.ErrorCode) != kerror.UnknownMemberID {
		t.Fatalf("%+v", j)
	}
}

// A pending id holds up the end of a rebalance until its session timeout, as it is about to join.
func TestPendingMemberIsWaitedFor(t *testing.T) {
	r := newRig(t)
	ids, _ := r.stableGroup(1)
	r.ask("c", joinRequest(9, ""))
	join := r.ask("c", joinRequest(9, ids[0]))
	r.waiting(join)
	r.wait(10 * time.Second)
	r.joined(join)
}

// A leader that never brings an assignment is removed after the rebalance timeout.
func TestLeaderNeverSyncs(t *testing.T) {
	r := newRig(t)
	a, joinA := r.newcomer()
	b, joinB := r.newcomer()
	r.wait(6 * time.Second)
	r.joined(joinA)
	r.joined(joinB)
	sync := r.ask("c", syncRequest(b, 1))
	for range 7 {
		r.wait(9 * time.Second)
		r.heartbeatCode(a, 1)
	}
	if s := at[*kmsg.SyncGroupResponse](r, sync); kerror.Code(s.ErrorCode) != kerror.RebalanceInProgress {
		t.Fatalf("%+v", s)
	}
	if code := r.heartbeatCode(a, 1); code != kerror.UnknownMemberID {
		t.Fatal(code)
	}
	join := r.ask("c", joinRequest(9, b))
	if j := r.joined(join); j.LeaderID != b || j.Generation != 2 {
		t.Fatalf("%+v", j)
	}
	r.ask("c", syncRequest(b, 2, b, "all"))
	r.inState(stable)
}

// kafka-python's leader joins again in a stable group and expects a rebalance; a follower gets its answer at once.
func TestRejoinInStableGroup(t *testing.T) {
	r := newRig(t)
	ids, g := r.stableGroup(2)
	if j := r.joined(r.ask("c", joinRequest(9, ids[1]))); j.Generation != g || len(j.Members) != 0 {
		t.Fatalf("%+v", j)
	}
	r.inState(stable)
	join := r.ask("c", joinRequest(9, ids[0]))
	r.waiting(join)
	r.inState(preparing)
	other := r.ask("c", joinRequest(9, ids[1]))
	if r.joined(join).Generation != g+1 || r.joined(other).Generation != g+1 {
		t.Fatal("no new generation")
	}
	// In CompletingRebalance the same offer gets the same answer, another one a rebalance.
	if j := r.joined(r.ask("c", joinRequest(9, ids[1]))); j.Generation != g+1 {
		t.Fatalf("%+v", j)
	}
	r.waiting(r.ask("c", joinRequest(9, ids[1], "range", "sticky")))
	r.inState(preparing)
}

func TestChangedSubscriptionCausesRebalance(t *testing.T) {
	r := newRig(t)
	ids, _ := r.stableGroup(2)
	req := joinRequest(9, ids[1])
	req.Protocols[0].Metadata = subscription("t", "u")
	r.waiting(r.ask("c", req))
	r.inState(preparing)
}

func TestProtocolSelection(t *testing.T) {
	r := newRig(t)
	_, a := r.newcomer("sticky", "range")
	_, b := r.newcomer("range", "sticky")
	_, c := r.newcomer("range", "sticky", "only-me")
	if x := at[*kmsg.JoinGroupResponse](r, r.ask("c", joinRequest(3, "", "other"))); kerror.Code(x.ErrorCode) != kerror.InconsistentGroupProtocol {
		t.Fatalf("%+v", x)
	}
	wrong := joinRequest(3, "")
	wrong.ProtocolType = "connect"
	if x := at[*kmsg.JoinGroupResponse](r, r.ask("c", wrong)); kerror.Code(x.ErrorCode) != kerror.InconsistentGroupProtocol {
		t.Fatalf("%+v", x)
	}
	r.wait(6 * time.Second)
	for _, j := range []uint64{a, b, c} {
		if *r.joined(j).Protocol != "range" {
			t.Fatalf("%+v", r.joined(j))
		}
	}
	none := joinRequest(3, "")
	none.Protocols = nil
	r = newRig(t)
	if x := at[*kmsg.JoinGroupResponse](r, r.ask("c", none)); kerror.Code(x.ErrorCode) != kerror.InconsistentGroupProtocol {
		t.Fatalf("%+v", x)
	}
}

func TestMaxSize(t *testing.T) {
	r := newRig(t)
	r.limits.maxSize = 2
	ids, _ := r.stableGroup(2)
	if x := at[*kmsg.JoinGroupResponse](r, r.ask("c", joinRequest(3, ""))); kerror.Code(x.ErrorCode) != kerror.GroupMaxSizeReached || x.MemberID != "" {
		t.Fatalf("%+v", x)
	}
	r.inState(stable)
	r.waiting(r.ask("c", joinRequest(9, ids[0]))) // a member may always come back
	// A group that is found too large at start-up shrinks.
	r = newRig(t)
	ids, _ = r.stableGroup(3)
	r.limits.maxSize = 2
	r.restart()
	r.inState(preparing)
	first, second := r.ask("c", joinRequest(9, ids[0])), r.ask("c", joinRequest(9, ids[1]))
	if x := at[*kmsg.JoinGroupResponse](r, r.ask("c", joinRequest(9, ids[2]))); kerror.Code(x.ErrorCode) != kerror.GroupMaxSizeReached {
		t.Fatalf("%+v", x)
	}
	r.joined(first)
	r.joined(second)
}

func TestLeaveOfOneStartsRebalance(t *testing.T) {
	r := newRig(t)
	ids, g := r.stableGroup(3)
	l := at[*kmsg.LeaveGroupResponse](r, r.ask("c", leaveRequest(ids[0], "stranger")))
	if l.ErrorCode != 0 || l.Members[0].ErrorCode != 0 || kerror.Code(l.Members[1].ErrorCode) != kerror.UnknownMemberID {
		t.Fatalf("%+v", l)
	}
	b, c := r.ask("c", joinRequest(9, ids[1])), r.ask("c", joinRequest(9, ids[2]))
	if r.joined(b).LeaderID != ids[1] || r.joined(c).Generation != g+1 {
		t.Fatalf("%+v", r.joined(b))
	}
	old := kmsg.NewPtrLeaveGroupRequest()
	old.Version, old.MemberID = 2, "stranger"
	if l := at[*kmsg.LeaveGroupResponse](r, r.ask("c", old)); kerror.Code(l.ErrorCode) != kerror.UnknownMemberID {
		t.Fatalf("%+v", l)
	}
}

// A retried request on another connection takes the place of the parked one, which is answered so that nothing hangs.
func TestSupersededCallsAreAnswered(t *testing.T) {
	r := newRig(t)
	ids, g := r.stableGroup(2)
	first := r.ask("c", joinRequest(9, ids[0]))
	second := r.ask("c", joinRequest(9, ids[0]))
	if x := at[*kmsg.JoinGroupResponse](r, first); kerror.Code(x.ErrorCode) != kerror.RebalanceInProgress {
		t.Fatalf("%+v", x)
	}
	r.ask("c", joinRequest(9, ids[1]))
	r.joined(second)
	s1 := r.ask("c", syncRequest(ids[1], g+1))
	s2 := r.ask("c", syncRequest(ids[1], g+1))
	if x := at[*kmsg.SyncGroupResponse](r, s1); kerror.Code(x.ErrorCode) != kerror.RebalanceInProgress {
		t.Fatalf("%+v", x)
	}
	r.waiting(s2)
}

func TestSyncFencing(t *testing.T) {
	r := newRig(t)
	ids, g := r.stableGroup(2)
	code := func(req *kmsg.SyncGroupRequest) kerror.Code {
		return kerror.Code(at[*kmsg.SyncGroupResponse](r, r.ask("c", req)).ErrorCode)
	}
	if c := code(syncRequest("stranger", g)); c != kerror.UnknownMemberID {
		t.Error(c)
	}
	if c := code(syncRequest(ids[0], g+1)); c != kerror.IllegalGeneration {
		t.Error(c)
	}
	wrong := syncRequest(ids[0], g)
	wrong.Protocol = str("sticky")
	if c := code(wrong); c != kerror.InconsistentGroupProtocol {
		t.Error(c)
	}
	if s := at[*kmsg.SyncGroupResponse](r, r.ask("c", syncRequest(ids[1], g))); string(s.MemberAssignment) != "to "+ids[1] {
		t.Errorf("%+v", s)
	}
	r.ask("c", joinRequest(9, ids[0]))
	if c := code(syncRequest(ids[1], g)); c != kerror.RebalanceInProgress {
		t.Error(c)
	}
}
