package message

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"chronik/wal"
)

// WriteLog hands the WAL writer one group's share of the next round. Done is sent to Owner, in the order of WriteLog,
// after the round was fsynced. Owner nil: nobody waits.
type WriteLog struct {
	Owner       *actor.PID
	Incarnation uint64 // of the owner; returned in WriteDone
	Token       uint64
	Write       wal.Write
}

// WriteDone says that a WriteLog is durable.
type WriteDone struct {
	Incarnation uint64
	Token       uint64
}

// DiskState says whether there is room for new data. Sent by the WAL writer to the broker actor on change, and by the
// broker to every replica.
type DiskState struct {
	Full bool
	Why  string
}

// ReleaseLog asks a replica to move what is committed into segments because it pins the oldest WAL file. UpTo is the
// last index of the group in the files to be freed.
type ReleaseLog struct {
	Group wal.GroupID
	UpTo  wal.Index
}

// WriteSegment asks the segment writer to append committed entries of one group and then, atomically, the checkpoint
// that belongs to the last of them. Answered by SegmentWritten to Owner, in order.
type WriteSegment struct {
	Owner       *actor.PID
	Incarnation uint64
	Token       uint64
	Append      wal.SegmentAppend
	// Throttled says that the operator's throttle holds for a copy from a peer (Append.Hold); Rest is how long the peer
	// wants to be left alone.
	Throttled bool
	Rest      time.Duration
}

// SegmentWritten answers WriteSegment: all of it is fsynced.
type SegmentWritten struct {
	Incarnation uint64
	Token       uint64
	Result      wal.SegmentResult
	Err         error // ENOSPC only: try later; everything else ends the process
}

// ReadCold asks the segment reader for batches of a cold range; answered by ColdRead.
type ReadCold struct {
	ReplyTo
	Range wal.ColdRange
}

// ColdRead answers ReadCold. Err is a *wal.CorruptionError when the bytes do not verify: they are not served.
type ColdRead struct {
	Answered
	Batches [][]byte
	Err     error
	Free    func()
}

// FindTimestamp asks the segment reader for the first record at or after a timestamp in a cold range.
type FindTimestamp struct {
	ReplyTo
	Range     wal.ColdRange
	Timestamp int64
	Largest   bool // the range's largest timestamp is asked for; Timestamp does not matter
}

// TimestampFound answers FindTimestamp; Offset -1 when there is none in the range.
type TimestampFound struct {
	Answered
	Offset    int64
	Timestamp int64
	Epoch     int32
	Err       error
}
