package raftnode

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"

	"github.com/cockroachdb/datadriven"
	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"

	"chronik/wal"
)

// TestScripts runs testdata/raft/*.txt; with -rewrite it stores the output. The commands:
//
//	cluster n=N            a new group of N replicas
//	campaign ID            stands for election (a pre-vote first)
//	tick ID n=N            Raft's clock
//	propose ID DATA…       all in one step
//	ready ID               carries out what the replica asks for; writes wait for sync
//	sync ID n=N            its N oldest writes become durable, and their answers leave
//	deliver [to=] [from=] [type=]; drop and repeat likewise: messages on their way
//	flying                 lists them
//	stabilize [ID…]        ready, sync and deliver until nothing is left
//	crash ID, restart ID   loses what was not synced
//	cut A B, heal          messages between two are lost, both ways
//	transfer ID to=, forget ID, read ID ctx=, unreachable ID peer=, compact ID index=
//	conf ID learner=N | voter=N | remove=N
//	forge ID type= from=   a message that a peer may not send
//	early ID               plants the bug: answers leave before the write
//	status [ID…]
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "../testdata/raft", func(t *testing.T, path string) {
		cryptotest.SetGlobalRandom(t, 1)
		var l *lab
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "cluster" {
				l = newLab(int(number(t, d, "n", 3)))
				return "ok"
			}
			run(t, l, d)
			out := l.told.String()
			l.told.Reset()
			if out == "" {
				out = "ok"
			}
			return out
		})
	})
}

func ids(t *testing.T, d *datadriven.TestData) (out []wal.ReplicaID) {
	for _, a := range d.CmdArgs {
		var id uint64
		if len(a.Vals) == 0 {
			if _, err := fmt.Sscan(a.Key, &id); err != nil {
				d.Fatalf(t, "%s is not a replica", a.Key)
			}
			out = append(out, wal.ReplicaID(id))
		}
	}
	return out
}

func number(t *testing.T, d *datadriven.TestData, name string, def uint64) uint64 {
	if d.HasArg(name) {
		d.ScanArgs(t, name, &def)
	}
	return def
}

func run(t *testing.T, l *lab, d *datadriven.TestData) {
	switch d.Cmd {
	case "stabilize":
		l.stabilize(ids(t, d)...)
	case "status":
		l.status(ids(t, d))
	case "deliver", "drop", "repeat", "flying":
		l.move(t, d)
	case "heal":
		clear(l.cut)
	case "cut":
		who := ids(t, d)
		l.cut[[2]uint64{uint64(who[0]), uint64(who[1])}], l.cut[[2]uint64{uint64(who[1]), uint64(who[0])}] = true, true
	case "propose":
		var id wal.ReplicaID
		_, _ = fmt.Sscan(d.CmdArgs[0].Key, &id)
		var data [][]byte
		for _, a := range d.CmdArgs[1:] {
			data = append(data, []byte(a.Key))
		}
		if err := l.peer(id).n.Propose(data); err != nil {
			l.tell("refused: %v", err)
		}
	default:
		l.one(t, d, l.peer(ids(t, d)[0]))
	}
}

// one runs a command that is for one replica.
func (l *lab) one(t *testing.T, d *datadriven.TestData, p *peer) {
	switch d.Cmd {
	case "campaign":
		p.n.Campaign()
	case "tick":
		for range number(t, d, "n", 1) {
			p.n.Tick()
		}
	case "ready":
		p.ready()
	case "sync":
		for range number(t, d, "n", 1) {
			p.sync()
		}
	case "crash":
		p.crash()
	case "restart":
		p.crash()
		p.start()
	case "transfer":
		p.n.TransferLeader(wal.ReplicaID(number(t, d, "to", 0)))
	case "forget":
		p.n.ForgetLeader()
	case "read":
		var ctx string
		d.ScanArgs(t, "ctx", &ctx)
		p.n.ReadIndex([]byte(ctx))
	case "unreachable":
		p.n.ReportUnreachable(wal.ReplicaID(number(t, d, "peer", 0)))
	case "compact":
		p.compact(wal.Index(number(t, d, "index", 0)))
	case "conf":
		p.change(t, d)
	case "forge":
		p.forge(t, d)
	case "early":
		p.early = true
	default:
		d.Fatalf(t, "unknown command %s", d.Cmd)
	}
}

