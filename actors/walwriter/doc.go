// Package walwriter is the actor around wal.Log: the one place of a node that writes and syncs the log.
//
// It receives WriteLog and collects it until its own flush, which queues behind everything that is there: one Commit, one
// fdatasync for all of it; then WriteDone to every owner, in order. When the ring of files runs low it asks the groups
// that hold the oldest file to move on (ReleaseLog, through the View); DiskState tells the broker of a full disk.
//
// Invariants: (1) WriteDone leaves only after the Commit that holds its write returned; (2) an error of Commit ends the
// process, nothing is answered after it; (3) room is reserved after the answers, never before them.
package walwriter
