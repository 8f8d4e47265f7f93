package peerlink

import (
	"encoding/json"
	"errors"
	"fmt"
)

// frameVersion is the format of everything that nodes say to each other; a node refuses a version that it does not know.
const frameVersion = 1

// The kinds of frames.
const (
	kindHello = 1 + iota
	kindAnswer
	kindProof
	kindRefuse
	kindPing
	kindRaft
	kindGossip
	kindForward
	kindForwardReply
	kindAdopt
	kindSegmentRequest
	kindSegmentChunk
	kindMove
)

// maxFrame bounds what a peer may send at a time, in bytes; raft batches are cut far below.
const maxFrame = 256 << 20

// maxBatch is where a raft batch is cut into another frame, in bytes.
const maxBatch = 1 << 20

var errVersion = errors.New("peer frame of an unknown format version")

func open(frame []byte) (kind byte, body []byte, err error) {
	if len(frame) < 2 {
		return 0, nil, errMalformed
	}
	if frame[0] != frameVersion {
		return 0, nil, fmt.Errorf("%w %d", errVersion, frame[0])
	}
	return frame[1], frame[2:], nil
}

func encodeJSON(kind byte, v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("BUG: a peer message does not encode: " + err.Error())
	}
	return append([]byte{frameVersion, kind}, b...)
}
