package wal

// GroupID names one Raft group for ever; numbers are handed out by the metadata log and never reused.
type GroupID uint64

// MetaGroup is the group of the cluster metadata log, `__meta`; partitions follow from 2.
const MetaGroup GroupID = 1

// Index is a position in a group's Raft log. It is not an offset: entries without records have one too.
type Index uint64

// Term is a Raft term. A partition's leader epoch is its term.
type Term uint64

// ReplicaID is the Raft id of a replica. Its lower half is the registration number of the directory that it lives in, its upper
// half says by which reassignment of the partition it came there, 0: at birth. A replica that was taken away and comes again
// is therefore somebody else to Raft: it has forgotten what it voted.
type ReplicaID uint64

const generationShift = 32

// NewReplicaID is the id of a directory's replica since a generation of the partition's assignment.
func NewReplicaID(registration ReplicaID, generation uint32) ReplicaID {
	return registration.Registration() | ReplicaID(generation)<<generationShift
}

// Registration is the registration number of the directory.
func (r ReplicaID) Registration() ReplicaID { return r & (1<<generationShift - 1) }

// Generation is the generation of the partition's assignment that the replica came with.
func (r ReplicaID) Generation() uint32 { return uint32(r >> generationShift) }

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
	Voters    []ReplicaID // what the group began with; this replica may be none of them and be added later
	Self      ReplicaID   // this replica; 0: the directory's registration number
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
