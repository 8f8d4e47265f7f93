package group

import (
	"time"

	"chronik/protocol/kerror"
)

// answerWithin is how long a call may wait for the log before it is answered COORDINATOR_NOT_AVAILABLE; the outcome of
// what it wrote is then unknown to the client (Kafka's offsets.commit.timeout.ms).
const answerWithin = 5 * time.Second

// overdue does everything whose time has come and finds the next deadline.
func (g *machine) overdue() {
	for rounds := 0; !g.soonest.IsZero() && !g.soonest.After(g.now); rounds++ {
		if rounds > 8 {
			panic("BUG: the deadlines of group " + g.id + " do not settle")
		}
		g.missMembers()
		if reached(g.joinTimer.at, g.now) {
			g.joinTimeUp()
		}
		if reached(g.syncDeadline, g.now) {
			g.syncTimeUp()
		}
		g.answerLate()
		if reached(g.expiryAt, g.now) {
			g.expiryAt = g.now.Add(g.limits().retentionCheck)
			g.expireOffsets()
		}
		g.soonest = g.next()
	}
}

func reached(t, now time.Time) bool { return !t.IsZero() && !t.After(now) }

// next is the earliest deadline of all, zero when there is none.
func (g *machine) next() time.Time {
	var soonest time.Time
	take := func(t time.Time) {
		if !t.IsZero() && (soonest.IsZero() || t.Before(soonest)) {
			soonest = t
		}
	}
	for _, m := range g.members {
		if !m.waiting() {
			take(m.deadline)
		}
	}
	for _, t := range g.pending {
		take(t)
	}
	for _, c := range g.parked {
		if !c.answered {
			take(c.late)
		}
	}
	take(g.joinTimer.at)
	take(g.syncDeadline)
	take(g.expiryAt)
	return soonest
}

// missMembers removes members and member ids that have given no sign of life in time.
func (g *machine) missMembers() {
	missed := false
	for _, m := range append([]*member(nil), g.members...) {
		if reached(m.deadline, g.now) && !m.waiting() {
			g.expel(m)
			missed = true
		}
	}
	for id, t := range g.pending {
		if reached(t, g.now) {
			delete(g.pending, id)
			missed = true
		}
	}
	if missed {
		g.afterRemoval()
	}
}

// syncTimeUp removes those who know the generation and never asked for their assignment; a leader that never brings one
// is among them, so that it cannot hold up the group.
func (g *machine) syncTimeUp() {
	g.syncDeadline = time.Time{}
	if g.state != completing && g.state != stable || len(g.unsynced) == 0 {
		return
	}
	for _, m := range append([]*member(nil), g.members...) {
		if g.unsynced[m.id] {
			g.expel(m)
		}
	}
	g.rebalance()
}

// park gives a call a deadline of its own.
func (g *machine) park(c *call) {
	if c.answered || !c.late.IsZero() {
		return
	}
	c.late = g.now.Add(answerWithin)
	g.parked = append(g.parked, c)
	g.due(c.late)
}

// answerLate answers parked calls whose deadline has come. Writes that are still waiting for their turn are given up;
// the one that is being appended goes on.
func (g *machine) answerLate() {
	kept := g.parked[:0]
	for _, c := range g.parked {
		if !c.answered && reached(c.late, g.now) {
			g.reply(c, refuse(c.Request, kerror.CoordinatorNotAvailable))
		}
		if !c.answered {
			kept = append(kept, c)
		}
	}
	clear(g.parked[len(kept):])
	g.parked = kept
	g.reads, g.confirmed = unanswered(g.reads), unanswered(g.confirmed)
}

func unanswered(calls []*call) []*call {
	var kept []*call
	for _, c := range calls {
		if !c.answered {
			kept = append(kept, c)
		}
	}
	return kept
}
