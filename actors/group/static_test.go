package group

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/protocol/kerror"
)

// staticGroup makes a stable group of static members "a", which leads, and "b".
func (r *rig) staticGroup() (a, b string) {
	r.t.Helper()
	joinA, joinB := r.ask("c", staticJoin(9, "a", "")), r.ask("c", staticJoin(9, "b", ""))
	r.wait(2 * r.limits.initialDelay)
	a, b = r.joined(joinA).MemberID, r.joined(joinB).MemberID
	r.ask("c", syncRequest(b, 1))
	r.ask("c", syncRequest(a, 1, a, "0", b, "1"))
	r.inState(stable)
	return a, b
}

func TestStaticMemberReturnsWithoutRebalance(t *testing.T) {
	r := newRig(t)
	a, b := r.staticGroup()
	// A follower returns: same generation, same assignment, the old incarnation is fenced.
	j := r.joined(r.ask("c", staticJoin(9, "b", "")))
	if j.Generation != 1 || j.MemberID == b || j.LeaderID != a || j.SkipAssignment || len(j.Members) != 0 {
		t.Fatalf("%+v", j)
	}
	r.inState(stable)
	if s := at[*kmsg.SyncGroupResponse](r, r.ask("c", syncRequest(j.MemberID, 1))); string(s.MemberAssignment) != "1" {
		t.Fatalf("%+v", s)
	}
	hb := heartbeatRequest(b, 1)
	hb.InstanceID = str("b")
	if h := at[*kmsg.HeartbeatResponse](r, r.ask("c", hb)); kerror.Code(h.ErrorCode) != kerror.FencedInstanceID {
		t.Fatalf("%+v", h)
	}
	if code := r.heartbeatCode(b, 1); code != kerror.UnknownMemberID {
		t.Fatal(code)
	}
	// The leader returns: from version 9 on it learns the members and is told to skip the assignment.
	j = r.joined(r.ask("c", staticJoin(9, "a", "")))
	if j.LeaderID != j.MemberID || !j.SkipAssignment || len(j.Members) != 2 {
		t.Fatalf("%+v", j)
	}
	// Before, it must not find its own id as the leader's.
	before := j.MemberID
	j = r.joined(r.ask("c", staticJoin(8, "a", "")))
	if j.LeaderID != before || j.MemberID == before || len(j.Members) != 0 {
		t.Fatalf("%+v", j)
	}
	r.inState(stable)
	r.restart()
	r.inState(stable)
	if m := r.m.byID[j.MemberID]; m == nil || r.m.leader != j.MemberID {
		t.Fatal("the new member id was not stored")
	}
}

func TestStaticMemberReturnsWithAnotherProtocol(t *testing.T) {
	r := newRig(t)
	r.limits.initialDelay = 0
	join := r.ask("c", staticJoin(9, "a", "", "range", "sticky"))
	a := r.joined(join).MemberID
	r.ask("c", syncRequest(a, 1, a, "x"))
	r.inState(stable)
	join = r.ask("c", staticJoin(9, "a", "", "sticky"))
	if j := r.joined(join); j.Generation != 2 || *j.Protocol != "sticky" {
		t.Fatalf("%+v", j)
	}
}

func TestStaticMemberReturnsDuringRebalance(t *testing.T) {
	r := newRig(t)
	a, b := r.staticGroup()
	joinA := r.ask("c", staticJoin(9, "a", a))
	parked := r.ask("c", staticJoin(9, "b", b))
	r.joined(joinA)
	r.inState(completing)
	sync := r.ask("c", func() *kmsg.SyncGroupRequest { s := syncRequest(b, 2); s.InstanceID = str("b"); return s }())
	// In CompletingRebalance the leader may be assigning to the old id: everybody starts again.
	again := r.ask("c", staticJoin(9, "b", ""))
	r.joined(parked)
	if s := at[*kmsg.SyncGroupResponse](r, sync); kerror.Code(s.ErrorCode) != kerror.FencedInstanceID {
		t.Fatalf("%+v", s)
	}
	r.waiting(again)
	r.inState(preparing)
	// In PreparingRebalance the newest incarnation takes the place; the one before is fenced.
	newest := r.ask("c", staticJoin(9, "b", ""))
	if j := at[*kmsg.JoinGroupResponse](r, again); kerror.Code(j.ErrorCode) != kerror.FencedInstanceID {
		t.Fatalf("%+v", j)
	}
	joinA = r.ask("c", staticJoin(9, "a", a))
	if r.joined(newest).Generation != 3 || r.joined(joinA).Generation != 3 || len(r.m.members) != 2 {
		t.Fatalf("%+v", r.joined(newest))
	}
}

