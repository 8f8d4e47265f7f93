package group

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/protocol/kerror"
)

const parked = kerror.Code(-1000) // not an error: the call waits

// The table of doc.go, cell by cell: in each state, what each message is answered and which state follows. The group has
// members 0 (leads) and 1 where the state has members at all.
func TestStateByMessage(t *testing.T) {
	type outcome struct {
		code kerror.Code
		next state
	}
	states := []state{empty, preparing, completing, stable, dead}
	rows := map[string]struct {
		ask  func(ids []string, g int32) kmsg.Request
		want map[state]outcome
	}{
		"join, new": {func([]string, int32) kmsg.Request { return joinRequest(3, "") }, map[state]outcome{
			empty: {parked, preparing}, preparing: {parked, preparing}, completing: {parked, preparing}, stable: {parked, preparing}, dead: {kerror.CoordinatorNotAvailable, dead}}},
		"join, known follower": {func(ids []string, _ int32) kmsg.Request { return joinRequest(9, ids[1]) }, map[state]outcome{
			empty: {kerror.UnknownMemberID, empty}, preparing: {kerror.None, completing}, completing: {kerror.None, completing}, stable: {kerror.None, stable}, dead: {kerror.CoordinatorNotAvailable, dead}}},
		"join, known leader": {func(ids []string, _ int32) kmsg.Request { return joinRequest(9, ids[0]) }, map[state]outcome{
			empty: {kerror.UnknownMemberID, empty}, completing: {kerror.None, completing}, stable: {parked, preparing}, dead: {kerror.CoordinatorNotAvailable, dead}}},
		"join, changed": {func(ids []string, _ int32) kmsg.Request { return joinRequest(9, ids[1], "range", "sticky") }, map[state]outcome{
			completing: {parked, preparing}, stable: {parked, preparing}}},
		"join, static": {func([]string, int32) kmsg.Request { return staticJoin(9, "inst", "") }, map[state]outcome{
			empty: {parked, preparing}, preparing: {parked, preparing}, completing: {parked, preparing}, stable: {parked, preparing}, dead: {kerror.CoordinatorNotAvailable, dead}}},
		"sync of a follower": {func(ids []string, g int32) kmsg.Request { return syncRequest(ids[1], g) }, map[state]outcome{
			empty: {kerror.UnknownMemberID, empty}, preparing: {kerror.RebalanceInProgress, preparing}, completing: {parked, completing}, stable: {kerror.None, stable}, dead: {kerror.CoordinatorNotAvailable, dead}}},
		"sync of the leader": {func(ids []string, g int32) kmsg.Request { return syncRequest(ids[0], g) }, map[state]outcome{
			completing: {kerror.None, stable}, stable: {kerror.None, stable}}},
		"heartbeat": {func(ids []string, g int32) kmsg.Request { return heartbeatRequest(ids[1], g) }, map[state]outcome{
			empty: {kerror.UnknownMemberID, empty}, preparing: {kerror.RebalanceInProgress, preparing}, completing: {kerror.None, completing}, stable: {kerror.None, stable}, dead: {kerror.CoordinatorNotAvailable, dead}}},
		"leave": {func(ids []string, _ int32) kmsg.Request { return leaveRequest(ids[1]) }, map[state]outcome{
			empty: {kerror.UnknownMemberID, empty}, preparing: {kerror.None, completing}, completing: {kerror.None, preparing}, stable: {kerror.None, preparing}, dead: {kerror.CoordinatorNotAvailable, dead}}},
		"commit": {func(ids []string, g int32) kmsg.Request { return commitRequest(ids[1], g, "t", 0, 1) }, map[state]outcome{
			empty: {kerror.UnknownMemberID, empty}, preparing: {kerror.None, preparing}, completing: {kerror.RebalanceInProgress, completing}, stable: {kerror.None, stable}, dead: {kerror.CoordinatorNotAvailable, dead}}},
		"commit of nobody": {func([]string, int32) kmsg.Request { return commitRequest("", -1, "t", 0, 1) }, map[state]outcome{
			empty: {kerror.None, empty}, preparing: {kerror.UnknownMemberID, preparing}, completing: {kerror.UnknownMemberID, completing}, stable: {kerror.UnknownMemberID, stable}, dead: {kerror.CoordinatorNotAvailable, dead}}},
		"delete": {func([]string, int32) kmsg.Request { return deleteGroupRequest() }, map[state]outcome{
			empty: {kerror.None, dead}, preparing: {kerror.NonEmptyGroup, preparing}, completing: {kerror.NonEmptyGroup, completing}, stable: {kerror.NonEmptyGroup, stable}, dead: {kerror.GroupIDNotFound, dead}}},
	}
	for name, row := range rows {
		for _, s := range states {
			want, ok := row.want[s]
			if !ok {
				continue
			}
			t.Run(fmt.Sprint(name, " in ", s), func(t *testing.T) {
				r := newRig(t)
				ids, g := r.inStateWithMembers(s)
				token := r.ask("c", row.ask(ids, g))
				got := parked
				if a := r.replies[token]; a != nil {
					got = codeOf(t, a)
				}
				if got != want.code || r.m.state != want.next {
					t.Errorf("%v, then %v; want %v, then %v", got, r.m.state, want.code, want.next)
				}
			})
		}
	}
}

