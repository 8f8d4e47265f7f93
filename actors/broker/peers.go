package broker

import (
	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors/cluster"
	"chronik/actors/message"
	"chronik/wal"
)

// link is Node.Link: the actor of the link to a peer, nil when there is none. Any actor may call it.
func (b *Broker) link(r wal.ReplicaID) *actor.PID {
	if p, ok := b.linkPIDs.Load(r); ok {
		return p.(*actor.PID)
	}
	return nil
}

func (b *Broker) listenPeers() error                                    { return nil }
func (b *Broker) startPeers(actor.Context)                              {}
func (b *Broker) tickPeers(actor.Context, *message.Tick)                {}
func (b *Broker) closePeers(actor.Context)                              {}
func (b *Broker) peers(actor.Context)                                   {}
func (b *Broker) gossip(actor.Context, wal.GroupID, cluster.Leadership) {}
func (b *Broker) peerAddr() string                                      { return "" }
func (b *Broker) whyNotFormed() string                                  { return "no cluster was formed yet" }