// compact forgets entries in memory and on disk, as after they have moved to segments.
func (p *peer) compact(i wal.Index) {
	term, _ := p.n.TermAt(i)
	p.log = slices.Clone(p.log[i-p.base.Index:])
	p.base, p.conf = wal.Position{Index: i, Term: term}, p.n.Conf()
	p.n.Compact(i)
}

func (p *peer) change(t *testing.T, d *datadriven.TestData) {
	c := &pb.ConfChangeSingle{Type: pb.ConfChangeAddLearnerNode.Enum()}
	id := number(t, d, "learner", 0)
	if v := number(t, d, "voter", 0); v != 0 {
		id, c.Type = v, pb.ConfChangeAddNode.Enum()
	}
	if v := number(t, d, "remove", 0); v != 0 {
		id, c.Type = v, pb.ConfChangeRemoveNode.Enum()
	}
	c.NodeId = &id
	if err := p.n.ProposeConfChange(&pb.ConfChangeV2{Changes: []*pb.ConfChangeSingle{c}}); err != nil {
		p.lab.tell("refused: %v", err)
	}
}

func (p *peer) forge(t *testing.T, d *datadriven.TestData) {
	var kind string
	d.ScanArgs(t, "type", &kind)
	from, to := number(t, d, "from", 2), number(t, d, "to", uint64(p.id))
	switch number(t, d, "thread", 0) {
	case 1:
		from = raft.LocalAppendThread
	case 2:
		from = raft.LocalApplyThread
	}
	m := &pb.Message{Type: pb.MessageType(pb.MessageType_value[kind]).Enum(), From: &from, To: &to, Term: ptr(number(t, d, "term", 0)), Index: ptr(number(t, d, "index", 0))}
	if err := p.n.Step(m); err != nil {
		p.lab.tell("refused: %v", err)
	}
	p.ready()
}

// move delivers, drops or lists messages.
func (l *lab) move(t *testing.T, d *datadriven.TestData) {
	from, to := number(t, d, "from", 0), number(t, d, "to", 0)
	var kind string
	if d.HasArg("type") {
		d.ScanArgs(t, "type", &kind)
	}
	takes := func(m *pb.Message) bool {
		return (from == 0 || m.GetFrom() == from) && (to == 0 || m.GetTo() == to) && (kind == "" || m.GetType().String() == kind)
	}
	switch d.Cmd {
	case "deliver":
		l.deliver(takes)
	case "drop":
		l.flying = slices.DeleteFunc(l.flying, takes)
	case "repeat":
		for _, m := range l.flying {
			if takes(m) {
				l.flying = append(l.flying, m)
			}
		}
	default:
		for _, m := range l.flying {
			l.tell("%s", describe(m))
		}
	}
}

func (l *lab) status(which []wal.ReplicaID) {
	for _, p := range l.peers {
		if len(which) > 0 && !slices.Contains(which, p.id) {
			continue
		}
		disk := fmt.Sprintf("disk: term %d vote %d commit %d log %s", p.hs.Term, p.hs.Vote, p.hs.Commit, p.entries())
		if p.n == nil {
			l.tell("%d crashed; %s", p.id, disk)
			continue
		}
		r := p.n.Role()
		l.tell("%d %s of term %d, leader %d, last %d, commit %d, applied %d, writes waiting %d; %s", p.id, strings.TrimPrefix(r.State.String(), "State"), r.Term, r.Leader, p.n.Last(),
			p.n.rn.BasicStatus().HardState.GetCommit(), p.upTo, len(p.queue), disk)
	}
}

func (p *peer) entries() string {
	out := []string{fmt.Sprintf("%d/%d", p.base.Term, p.base.Index)}
	for _, e := range p.log {
		s := fmt.Sprintf("%d:%s", e.Term, e.Data)
		if e.Type != wal.EntryNormal {
			s = fmt.Sprintf("%d:conf", e.Term)
		}
		out = append(out, s)
	}
	return "[" + strings.Join(out, " ") + "]"
}
