package kerror

import "github.com/twmb/franz-go/pkg/kerr"

// Code is a Kafka error code. The zero value is None: success. Codes of versions newer than this table are kept as they
// are and read UNKNOWN_SERVER_ERROR.
type Code int16

// String is Kafka's name of the code, e.g. NOT_LEADER_OR_FOLLOWER.
func (c Code) String() string {
	switch c {
	case None:
		return "NONE"
	case NotLeaderOrFollower:
		return "NOT_LEADER_OR_FOLLOWER" // the library keeps the name that it had before Kafka 2.6
	}
	if e := kerr.TypedErrorForCode(int16(c)); e != nil {
		return e.Message
	}
	return "UNKNOWN_SERVER_ERROR"
}

// Text is Kafka's default message for the code, for error_message fields that have nothing better to say. It is "" for
// None.
func (c Code) Text() string {
	if c == None {
		return ""
	}
	if t, ok := texts[c]; ok {
		return t
	}
	if e := kerr.TypedErrorForCode(int16(c)); e != nil {
		return e.Description
	}
	return UnknownServerError.Text()
}

// Retriable says whether clients of Kafka 4.3 may send the same request again.
func (c Code) Retriable() bool {
	switch c {
	case BrokerNotAvailable:
		return false
	case ConcurrentTransactions, ShareSessionNotFound, InvalidShareSessionEpoch:
		return true
	}
	e := kerr.TypedErrorForCode(int16(c))
	return e != nil && e.Retriable
}

// Error makes a Code usable as an error where that is convenient.
func (c Code) Error() string { return c.String() }
