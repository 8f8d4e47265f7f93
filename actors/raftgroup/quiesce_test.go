package raftgroup_test

import (
	"testing"

	"chronik/actors/message"
	"chronik/wal"
)

// rest makes a group of three quiet, and lets it come to rest.
func rest(t *testing.T) (*world, *site) {
	w := newWorld(t, 3, first)
	a := w.lead()
	for _, s := range w.sites {
		s.owner.calm = true
	}
	a.send(&propose{"a"})
	for range 40 {
		w.stabilize()
		w.tick(1)
	}
	w.stabilize()
	for _, s := range w.sites {
		if !s.owner.g.Quiesced() {
			t.Fatalf("replica %d still ticks", s.id)
		}
		s.owner.events = nil
	}
	return w, a
}

// TestQuiesced: nothing is sent by a group at rest however much time passes; a proposal wakes everybody.
func TestQuiesced(t *testing.T) {
	w, a := rest(t)
	for range 100 {
		w.tick(1)
	}
	for _, s := range w.sites {
		for to, sent := range s.sent {
			if len(sent) > 0 {
				t.Errorf("replica %d sent %v to %d", s.id, s.types(to), to)
			}
		}
		s.owner.saw(t)
	}
	a.send(&propose{"b"})
	w.stabilize()
	w.tick(1)
	w.stabilize()
	for _, s := range w.sites {
		if s.owner.g.Quiesced() || s.owner.g.Applied() != 3 || s.owner.events[0] != "woken" {
			t.Errorf("replica %d: at rest %v, applied %d, saw %q", s.id, s.owner.g.Quiesced(), s.owner.g.Applied(), s.owner.events)
		}
	}
}

// TestQuiescedLeaderDies: the end of its link wakes the others, and they elect.
func TestQuiescedLeaderDies(t *testing.T) {
	w, a := rest(t)
	a.node.Runtime.System.Root.Poison(a.pid)
	w.settle()
	w.sites = w.sites[1:]
	for _, s := range w.sites {
		s.sent[1] = nil
		s.send(&message.PeerChanged{Replica: 1})
	}
	for range 40 {
		for _, s := range w.sites {
			s.done(9)
			s.sent[1] = nil
			ms := s.sent[5-s.id]
			s.sent[5-s.id] = nil
			for _, m := range ms {
				w.sites[1-(int(s.id)-2)].send(m)
			}
			s.send(&message.Tick{N: 1})
		}
	}
	if !w.sites[0].owner.g.Leading() && !w.sites[1].owner.g.Leading() {
		t.Error("nobody leads")
	}
}

// TestNoRest: a group does not come to rest while something is missing.
func TestNoRest(t *testing.T) {
	for name, disturb := range map[string]func(w *world, a *site){
		"the owner wants ticks": func(w *world, a *site) { a.owner.calm = false },
		"a follower is behind": func(w *world, a *site) {
			a.sent[3] = nil
			w.sites[2].alone[1] = true
			a.send(&propose{"b"})
			a.sent[3] = nil
		},
		"no majority can be reached": func(w *world, a *site) { a.alone[2], a.alone[3] = true, true },
	} {
		w := newWorld(t, 3, first)
		a := w.lead()
		for _, s := range w.sites {
			s.owner.calm = true
		}
		disturb(w, a)
		for range 60 {
			a.sent[3] = nil
			w.stabilize()
			w.tick(1)
		}
		if a.owner.g.Quiesced() {
			t.Errorf("%s: the leader is at rest", name)
		}
	}
}

// TestFollowerThatDoesNotRest: it has not what the leader thinks, and goes on ticking; its pre-vote wakes the leader.
func TestFollowerThatDoesNotRest(t *testing.T) {
	w, a := rest(t)
	c := w.sites[2]
	c.send(&message.LinkDropped{Peer: 2}) // something of its own woke it
	if c.owner.g.Quiesced() {
		t.Fatal("nothing woke it")
	}
	term := a.owner.g.Role().Term
	for range 60 {
		w.stabilize()
		w.tick(1)
	}
	w.stabilize()
	for _, s := range w.sites {
		if !s.owner.g.Quiesced() || s.owner.g.Role().Term != term || s.owner.g.Role().Leader != wal.ReplicaID(1) {
			t.Errorf("replica %d: at rest %v, %+v", s.id, s.owner.g.Quiesced(), s.owner.g.Role())
		}
	}
}
