package group

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors/message"
	"chronik/protocol/kerror"
)

// rig drives one machine without actors: it carries out its appends and barriers, at once or when told to.
type rig struct {
	t       *testing.T
	m       *machine
	limits  limits
	now     time.Time
	log     []record // what was appended, in order
	batches int
	tokens  uint64
	replies map[uint64]kmsg.Response

	holdAppends, holdBarriers bool
	held                      []record
	barrier                   uint64
	fails                     kerror.Code // the outcome of appends
	ids                       int
}

var start = time.UnixMilli(1_700_000_000_000)

func newRig(t *testing.T) *rig {
	r := &rig{t: t, now: start, replies: map[uint64]kmsg.Response{}, limits: limits{
		initialDelay: 3 * time.Second, retention: 7 * 24 * time.Hour, retentionCheck: 10 * time.Minute, metadataMaxSize: 4096,
	}}
	r.m = r.machine()
	r.m.begin(r.now)
	return r
}

func (r *rig) machine() *machine {
	return newMachine("g", func() string { r.ids++; return fmt.Sprintf("id%d", r.ids) }, func() limits { return r.limits })
}

// restart replays what is in the log into a new machine; who waited is told.
func (r *rig) restart() {
	r.m.resign(kerror.NotCoordinator)
	r.collect()
	r.held, r.barrier = nil, 0
	r.m = r.replayed()
	r.m.restore(r.now)
	r.collect()
}

func (r *rig) replayed() *machine {
	m := r.machine()
	for _, rec := range r.log {
		f, err := decode(rec.key, rec.value)
		if err != nil {
			r.t.Fatal(err)
		}
		m.apply(f)
	}
	return m
}

// ask hands in a request and returns its token.
func (r *rig) ask(client string, req kmsg.Request) uint64 {
	r.tokens++
	r.m.handle(r.now, &call{GroupCall: message.GroupCall{ReplyTo: message.ReplyTo{Token: r.tokens}, Group: "g", ClientID: client, ClientHost: "/host", Request: req}})
	r.collect()
	return r.tokens
}

func (r *rig) collect() {
	for {
		out := r.m.drain()
		for _, a := range out.replies {
			if r.replies[a.to.Token] != nil {
				r.t.Fatalf("call %d was answered twice", a.to.Token)
			}
			r.replies[a.to.Token] = a.response
			// Every answer can be sent in its version.
			a.response.AppendTo(nil)
		}
		if len(out.append) > 0 {
			if r.held != nil {
				r.t.Fatal("two appends are undecided")
			}
			r.held = out.append
		}
		if out.barrier != 0 {
			r.barrier = out.barrier
		}
		switch {
		case r.held != nil && !r.holdAppends:
			r.decide(r.fails)
		case r.barrier != 0 && !r.holdBarriers:
			r.confirm(kerror.None)
		default:
			return
		}
	}
}

// decide ends the append under way.
func (r *rig) decide(code kerror.Code) {
	if r.held == nil {
		r.t.Fatal("nothing is being appended")
	}
	if code == kerror.None {
		r.log = append(r.log, r.held...)
		r.batches++
	}
	r.held = nil
	r.m.appended(r.now, code)
	r.collect()
}

func (r *rig) confirm(code kerror.Code) {
	n := r.barrier
	r.barrier = 0
	r.m.barrierPassed(r.now, n, code)
	r.collect()
}

// wait lets time pass, stopping at every deadline as the actor's timer does.
func (r *rig) wait(d time.Duration) {
	end := r.now.Add(d)
	for !r.m.soonest.IsZero() && !r.m.soonest.After(end) {
		if r.m.soonest.After(r.now) {
			r.now = r.m.soonest
		}
		r.m.tick(r.now)
		r.collect()
	}
	r.now = end
}

// at returns the answer to a call, which must be there.
func at[R kmsg.Response](r *rig, token uint64) R {
	r.t.Helper()
	a, ok := r.replies[token].(R)
	if !ok {
		r.t.Fatalf("call %d: no answer of type %T but %T", token, a, r.replies[token])
	}
	return a
}

func (r *rig) waiting(token uint64) {
	r.t.Helper()
	if a := r.replies[token]; a != nil {
		r.t.Fatalf("call %d was answered already: %+v", token, a)
	}
}

func (r *rig) inState(s state) {
	r.t.Helper()
	if r.m.state != s {
		r.t.Fatalf("the group is in %v, not in %v", r.m.state, s)
	}
}

// joinRequest is a JoinGroup of a consumer that subscribes to topic "t" with protocols in order of preference.
func joinRequest(version int16, id string, protocols ...string) *kmsg.JoinGroupRequest {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Version, req.Group, req.MemberID, req.ProtocolType = version, "g", id, "consumer"
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 10_000, 60_000
	if len(protocols) == 0 {
		protocols = []string{"range"}
	}
	for _, name := range protocols {
		p := kmsg.NewJoinGroupRequestProtocol()
		p.Name, p.Metadata = name, subscription("t")
		req.Protocols = append(req.Protocols, p)
	}
	return req
}

func staticJoin(version int16, instance, id string, protocols ...string) *kmsg.JoinGroupRequest {
	req := joinRequest(version, id, protocols...)
	req.InstanceID = &instance
	return req
}

