package kerror

import "github.com/twmb/franz-go/pkg/kerr"

// Code is a Kafka error code. The zero value is None: success.
type Code int16

// String is Kafka's name of the code, e.g. NOT_LEADER_OR_FOLLOWER.
func (c Code) String() string {
	if c == None {
		return "NONE"
	}
	if e := kerr.TypedErrorForCode(int16(c)); e != nil {
		return e.Message
	}
	return "UNKNOWN_SERVER_ERROR"
}

// Retriable says whether clients may send the same request again.
func (c Code) Retriable() bool {
	e := kerr.TypedErrorForCode(int16(c))
	return e != nil && e.Retriable
}

// Error makes a Code usable as an error where that is convenient.
func (c Code) Error() string { return c.String() }
