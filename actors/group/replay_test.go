package group

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/protocol/kerror"
)

// same compares the persistent state of two machines.
func same(t *testing.T, a, b *machine) {
	t.Helper()
	// As bytes: nil and empty slices are the same on disk.
	bytesOf := func(m *machine) string {
		if m.stored == nil {
			return "none"
		}
		return fmt.Sprintf("%x", groupRecord("g", m.stored).value)
	}
	if !reflect.DeepEqual(a.offsets, b.offsets) || bytesOf(a) != bytesOf(b) || a.size != b.size {
		t.Fatalf("persistent states differ:\n%+v %s %d\n%+v %s %d", a.offsets, bytesOf(a), a.size, b.offsets, bytesOf(b), b.size)
	}
}

func TestRestartInStableGroup(t *testing.T) {
	r := newRig(t)
	ids, g := r.stableGroup(3)
	r.ask("c", commitRequest(ids[0], g, "t", 0, 7))
	r.restart()
	r.inState(stable)
	for _, id := range ids {
		if code := r.heartbeatCode(id, g); code != kerror.None {
			t.Fatal(code)
		}
		if s := at[*kmsg.SyncGroupResponse](r, r.ask("c", syncRequest(id, g))); string(s.MemberAssignment) != "to "+id {
			t.Fatalf("%+v", s)
		}
	}
	if code := r.commitCode(commitRequest(ids[1], g, "t", 1, 8)); code != kerror.None || r.offset("t", 0) != 7 || r.offset("t", 1) != 8 {
		t.Fatal(code)
	}
	// Those who do not show up are missed after their session timeout.
	r.wait(9 * time.Second)
	r.heartbeatCode(ids[0], g)
	r.wait(2 * time.Second)
	r.inState(preparing)
	if j := r.joined(r.ask("c", joinRequest(9, ids[0]))); j.Generation != g+1 {
		t.Fatalf("%+v", j)
	}
}

// A rebalance that was under way is lost with the coordinator: members find the last stored generation and join again.
func TestRestartDuringRebalance(t *testing.T) {
	r := newRig(t)
	ids, g := r.stableGroup(2)
	join := r.ask("c", joinRequest(9, ids[0]))
	r.restart()
	if j := at[*kmsg.JoinGroupResponse](r, join); kerror.Code(j.ErrorCode) != kerror.NotCoordinator {
		t.Fatalf("%+v", j)
	}
	r.inState(stable)
	a, b := r.ask("c", joinRequest(9, ids[0])), r.ask("c", joinRequest(9, ids[1]))
	if r.joined(a).Generation != g+1 || r.joined(b).Generation != g+1 {
		t.Fatalf("%+v", r.joined(a))
	}
}

func TestAssignmentIsNotGivenOutBeforeItIsStored(t *testing.T) {
	r := newRig(t)
	r.limits.initialDelay = 0
	r.holdAppends = true
	join := r.ask("c", joinRequest(3, ""))
	id := r.joined(join).MemberID
	sync := r.ask("c", syncRequest(id, 1, id, "x"))
	r.waiting(sync)
	r.inState(completing)
	r.decide(kerror.NotEnoughReplicas)
	if s := at[*kmsg.SyncGroupResponse](r, sync); kerror.Code(s.ErrorCode) != kerror.CoordinatorNotAvailable || len(s.MemberAssignment) != 0 {
		t.Fatalf("%+v", s)
	}
	r.inState(preparing)
	if r.m.stored != nil {
		t.Fatal("what was refused counts as stored")
	}
	join = r.ask("c", joinRequest(3, id))
	if j := r.joined(join); j.Generation != 2 {
		t.Fatalf("%+v", j)
	}
}

// An assignment whose generation is over when it becomes durable is given to nobody.
func TestAssignmentOfAPastGeneration(t *testing.T) {
	r := newRig(t)
	ids, g := r.stableGroup(2)
	a, b := r.ask("c", joinRequest(9, ids[0])), r.ask("c", joinRequest(9, ids[1]))
	r.joined(a)
	r.joined(b)
	r.holdAppends = true
	sync := r.ask("c", syncRequest(ids[0], g+1, ids[0], "new", ids[1], "new"))
	a = r.ask("c", joinRequest(9, ids[0], "range", "sticky"))
	if s := at[*kmsg.SyncGroupResponse](r, sync); kerror.Code(s.ErrorCode) != kerror.RebalanceInProgress {
		t.Fatalf("%+v", s)
	}
	r.decide(kerror.None)
	r.inState(preparing)
	r.ask("c", joinRequest(9, ids[1]))
	if j := r.joined(a); j.Generation != g+2 {
		t.Fatalf("%+v", j)
	}
}