func subscription(topics ...string) []byte {
	s := kmsg.NewConsumerMemberMetadata()
	s.Version, s.Topics = 1, topics
	return s.AppendTo(nil)
}

func syncRequest(id string, generation int32, assignments ...string) *kmsg.SyncGroupRequest {
	req := kmsg.NewPtrSyncGroupRequest()
	req.Version, req.Group, req.MemberID, req.Generation = 5, "g", id, generation
	req.ProtocolType, req.Protocol = str("consumer"), str("range")
	for i := 0; i < len(assignments); i += 2 {
		a := kmsg.NewSyncGroupRequestGroupAssignment()
		a.MemberID, a.MemberAssignment = assignments[i], []byte(assignments[i+1])
		req.GroupAssignment = append(req.GroupAssignment, a)
	}
	return req
}

func heartbeatRequest(id string, generation int32) *kmsg.HeartbeatRequest {
	req := kmsg.NewPtrHeartbeatRequest()
	req.Version, req.Group, req.MemberID, req.Generation = 4, "g", id, generation
	return req
}

func leaveRequest(ids ...string) *kmsg.LeaveGroupRequest {
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Version, req.Group = 5, "g"
	for _, id := range ids {
		m := kmsg.NewLeaveGroupRequestMember()
		m.MemberID = id
		req.Members = append(req.Members, m)
	}
	return req
}

func commitRequest(id string, generation int32, topic string, partition int32, offset int64) *kmsg.OffsetCommitRequest {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version, req.Group, req.MemberID, req.Generation = 8, "g", id, generation
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	p.Partition, p.Offset, p.LeaderEpoch, p.Metadata = partition, offset, 1, str("m")
	t := kmsg.NewOffsetCommitRequestTopic()
	t.Topic, t.Partitions = topic, append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return req
}

func fetchRequest(topics ...string) *kmsg.OffsetFetchRequest {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Version = 9
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = "g"
	for _, name := range topics {
		t := kmsg.NewOffsetFetchRequestGroupTopic()
		t.Topic, t.Partitions = name, []int32{0, 1}
		g.Topics = append(g.Topics, t)
	}
	req.Groups = append(req.Groups, g)
	return req
}

// offset is what OffsetFetch says of one partition.
func (r *rig) offset(topic string, partition int32) int64 {
	r.t.Helper()
	a := at[*kmsg.OffsetFetchResponse](r, r.ask("admin", fetchRequest(topic)))
	return a.Groups[0].Topics[0].Partitions[partition].Offset
}

func (r *rig) commitCode(req *kmsg.OffsetCommitRequest) kerror.Code {
	r.t.Helper()
	a := at[*kmsg.OffsetCommitResponse](r, r.ask("c", req))
	return kerror.Code(a.Topics[0].Partitions[0].ErrorCode)
}

func (r *rig) heartbeatCode(id string, generation int32) kerror.Code {
	r.t.Helper()
	return kerror.Code(at[*kmsg.HeartbeatResponse](r, r.ask("c", heartbeatRequest(id, generation))).ErrorCode)
}

// newcomer asks for a member id and joins with it; the join is parked.
func (r *rig) newcomer(protocols ...string) (id string, join uint64) {
	r.t.Helper()
	a := at[*kmsg.JoinGroupResponse](r, r.ask("c", joinRequest(9, "", protocols...)))
	if kerror.Code(a.ErrorCode) != kerror.MemberIDRequired || a.MemberID == "" {
		r.t.Fatalf("a new member got %+v", a)
	}
	return a.MemberID, r.ask("c", joinRequest(9, a.MemberID, protocols...))
}

// joined waits for the generation to begin and returns what a join was answered.
func (r *rig) joined(token uint64) *kmsg.JoinGroupResponse {
	r.t.Helper()
	a := at[*kmsg.JoinGroupResponse](r, token)
	if a.ErrorCode != 0 {
		r.t.Fatalf("join: %v", kerror.Code(a.ErrorCode))
	}
	return a
}

// stableGroup makes a group of n members that have their assignments; ids[0] leads. It returns the generation.
func (r *rig) stableGroup(n int, protocols ...string) (ids []string, generation int32) {
	r.t.Helper()
	var joins []uint64
	for range n {
		id, j := r.newcomer(protocols...)
		ids, joins = append(ids, id), append(joins, j)
	}
	r.wait(2 * r.limits.initialDelay)
	var assignments []string
	for _, id := range ids {
		assignments = append(assignments, id, "to "+id)
	}
	generation = r.joined(joins[0]).Generation
	var syncs []uint64
	for i := n - 1; i >= 0; i-- {
		if r.joined(joins[i]).LeaderID != ids[0] {
			r.t.Fatal("the first member does not lead")
		}
		if i > 0 {
			syncs = append(syncs, r.ask("c", syncRequest(ids[i], generation)))
		} else {
			syncs = append(syncs, r.ask("c", syncRequest(ids[i], generation, assignments...)))
		}
	}
	for i, s := range syncs {
		if a := at[*kmsg.SyncGroupResponse](r, s); a.ErrorCode != 0 || string(a.MemberAssignment) != "to "+ids[n-1-i] {
			r.t.Fatalf("sync: %+v", a)
		}
	}
	r.inState(stable)
	return ids, generation
}