// A static member that does not join a rebalance stays until its session ends; its leadership passes on at once.
func TestStaticMemberThatIsAwayIsKept(t *testing.T) {
	r := newRig(t)
	_, b := r.staticGroup()
	late := staticJoin(9, "b", b)
	late.Protocols[0].Metadata = subscription("t", "u")
	late.SessionTimeoutMillis = 300_000
	join := r.ask("c", late)
	for range 6 {
		r.wait(9 * time.Second)
		hb := heartbeatRequest(r.m.static["a"], 1)
		hb.InstanceID = str("a")
		r.ask("c", hb)
	}
	r.wait(6 * time.Second)
	if j := r.joined(join); j.LeaderID != b || len(j.Members) != 2 {
		t.Fatalf("%+v", j)
	}
}

func TestReplacementThatCannotBeStoredIsTakenBack(t *testing.T) {
	r := newRig(t)
	_, b := r.staticGroup()
	r.fails = kerror.NotEnoughReplicas
	j := at[*kmsg.JoinGroupResponse](r, r.ask("c", staticJoin(9, "b", "")))
	if kerror.Code(j.ErrorCode) != kerror.CoordinatorNotAvailable {
		t.Fatalf("%+v", j)
	}
	hb := heartbeatRequest(b, 1)
	hb.InstanceID = str("b")
	if h := at[*kmsg.HeartbeatResponse](r, r.ask("c", hb)); h.ErrorCode != 0 {
		t.Fatalf("%+v", h)
	}
}

func TestAdminRemovesStaticMember(t *testing.T) {
	r := newRig(t)
	_, b := r.staticGroup()
	req := leaveRequest()
	for _, instance := range []string{"a", "nobody"} {
		m := kmsg.NewLeaveGroupRequestMember()
		m.InstanceID = str(instance)
		req.Members = append(req.Members, m)
	}
	wrong := kmsg.NewLeaveGroupRequestMember()
	wrong.MemberID, wrong.InstanceID = "old-b", str("b")
	req.Members = append(req.Members, wrong)
	l := at[*kmsg.LeaveGroupResponse](r, r.ask("admin", req))
	want := []kerror.Code{kerror.None, kerror.UnknownMemberID, kerror.FencedInstanceID}
	for i, m := range l.Members {
		if kerror.Code(m.ErrorCode) != want[i] {
			t.Errorf("member %d: %v, want %v", i, kerror.Code(m.ErrorCode), want[i])
		}
	}
	r.inState(preparing)
	if len(r.m.members) != 1 || r.m.members[0].id != b {
		t.Fatal("the wrong member was removed")
	}
}

func TestUnknownAndFencedStaticJoin(t *testing.T) {
	r := newRig(t)
	r.staticGroup()
	if j := at[*kmsg.JoinGroupResponse](r, r.ask("c", staticJoin(9, "c", "stranger"))); kerror.Code(j.ErrorCode) != kerror.UnknownMemberID {
		t.Errorf("%+v", j)
	}
	if j := at[*kmsg.JoinGroupResponse](r, r.ask("c", staticJoin(9, "a", "stranger"))); kerror.Code(j.ErrorCode) != kerror.FencedInstanceID {
		t.Errorf("%+v", j)
	}
}