// Whatever clients do and however appends end, replaying the log gives the persistent state; generations never decrease;
// one generation never has two assignments; every call is answered once.
func TestRandomHistories(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		r := newRig(t)
		h := &history{rig: r, rnd: rnd, given: map[string]string{}}
		for range 300 {
			h.step()
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
		if r.held != nil {
			r.decide(kerror.None)
		}
		same(t, r.m, r.replayed())
	}
}

// history acts as a few clients that use ids they were given, and some they were not.
type history struct {
	*rig
	rnd    *rand.Rand
	ids    []string
	last   int32             // highest generation seen
	given  map[string]string // generation and member -> assignment
	seen   uint64
	rounds int
}

func (h *history) id() string {
	if len(h.ids) == 0 || h.rnd.IntN(10) == 0 {
		return "stranger"
	}
	return h.ids[len(h.ids)-1-h.rnd.IntN(min(4, len(h.ids)))]
}

func (h *history) step() {
	r := h.rig
	r.holdAppends = h.rnd.IntN(4) == 0
	if r.held != nil && (!r.holdAppends || h.rnd.IntN(2) == 0) {
		r.decide([]kerror.Code{kerror.None, kerror.None, kerror.None, kerror.NotEnoughReplicas}[h.rnd.IntN(4)])
	}
	if r.m.state == dead {
		if r.held != nil {
			r.decide(kerror.None)
		}
		r.m = r.replayed()
		r.m.restore(r.now)
	}
	generation := r.m.generation
	if h.rnd.IntN(12) == 0 {
		generation--
	}
	switch h.rnd.IntN(14) {
	case 0, 1:
		r.ask("c", joinRequest(int16(h.rnd.IntN(10)), ""))
	case 2, 3, 4:
		r.ask("c", joinRequest(int16(h.rnd.IntN(10)), h.id()))
	case 5:
		r.ask("c", staticJoin(int16(5+h.rnd.IntN(5)), []string{"a", "b"}[h.rnd.IntN(2)], ""))
	case 6, 7:
		id := h.id()
		h.rounds++
		r.ask("c", syncRequest(id, generation, id, fmt.Sprint("round ", h.rounds), h.id(), fmt.Sprint("round ", h.rounds)))
	case 8:
		r.ask("c", heartbeatRequest(h.id(), generation))
	case 9:
		r.ask("c", commitRequest(h.id(), generation, "t", int32(h.rnd.IntN(3)), h.rnd.Int64N(100)))
	case 10:
		r.ask("c", commitRequest("", -1, "u", int32(h.rnd.IntN(3)), h.rnd.Int64N(100)))
	case 11:
		r.ask("c", []kmsg.Request{leaveRequest(h.id()), deleteRequest("t", "u"), deleteGroupRequest(), fetchRequest("t")}[h.rnd.IntN(4)])
	case 12:
		r.wait([]time.Duration{time.Millisecond, time.Second, 4 * time.Second, 30 * time.Second, 12 * time.Minute}[h.rnd.IntN(5)])
	case 13:
		if h.rnd.IntN(3) == 0 {
			if r.held != nil {
				r.decide(kerror.None)
			}
			r.restart()
			h.last = r.m.generation // what was never stored may be counted again
			h.given = map[string]string{}
		}
	}
	h.check()
}

func (h *history) check() {
	if h.m.generation < h.last && h.m.stored != nil && h.m.state != dead {
		h.t.Fatalf("generation %d after %d", h.m.generation, h.last)
	}
	h.last = h.m.generation
	if n := len(h.m.members); n > 0 && (h.m.state == empty || h.m.state == dead) || n == 0 && (h.m.state == completing || h.m.state == stable) {
		h.t.Fatalf("%d members in %v", n, h.m.state)
	}
	for ; h.seen < h.tokens; h.seen++ {
		switch a := h.replies[h.seen+1].(type) {
		case *kmsg.JoinGroupResponse:
			if a.MemberID != "" {
				h.ids = append(h.ids, a.MemberID)
			}
		case *kmsg.SyncGroupResponse:
			if a.ErrorCode == 0 && (h.m.stored == nil || h.m.stored.Generation != h.m.generation) && h.m.state == stable {
				h.t.Fatal("an assignment was given out that is not stored")
			}
		}
	}
	for _, m := range h.m.members {
		if h.m.byID[m.id] != m || m.static() && h.m.static[*m.instance] != m.id {
			h.t.Fatalf("the indexes of members are wrong: %+v", m)
		}
	}
	if len(h.m.byID) != len(h.m.members) {
		h.t.Fatal("a member that is gone is still indexed")
	}
}
