package protocol

import (
	"errors"
	"fmt"
)

// ErrUnsupportedVersion reports an API key or version that the official schemas do not have on a broker listener. A
// header that was returned with it has Key, Version and CorrelationID; the rest of the frame was not looked at.
var ErrUnsupportedVersion = errors.New("unsupported API key or version")

// FormatError reports a frame that is not what its API key and version promise. The connection is to be closed: nothing
// after such a frame can be trusted.
type FormatError struct {
	Key, Version int16
	Field        string // the field that is wrong; "" for the frame as a whole
	At           int    // position in the body (of ParseHeader: in the payload), in bytes
	Reason       string
}

// Error names API, version, field, position and reason.
func (e *FormatError) Error() string {
	field := e.Field
	if field != "" {
		field = "field " + field + ": "
	}
	return fmt.Sprintf("malformed %s v%d request: %s%s at byte %d", Name(e.Key), e.Version, field, e.Reason, e.At)
}
