package actortest

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/protocol/kerror"
)

// Mover gives partitions other replicas, one to three of the nodes in any order, through all faults. At the end every
// partition must be where it was last sent.
type Mover struct {
	Moves int // taken by the metadata log
	// All has every partition keep three replicas, in another order or on other nodes.
	All bool

	w      *Workload
	client *Client
	busy   bool
}

// NewMover starts one.
func NewMover(w *Workload) *Mover {
	m := &Mover{w: w, client: w.c.NewClient("mover")}
	m.plan()
	return m
}

func (m *Mover) plan() {
	m.w.c.After(time.Duration(500+m.w.c.Rand.IntN(3000))*time.Millisecond, func() {
		if m.w.stopped {
			return
		}
		var replicas []int32
		few := min(3, len(m.w.c.Nodes))
		if !m.All {
			few = 1 + m.w.c.Rand.IntN(few)
		}
		for _, i := range m.w.c.Rand.Perm(len(m.w.c.Nodes))[:few] {
			replicas = append(replicas, int32(i+1))
		}
		m.busy = true
		m.send(int32(m.w.c.Rand.IntN(m.w.partitions)), replicas)
	})
}

func (m *Mover) send(partition int32, replicas []int32) {
	req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	req.TimeoutMillis = 5000
	t := kmsg.NewAlterPartitionAssignmentsRequestTopic()
	t.Topic = m.w.Topic
	p := kmsg.NewAlterPartitionAssignmentsRequestTopicPartition()
	p.Partition, p.Replicas = partition, replicas
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	again := func() { m.w.c.After(pause, func() { m.send(partition, replicas) }) }
	m.client.Ask(m.client.anyBroker(), req, func(r kmsg.Response, err error) {
		if err != nil {
			again()
			return
		}
		code := kerror.Code(r.(*kmsg.AlterPartitionAssignmentsResponse).ErrorCode)
		if x := r.(*kmsg.AlterPartitionAssignmentsResponse); code == kerror.None {
			code = kerror.Code(x.Topics[0].Partitions[0].ErrorCode)
		}
		switch {
		case code == kerror.None:
			m.Moves++
			m.busy = false
			m.plan()
		case code.Retriable() || code == kerror.RequestTimedOut:
			again()
		default:
			m.w.c.Fail("moving partition %d to %v: %v", partition, replicas, code)
		}
	})
}

// stuck says what has not arrived where it was sent; "" when everything has, and all nodes know.
func (m *Mover) stuck() string {
	if m.busy {
		return "a reassignment has no answer"
	}
	return m.underWay()
}

// underWay says what is not where it was last sent; "" when all nodes agree that everything is.
func (m *Mover) underWay() string {
	for _, n := range m.w.c.Nodes {
		if n.View() == nil {
			return fmt.Sprintf("node %d is down", n.ID)
		}
		t := n.View().Image().Topics[m.w.Topic]
		if t == nil {
			return fmt.Sprintf("node %d does not know the topic", n.ID)
		}
		for _, p := range t.Partitions {
			self := p.ReplicaOf(n.Handle.Node.Self())
			if here := n.View().Replica(p.Group) != nil; p.Target != nil || here != (self != 0) {
				return fmt.Sprintf("node %d: partition %d has replicas %v, goes to %v; a replica here: %v", n.ID, p.Index, p.Replicas, p.Target, here)
			}
		}
	}
	return ""
}
