package broker

import (
	"encoding/base64"
	"fmt"

	"chronik/actors/cluster"
	"chronik/actors/metadata"
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
	clusterID, nodes, _, err := metadata.Peek(snapshot)
	if err != nil {
		return err
	}
	f := b.st.dir.Format
	f.ClusterID, f.Replica = clusterID, 0
	for _, n := range nodes {
		if n.Directory == f.Directory {
			f.Replica = n.Replica
		}
	}
	if f.Replica == 0 {
		return fmt.Errorf("the cluster %s does not name this directory, %s", clusterID, f.Directory)
	}
	if err := wal.ReplaceFile(b.node.Env.FS, b.node.DataDir, metadata.SnapshotName, snapshot); err != nil {
		return err
	}
	if err := b.st.dir.Save(f); err != nil {
		return err
	}
	b.st.snapshot = snapshot
	b.self.Store(uint64(f.Replica))
	return nil
}
