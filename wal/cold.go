package wal

// ColdRange names committed batches in one segment file: those of Group with offsets in [From, To). Base is the segment's
// first offset (its file name), End the file position up to which it was durable when the range was made. MaxBytes bounds
// the answer; with MinOne the first batch is returned even when it is larger.
type ColdRange struct {
	Group    GroupID
	Base     int64
	Rows     int64 // rows of the segment's index that were durable
	From     int64
	To       int64
	MaxBytes int
	MinOne   bool
}

// SegmentAppend is a run of committed entries of one group, in order, to be moved into its open segment. A Roll command
// among Entries seals the open segment, unless that has no records. Checkpoint is the replica's state as of the last entry, opaque to wal, stored
// atomically with it; segments wholly below LogStart are deleted. NextOffset is the offset of the first batch to come
// before this append; it names the first segment of a group.
type SegmentAppend struct {
	Group      GroupID
	Name       string
	Entries    []SegmentEntry
	Checkpoint []byte
	LogStart   int64
	NextOffset int64
	Delete     bool // remove all of the group's files (its topic's deletion was applied)

	// Hold is for a copy from a peer that takes several appends: nothing is promised, and Checkpoint not looked at, until
	// one comes without Hold. A crash in between leaves what was promised before.
	Hold bool
	// Restart forgets all segments first: what the group has lies wholly below what comes. They are removed when it is
	// promised.
	Restart bool
	// Revert gives up what was held.
	Revert bool
}

// SegmentEntry is one entry with what the index says about it. BaseOffset and LastOffset are -1 for entries without
// records.
type SegmentEntry struct {
	Entry
	BaseOffset   int64
	LastOffset   int64
	MaxTimestamp int64
	Roll         bool
	// RowCRC is the checksum of an entry whose bytes are not kept (BaseOffset -1), when it was read from segments.
	RowCRC uint32
}

// SegmentResult tells the replica what is in segments now.
type SegmentResult struct {
	Last     Position
	Segments []SegmentInfo // all segments of the group after the append, oldest first
}

// SegmentInfo describes one segment.
type SegmentInfo struct {
	Base         int64 // first offset
	NextOffset   int64
	Bytes        int64 // of the .log file
	Rows         int64 // of the .idx file
	MaxTimestamp int64 // -1: no records
	OffsetOfMax  int64 // base offset of the first batch that holds MaxTimestamp
	Sealed       bool
}
