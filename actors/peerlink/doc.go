// Package peerlink is the link between two nodes: one connection per pair, one actor per peer on each side, every group's
// messages over it, in order.
//
// It owns: the connection to one peer (the node with the lower id dials), the handshake, what waits to be sent. Receives:
// RaftMessage, Gossip, ForwardMeta, ForwardMetaReply, Adopt, Refuse, MoveLeadership, SegmentRequest and SegmentChunk to be sent; Tick;
// frames of its socket; Incoming from the broker. Sends: what arrives, to the local replica, metadata replica or broker it
// is for; PeerUp and PeerDown to the broker.
//
// # The handshake
//
// Hello (who am I: cluster, node, directory, registration number; a nonce) → Hello with a proof over both → proof. A proof is an
// HMAC-SHA-256 over both hellos with the cluster secret; without one it is empty, and a node that has a secret refuses it.
// A peer that is not the one it should be is told so by name (refuse) and the connection closes.
//
// # Frames
//
// One byte format version, one byte kind, then the body: raft batches and gossip in a binary form (codec.go), all else,
// which is rare, in JSON.
//
// Invariants:
//  1. Nothing of a peer reaches a group before the handshake is complete and both sides belong to the same cluster; a
//     raft message must come from the registration number that the link proved, and be for this one.
//  2. A frame that does not decode changes nothing: the link closes.
//  3. Nothing blocks and nothing is reordered: beyond maxQueued bytes, entries are dropped and their groups told
//     (LinkDropped), which makes Raft probe instead of stream.
//  4. No bytes for deadAfter, or a closed socket, is a dead link: PeerDown, at once. Both sides send something at least every
//     pingEvery.
//
// Where to change what: a new message between nodes: a kind in frame.go and a row in link.go's send and received.
package peerlink
