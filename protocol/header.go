package protocol

import (
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Header is a request header, version 1 or 2 (KIP-482).
type Header struct {
	Key           int16
	Version       int16
	CorrelationID int32
	ClientID      string // "" when null or not looked at
}

// ParseHeader splits a frame's payload into header and body. The error is ErrUnsupportedVersion (wrapped; the header
// has key, version and correlation id) or a *FormatError; a payload of less than 8 bytes has no correlation id to
// answer with. Body aliases payload. Any goroutine may call it.
func ParseHeader(payload []byte) (h Header, body []byte, err error) {
	if len(payload) < 8 {
		return h, nil, &FormatError{Key: -1, Version: -1, At: len(payload), Reason: "frame ends inside the request header"}
	}
	h.Key = int16(binary.BigEndian.Uint16(payload))
	h.Version = int16(binary.BigEndian.Uint16(payload[2:]))
	h.CorrelationID = int32(binary.BigEndian.Uint32(payload[4:]))
	l := layoutOf(h.Key, h.Version)
	if l == nil {
		return h, nil, fmt.Errorf("%w: %s version %d", ErrUnsupportedVersion, Name(h.Key), h.Version)
	}
	c := checker{b: payload, at: 8, budget: 1 << 20}
	// The client id keeps its INT16 length in flexible headers too: a broker must be able to read the header of an
	// ApiVersions request that is newer than itself.
	start := c.at + 2
	if !c.nullableShortString("ClientId") {
		return h, nil, c.error(h.Key, h.Version)
	}
	if start < c.at {
		h.ClientID = string(payload[start:c.at])
	}
	if l.flexible && !c.tags(&layout{flexible: true}) {
		return h, nil, c.error(h.Key, h.Version)
	}
	return h, payload[c.at:], nil
}

// Decode reads a body that Check accepted. Byte fields of the result alias body, strings are copies. An error means
// that the layout table and kmsg disagree; the caller treats it like a malformed frame.
func Decode(key, version int16, body []byte) (kmsg.Request, error) {
	req := kmsg.RequestForKey(key)
	if req == nil || version < 0 || version > req.MaxVersion() {
		return nil, fmt.Errorf("%w: %s version %d", ErrUnsupportedVersion, Name(key), version)
	}
	req.SetVersion(version)
	if err := req.ReadFrom(body); err != nil {
		return nil, &FormatError{Key: key, Version: version, At: len(body), Reason: err.Error()}
	}
	return req, nil
}

// ParseRequest is ParseHeader, Check with the usual Budget, and Decode in one: for tests and tools. The header is valid
// as far as ParseHeader's is.
func ParseRequest(payload []byte) (Header, kmsg.Request, error) {
	h, body, err := ParseHeader(payload)
	if err != nil {
		return h, nil, err
	}
	if err := Check(h.Key, h.Version, body, Budget(len(body))); err != nil {
		return h, nil, err
	}
	req, err := Decode(h.Key, h.Version, body)
	return h, req, err
}