// inStateWithMembers brings a group of two into a state; in Preparing, the leader has joined already.
func (r *rig) inStateWithMembers(s state) ([]string, int32) {
	r.t.Helper()
	ids, g := r.stableGroup(2)
	switch s {
	case preparing:
		r.ask("c", joinRequest(9, ids[0]))
	case completing:
		r.ask("c", joinRequest(9, ids[0]))
		r.ask("c", joinRequest(9, ids[1]))
		g++
	case empty, dead:
		r.ask("c", leaveRequest(ids...))
		g++
		if s == dead {
			r.deleteCode()
		}
	}
	r.inState(s)
	return ids, g
}

func codeOf(t *testing.T, a kmsg.Response) kerror.Code {
	t.Helper()
	switch a := a.(type) {
	case *kmsg.JoinGroupResponse:
		return kerror.Code(a.ErrorCode)
	case *kmsg.SyncGroupResponse:
		return kerror.Code(a.ErrorCode)
	case *kmsg.HeartbeatResponse:
		return kerror.Code(a.ErrorCode)
	case *kmsg.LeaveGroupResponse:
		if a.ErrorCode == 0 {
			return kerror.Code(a.Members[0].ErrorCode)
		}
		return kerror.Code(a.ErrorCode)
	case *kmsg.OffsetCommitResponse:
		return kerror.Code(a.Topics[0].Partitions[0].ErrorCode)
	case *kmsg.DeleteGroupsResponse:
		return kerror.Code(a.Groups[0].ErrorCode)
	}
	t.Fatalf("no code in %T", a)
	return 0
}

func TestIllegalChangesOfState(t *testing.T) {
	legal := map[[2]state]bool{{empty, preparing}: true, {empty, dead}: true, {preparing, completing}: true, {preparing, empty}: true,
		{completing, preparing}: true, {completing, stable}: true, {stable, preparing}: true}
	for from := empty; from <= dead; from++ {
		for to := empty; to <= dead; to++ {
			if to.mayFollow(from) != legal[[2]state{from, to}] {
				t.Errorf("%v to %v: %v", from, to, to.mayFollow(from))
			}
		}
	}
}

func TestDescribe(t *testing.T) {
	describe := func(r *rig, version int16) kmsg.DescribeGroupsResponseGroup {
		req := kmsg.NewPtrDescribeGroupsRequest()
		req.Version, req.Groups = version, []string{"g"}
		return at[*kmsg.DescribeGroupsResponse](r, r.ask("admin", req)).Groups[0]
	}
	r := newRig(t)
	if d := describe(r, 5); d.State != "Dead" || d.ErrorCode != 0 {
		t.Errorf("%+v", d)
	}
	if d := describe(r, 6); d.State != "Dead" || kerror.Code(d.ErrorCode) != kerror.GroupIDNotFound || *d.ErrorMessage != "Group g not found." {
		t.Errorf("%+v", d)
	}
	for _, s := range []state{empty, preparing, completing, stable} {
		r := newRig(t)
		ids, _ := r.inStateWithMembers(s)
		d := describe(r, 6)
		if d.State != s.String() || d.ProtocolType != "consumer" || (d.Protocol == "range") != (s == stable) || (len(d.Members) == 2) != (s != empty) {
			t.Errorf("%v: %+v", s, d)
		}
		if s == stable && (string(d.Members[1].MemberAssignment) != "to "+ids[1] || len(d.Members[1].ProtocolMetadata) == 0 || d.Members[1].ClientHost != "/host") {
			t.Errorf("%+v", d.Members[1])
		}
		if s == completing && len(d.Members[0].ProtocolMetadata)+len(d.Members[0].MemberAssignment) != 0 {
			t.Errorf("%+v", d.Members[0])
		}
	}
}

// A machine in which nothing happens has a next deadline that lies ahead: no busy timer.
func TestDeadlinesLieAhead(t *testing.T) {
	for _, s := range []state{empty, preparing, completing, stable} {
		r := newRig(t)
		r.inStateWithMembers(s)
		for range 100 {
			if r.m.soonest.IsZero() {
				break
			}
			if !r.m.soonest.After(r.now) {
				t.Fatalf("%v: the next deadline %v is not after %v", s, r.m.soonest, r.now)
			}
			r.now = r.m.soonest
			r.m.tick(r.now)
			r.collect()
			if r.m.state == dead {
				break
			}
		}
	}
	_ = time.Second
}
