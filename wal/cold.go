package wal

// ColdRange names committed batches in segment files: those of Group with offsets in [From, To), starting the scan at
// Pos of the segment with base offset Base (a batch boundary at or below From). End is the file position up to which the
// segment was durable and committed when the range was made; nothing beyond it is read. MaxBytes bounds the answer; with
// MinOne the first batch is returned even when it is larger.
type ColdRange struct {
	Group    GroupID
	Base     int64 // base offset of the segment = its file name
	Pos      int64
	End      int64
	From     int64
	To       int64
	MaxBytes int
	MinOne   bool
}

// SegmentAppend is a run of committed entries of one group, in order, to be moved into its open segment. A Roll command
// among Entries seals the open segment at that point and opens the next at NextOffset. Checkpoint is the replica's state
// as of the last entry, opaque to wal, stored atomically with it; LogStart lets wal delete segments that lie wholly below.
type SegmentAppend struct {
	Group      GroupID
	Name       string
	Entries    []SegmentEntry
	Checkpoint []byte
	LogStart   int64
	Delete     bool // remove all of the group's files (its topic's deletion was applied)
}

// SegmentEntry is one entry with what the sidecar says about it. BaseOffset/LastOffset are -1 for entries without records.
type SegmentEntry struct {
	Entry
	BaseOffset   int64
	LastOffset   int64
	MaxTimestamp int64
	Roll         bool
}

// SegmentResult tells the replica what is in segments now.
type SegmentResult struct {
	Last     Position
	Segments []SegmentInfo // all segments of the group after the append, oldest first
}

// SegmentInfo describes one segment. Sparse rows are appended to, never changed, so a copy may be kept.
type SegmentInfo struct {
	Base         int64 // first offset
	NextOffset   int64
	Bytes        int64
	MaxTimestamp int64
	OffsetOfMax  int64 // an offset of a record with MaxTimestamp lies in the batch at or after this sparse row
	Sealed       bool
	Sparse       []SparseRow
}

// SparseRow maps an offset to the file position of the batch that starts with it, about every 64 KiB. MaxTimestamp is
// the largest timestamp in the segment before this row.
type SparseRow struct {
	Offset       int64
	Pos          int64
	MaxTimestamp int64
}
