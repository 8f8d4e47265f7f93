package broker

import (
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors/cluster"
	"chronik/actors/message"
	"chronik/actors/metadata"
	"chronik/actors/peerlink"
	"chronik/protocol/kafka"
	"chronik/wal"
)

// newClusterID draws a cluster id in Kafka's form: 16 random bytes, URL-safe base64 without padding.
func (b *Broker) newClusterID() string {
	var id [16]byte
	for i := range id {
		id[i] = byte(b.node.Env.Rand.Uint32())
	}
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// formAlone makes a cluster of one voter, this directory.
func (b *Broker) formAlone() error {
	me := b.registration()
	me.Replica = 1
	return b.adopt(metadata.InitialSnapshot(b.newClusterID(), []*cluster.Node{me}))
}

// adopt makes a cluster's first snapshot this directory's own: snapshot first, then who we are in it; both durable. A
// crash in between leaves a blank directory that may adopt again.
func (b *Broker) adopt(snapshot []byte) error {
	known, err := metadata.Peek(snapshot)
	if err != nil {
		return err
	}
	f := b.st.dir.Format
	f.ClusterID, f.Replica = known.ClusterID, 0
	for _, n := range known.Nodes {
		if n.Directory == f.Directory {
			f.Replica = n.Replica
		}
	}
	if f.Replica == 0 {
		return fmt.Errorf("the cluster %s does not name this directory, %s", known.ClusterID, f.Directory)
	}
	if err := metadata.Store(b.node.Env.FS, b.node.DataDir, snapshot); err != nil {
		return err
	}
	if err := b.st.dir.Save(f); err != nil {
		return err
	}
	b.st.snapshot = snapshot
	b.self.Store(uint64(f.Replica))
	b.introduce()
	return nil
}

// tryForm makes a cluster of this node and its peers once every one of them has said, over a proved link, that it is blank
// too. This node stores the first snapshot before anybody hears of it: should it crash, it gives it to them when it is back.
func (b *Broker) tryForm(ctx actor.Context) {
	if b.formed || !b.o.Settings.Bootstrap || b.stopping {
		return
	}
	me := b.registration()
	nodes := []*cluster.Node{me}
	for _, p := range b.o.Settings.Peers {
		peer := b.peers.byID[kafka.NodeID(p.ID)]
		if peer == nil || peer.up == nil || peer.up.ClusterID != "" {
			return
		}
		if peer.up.AddrOfUs != "" {
			me.PeerAddr = peer.up.AddrOfUs
		}
		nodes = append(nodes, &cluster.Node{ID: kafka.NodeID(p.ID), Directory: peer.up.Directory, PeerAddr: p.Addr})
	}
	slices.SortFunc(nodes, func(x, y *cluster.Node) int { return int(x.ID) - int(y.ID) })
	for i, n := range nodes {
		n.Replica = wal.ReplicaID(i + 1)
	}
	if err := b.adopt(metadata.InitialSnapshot(b.newClusterID(), nodes)); err != nil {
		b.node.Env.Fatal("FATAL: forming the cluster: " + err.Error())
		return
	}
	for _, p := range b.peers.sorted() {
		ctx.Send(p.pid, &message.Adopt{Snapshot: b.st.snapshot})
	}
	b.startMetadata(ctx)
}

// adopted makes the cluster that a member gave us our own.
func (b *Broker) adopted(ctx actor.Context, m *message.Adopt) {
	if b.formed || b.stopping {
		return
	}
	if err := b.adopt(m.Snapshot); err != nil {
		b.log.Error("a cluster that was offered cannot be joined", "from", int32(m.From), "error", err)
		return
	}
	b.startMetadata(ctx)
	for _, p := range b.peers.sorted() { // to say who we are now
		ctx.Send(p.pid, &peerlink.Restart{})
	}
}
