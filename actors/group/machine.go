package group

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors/message"
	"chronik/protocol/kerror"
)

// call is a request that waits for its answer. It is answered exactly once (machine.reply).
type call struct {
	message.GroupCall
	answered bool
	late     time.Time // when it is answered COORDINATOR_NOT_AVAILABLE at the latest; zero: it waits for other members
}

// limits are the broker settings that a group obeys, as of one input.
type limits struct {
	initialDelay    time.Duration // group.initial.rebalance.delay.ms
	maxSize         int           // group.max.size; 0: none
	retention       time.Duration // offsets.retention.minutes
	retentionCheck  time.Duration // offsets.retention.check.interval.ms
	metadataMaxSize int           // offset.metadata.max.bytes
}

// reply is an answer to be sent.
type reply struct {
	to       message.ReplyTo
	response kmsg.Response
}

// outbox is what an input asks the actor to do, in this order.
type outbox struct {
	append  []record // one batch; answered by machine.appended
	barrier uint64   // 0, or the number of a read barrier to ask for; answered by machine.barrierPassed
	replies []reply
}

// machine is one group. It is a value with a single owner; see doc.go.
type machine struct {
	id     string
	limits func() limits
	newID  func() string // unique part of a member id
	now    time.Time     // of the input being handled
	out    outbox

	// Persistent: only apply changes these.
	offsets offsetTable
	stored  *kmsg.GroupMetadataValue // last stored metadata; nil: a group of offsets only
	size    int                      // bytes of all records that a full rewrite would append

	// Soft.
	state        state
	previous     state
	since        time.Time // of the last change of state; zero when restored without one
	protocolType string
	protocol     *string
	generation   int32
	leader       string             // member id, "" without members
	members      []*member          // in order of arrival
	byID         map[string]*member // the same
	static       map[string]string  // group.instance.id -> member id
	pending      map[string]time.Time
	unsynced     map[string]bool // members that have not sent SyncGroup in this generation
	newcomers    bool            // somebody joined since the initial rebalance was last delayed
	subscribed   map[string]bool // topics of a consumer group's members; nil: not known
	joinTimer    joinTimer
	syncDeadline time.Time
	expiryAt     time.Time
	closing      bool // the tombstone of the group is being written

	queue     []*op
	inflight  []*op    // what the append under way is for
	writing   []record // what it writes
	barrier   uint64   // number of the newest read barrier
	reads     []*call  // wait for a barrier that is still to be asked for
	confirmed []*call  // wait for the barrier that is on its way
	parked    []*call  // everything that waits for the log, with its deadline
	soonest   time.Time
}

// newMachine returns a group that does not exist yet: Empty, generation 0, nothing stored.
func newMachine(id string, newID func() string, l func() limits) *machine {
	return &machine{
		id: id, limits: l, newID: newID,
		offsets: offsetTable{}, byID: map[string]*member{}, static: map[string]string{}, pending: map[string]time.Time{}, unsynced: map[string]bool{},
	}
}

// apply is the only mutator of persistent state: total, deterministic, the same on replay as after an append.
func (g *machine) apply(f fact) {
	switch {
	case f.Other:
	case f.IsGroup:
		if g.stored != nil {
			g.size -= groupRecord(g.id, g.stored).size()
		}
		if g.stored = f.Stored; f.Stored != nil {
			g.size += groupRecord(g.id, f.Stored).size()
		}
	default:
		if old, ok := g.offsets.get(f.Topic, f.Partition); ok {
			g.size -= offsetBytes(g.id, f.Topic, old)
		}
		if f.Offset == nil {
			g.offsets.remove(f.Topic, f.Partition)
			return
		}
		g.offsets.set(f.Topic, f.Partition, *f.Offset)
		g.size += offsetBytes(g.id, f.Topic, *f.Offset)
	}
}

// offsetBytes is about the size of an offset's record.
func offsetBytes(group, topic string, c committed) int {
	return 80 + len(group) + len(topic) + len(c.Metadata)
}

// vacant says that nothing of the group is stored and nobody is in it.
func (g *machine) vacant() bool {
	return g.state == empty && g.stored == nil && len(g.offsets) == 0 && len(g.members) == 0 && len(g.pending) == 0 &&
		len(g.queue) == 0 && len(g.inflight) == 0 && len(g.reads) == 0 && len(g.confirmed) == 0
}

// handle takes one request.
func (g *machine) handle(now time.Time, c *call) {
	g.now = now
	switch req := c.Request.(type) {
	case *kmsg.JoinGroupRequest:
		g.joinGroup(c, req)
	case *kmsg.SyncGroupRequest:
		g.syncGroup(c, req)
	case *kmsg.HeartbeatRequest:
		g.heartbeat(c, req)
	case *kmsg.LeaveGroupRequest:
		g.leaveGroup(c, req)
	case *kmsg.OffsetCommitRequest:
		g.commitOffsets(c, req)
	case *kmsg.OffsetFetchRequest:
		g.fetchOffsets(c, req)
	case *kmsg.OffsetDeleteRequest:
		g.deleteOffsets(c, req)
	case *kmsg.DescribeGroupsRequest:
		g.read(c)
	case *kmsg.DeleteGroupsRequest:
		g.deleteGroup(c)
	default:
		g.reply(c, refuse(c.Request, kerror.InvalidRequest))
	}
	g.settle()
}

// tick tells the group that time has passed.
func (g *machine) tick(now time.Time) {
	g.now = now
	g.settle()
}

// settle ends every input: what is due is done, what can be written is handed out.
func (g *machine) settle() {
	if !g.soonest.IsZero() && !g.soonest.After(g.now) {
		g.overdue()
	}
	g.decide()
	if len(g.reads) > 0 && len(g.confirmed) == 0 {
		g.confirmed, g.reads = g.reads, nil
		g.barrier++
		g.out.barrier = g.barrier
	}
}

// resign answers everything that is parked: this node coordinates the group no longer, or has to load it again.
func (g *machine) resign(code kerror.Code) {
	refused := func(c *call) {
		if c != nil {
			g.reply(c, refuse(c.Request, code))
		}
	}
	for _, m := range g.members {
		refused(m.join)
		refused(m.sync)
		m.join, m.sync = nil, nil
	}
	for _, ops := range [][]*op{g.inflight, g.queue} {
		for _, o := range ops {
			refused(o.call)
		}
	}
	for _, calls := range [][]*call{g.confirmed, g.reads} {
		for _, c := range calls {
			refused(c)
		}
	}
	g.queue, g.inflight, g.reads, g.confirmed, g.parked = nil, nil, nil, nil, nil
}

// reply answers a call once; a second answer is dropped, because the first may have been given at its deadline.
func (g *machine) reply(c *call, r kmsg.Response) {
	if c.answered {
		return
	}
	c.answered = true
	g.out.replies = append(g.out.replies, reply{to: c.ReplyTo, response: r})
}

// drain hands out what the last input asked for.
func (g *machine) drain() outbox {
	o := g.out
	g.out = outbox{}
	return o
}

// enter changes the state; an illegal change is a bug.
func (g *machine) enter(s state) {
	if !s.mayFollow(g.state) {
		panic("BUG: group " + g.id + " goes from " + g.state.String() + " to " + s.String())
	}
	g.previous, g.state, g.since = g.state, s, g.now
}

// due notes a deadline, so that the actor has itself woken.
func (g *machine) due(t time.Time) {
	if g.soonest.IsZero() || t.Before(g.soonest) {
		g.soonest = t
	}
}
