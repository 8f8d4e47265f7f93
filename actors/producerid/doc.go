// Package producerid hands out producer ids: blocks of them come from the metadata log, ids of a block from memory.
//
// It owns: what is left of this node's block, and the askers who wait for the next. Receives: AllocateProducerID,
// MetaCommandReply. Sends: MetaCommand (allocate-producers), AllocateProducerIDReply.
//
// Invariants:
//  1. No id is given out twice, by any node, ever: a block belongs to the node that asked for it, and what is left of it
//     when the node stops is lost.
//  2. One block is asked for at a time; at most maxWaiting askers wait for it.
package producerid
