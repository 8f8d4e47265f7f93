package broker

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/VictoriaMetrics/metrics"
	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors"
	"chronik/actors/cluster"
	"chronik/actors/env"
	"chronik/actors/metadata"
	"chronik/protocol/config"
	"chronik/protocol/kafka"
	"chronik/wal"
)

// Options of a node.
type Options struct {
	Settings *config.Settings
	Env      *env.Env
	Runtime  *actors.Runtime
	Metrics  *metrics.Set
	// NoSync skips every fdatasync: for the tests that must find out.
	NoSync bool
	// WAL, FlushBytes, KeepBytes and SnapshotEvery override sizes; tests use small ones. See package replica and metadata.
	WAL                   wal.Options
	FlushBytes, KeepBytes int64
	SnapshotEvery         int
	// Probe is handed to all actors; see actors.Node.
	Probe func(event any)
}

// Handle is a started node.
type Handle struct {
	Node      *actors.Node
	Broker    *actor.PID
	KafkaAddr string // host:port as bound
	RaftAddr  string // "" in standalone
	Directory wal.DirectoryID
	NodeID    kafka.NodeID
}

// MultiVoterError refuses standalone on a directory whose cluster has more than one voter.
type MultiVoterError struct {
	Dir    string
	Voters int
}

func (e *MultiVoterError) Error() string {
	return fmt.Sprintf("%s belongs to a cluster of %d nodes: multi-node needs raft-cluster", e.Dir, e.Voters)
}

// ListenError says which address could not be opened.
type ListenError struct {
	Flag, Addr string
	Err        error
}

func (e *ListenError) Error() string { return fmt.Sprintf("cannot listen on %s: %v", e.Addr, e.Err) }
func (e *ListenError) Unwrap() error { return e.Err }

// opened is what was found on disk.
type opened struct {
	dir      *wal.Dir
	log      *wal.Log
	recovery *wal.Recovery
	segments *wal.Segments
	// inSegments is what the segments held at the start; the segment writer owns them from then on.
	inSegments map[wal.GroupID]*wal.SegmentState
	snapshot   []byte // nil: no cluster yet
}

// Start opens the data directory, recovers the log, and starts the node's actors. It returns when Kafka clients can
// connect. Errors are refusals: nothing was started.
func Start(o Options) (*Handle, error) {
	st, err := open(o)
	if err != nil {
		return nil, err
	}
	b, err := newBroker(o, st)
	if err == nil {
		err = b.listen()
	}
	if err != nil {
		st.close()
		return nil, err
	}
	return b.spawn(), nil
}

func open(o Options) (*opened, error) {
	s, fsys := o.Settings, o.Env.FS
	var random wal.DirectoryID
	for i := range random {
		random[i] = byte(o.Env.Rand.Uint32())
	}
	st := &opened{}
	var err error
	if st.dir, err = wal.OpenDir(fsys, s.DataDir, s.NodeID, random); err != nil {
		return nil, err
	}
	if st.snapshot, err = metadata.Load(fsys, s.DataDir); errors.Is(err, fs.ErrNotExist) {
		st.snapshot, err = nil, nil
	}
	if st.snapshot != nil && st.dir.Format.ClusterID == "" {
		st.snapshot = nil // it ended while it adopted a cluster: it is blank, and may adopt again
	}
	if err == nil {
		err = checkMode(s, st)
	}
	if err == nil {
		w := o.WAL
		w.NoSync, w.Logf = o.NoSync, func(f string, a ...any) { o.Env.Log.Warn(fmt.Sprintf(f, a...)) }
		st.log, st.recovery, err = wal.Open(fsys, path.Join(s.DataDir, "wal"), w)
	}
	if err == nil {
		st.segments, err = wal.OpenSegments(fsys, path.Join(s.DataDir, "segments"))
	}
	if err != nil {
		st.close()
		return nil, err
	}
	st.inSegments = st.segments.Groups()
	return st, nil
}

// checkMode refuses to run a directory in a mode that its cluster does not allow.
func checkMode(s *config.Settings, st *opened) error {
	if st.snapshot == nil {
		if st.dir.Format.ClusterID != "" {
			return fmt.Errorf("%s belongs to cluster %s, but its %s is gone", s.DataDir, st.dir.Format.ClusterID, metadata.SnapshotName)
		}
		return nil
	}
	known, err := metadata.Peek(st.snapshot)
	if err != nil {
		return err
	}
	if s.Mode == config.Standalone && len(known.Voters) > 1 {
		return &MultiVoterError{s.DataDir, len(known.Voters)}
	}
	return nil
}

func (st *opened) close() {
	if st.segments != nil {
		st.segments.Close()
	}
	if st.log != nil {
		_ = st.log.Close()
	}
	if st.dir != nil {
		_ = st.dir.Close()
	}
}

func newBroker(o Options, st *opened) (*Broker, error) {
	f := st.dir.Format
	node := &actors.Node{Env: o.Env, Runtime: o.Runtime, View: cluster.NewView(kafka.NodeID(f.NodeID)), DataDir: o.Settings.DataDir, Metrics: o.Metrics, Probe: o.Probe}
	b := &Broker{o: o, st: st, node: node, log: o.Env.Log, replicas: map[wal.GroupID]*child{}, leaving: map[wal.GroupID]bool{}, admissions: map[uint64]*peer{}, again: map[kafka.TopicID]bool{}, seen: map[kafka.TopicID]*cluster.Topic{},
		creating: map[string]bool{}, leading: map[wal.GroupID]cluster.Leadership{}}
	b.self.Store(uint64(f.Replica))
	b.introduce()
	node.Self = func() wal.ReplicaID { return wal.ReplicaID(b.self.Load()) }
	node.Link = b.link
	cfg, err := config.EffectiveBroker(o.Settings, nil, nil)
	if err != nil {
		return nil, err
	}
	b.config.Store(cfg)
	node.Config = b.config.Load
	node.View.Standalone = o.Settings.Mode == config.Standalone
	if st.snapshot == nil && (o.Settings.Mode == config.Standalone || o.Settings.Bootstrap && len(o.Settings.Peers) == 0) {
		if err := b.formAlone(); err != nil {
			return nil, err
		}
	}
	return b, nil
}
