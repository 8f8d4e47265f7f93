// Package connection is the actor of one Kafka client's connection: frames in, answers out in the order of the requests.
//
// It owns: the socket, the queue of requests that are not answered yet, the questions and timers of their handlers
// (package api), the fetch sessions of the client. Receives: frames and the end of the socket (from the socket's
// goroutine, as messages), answers of other actors (message.Reply), its own timer. Sends: what handlers send, and
// ConnectionOpened and ConnectionClosed to the broker actor.
//
// Invariants:
//  1. Answers leave in the order of the requests, however long one takes; work overlaps.
//  2. A request is answered, or the connection closed: no request stays unanswered on an open connection. Every question
//     has a deadline; a lost reply does not wedge the queue.
//  3. A frame is parsed and checked structurally before anything is decoded (package protocol); a malformed one closes
//     the connection.
//  4. At most QueuedMaxRequests frames are in flight: a frame's credit is given back when its answer has left, or, for
//     acks=0, when the replica has copied its batches. What is answered but not sent is bounded by maxUnsent and one
//     answer.
//  5. An idle connection holds one timer (its idle deadline) and no buffer.
//  6. A frame's buffer is pooled: Produce aliases it until every replica has copied its batch; all other requests are
//     decoded from a copy.
//
// Where to change what: limits.go bounds; frame.go what is done with a frame; queue.go order and sending; timers.go
// questions and deadlines; shared.go what connections of a node share.
package connection
