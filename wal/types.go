package wal

// GroupID names one Raft group for ever; numbers are handed out by the metadata log and never reused.
type GroupID uint64

// MetaGroup is the group of the cluster metadata log, `__meta`; partitions follow from 2.
const MetaGroup GroupID = 1

// Index is a position in a group's Raft log. It is not an offset: entries without records have one too.
type Index uint64

// Term is a Raft term. A partition's leader epoch is its term.
type Term uint64

// ReplicaID is a directory's registration number: the Raft id of every replica that lives in that directory.
type ReplicaID uint64

// DirectoryID is the random id that a data directory gets when it is formatted (KIP-858).
type DirectoryID [16]byte

// EntryType tells raft's own entries from ours; the values are raftpb's.
type EntryType uint8

// The kinds of a log entry.
const (
	EntryNormal       EntryType = 0
	EntryConfChange   EntryType = 1
	EntryConfChangeV2 EntryType = 2
)

// Entry is one entry of a group's log. Data is never changed once the entry was handed over.
type Entry struct {
	Index Index
	Term  Term
	Type  EntryType
	Data  []byte
}

// HardState is what Raft must not forget: term, vote and (as a hint) commit.
type HardState struct {
	Term   Term
	Vote   ReplicaID
	Commit Index
}

// Position is the last entry that is no longer in the log because segments or a snapshot cover it.
type Position struct {
	Index Index
	Term  Term
}

// Birth is written once, before a group's Raft instance first runs in this directory: who the group is and, for initial
// voters only, the configuration that all of them start from. Name is "__meta-0" or TOPIC-P; Topic is the zero id for
// the metadata log.
type Birth struct {
	Group     GroupID
	Name      string
	Topic     [16]byte
	Partition int32
	Voters    []ReplicaID // empty: the replica starts without a configuration and is added later
}

// Write is one group's share of a round. Order inside a record: entries, then hard state. A zero field means "nothing
// of that kind". Reset replaces the whole log by an installed snapshot position; Release says that everything up to and
// including that index is durable in segments (or a metadata snapshot) and may leave the log; Drop forgets the group.
type Write struct {
	Group     GroupID
	Birth     *Birth
	Entries   []Entry
	HardState *HardState
	Reset     *Position
	Release   *Position
	Drop      bool
}
