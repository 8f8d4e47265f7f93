package config

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Type is the type of a config's value, as DescribeConfigs numbers it (KIP-569).
type Type int8

// The types.
const (
	TypeUnknown  Type = 0
	TypeBoolean  Type = 1
	TypeString   Type = 2
	TypeInt      Type = 3
	TypeShort    Type = 4
	TypeLong     Type = 5
	TypeDouble   Type = 6
	TypeList     Type = 7
	TypeClass    Type = 8
	TypePassword Type = 9
)

var typeNames = [...]string{"UNKNOWN", "BOOLEAN", "STRING", "INT", "SHORT", "LONG", "DOUBLE", "LIST", "CLASS", "PASSWORD"}

func (t Type) String() string { return typeNames[t] }

// Error says which config is refused and why. Its text is Kafka's where Kafka refuses the same; the code that goes with
// it is INVALID_CONFIG.
type Error struct {
	Name string
	Text string
}

func (e *Error) Error() string { return e.Text }

func refuse(name, format string, args ...any) error {
	return &Error{Name: name, Text: fmt.Sprintf(format, args...)}
}

// value is a parsed value; only the field of its type is set.
type value struct {
	text string // trimmed
	num  int64  // BOOLEAN 0 or 1, INT, SHORT, LONG
	real float64
	list []string
}

// row is one config that Kafka knows. Exactly one of three things happens to a value that is set: apply carries it into
// the typed configuration; only lists the values that describe what this broker does anyway; else it is refused. why
// completes the sentence of a refusal.
type row struct {
	name  string
	typ   Type
	def   string // default; meaningless with none
	none  bool   // no default: null
	doc   string
	check func(name string, v value) error // bounds, nil: none beyond the type
	only  []string
	why   string
	// needs is what else a refusal should tell: the remedy.
	topic  func(*Topic, value)
	broker func(*Broker, value)
	update update
	// means names the topic config that this broker config is the default of.
	means string
}

// update is how a broker config can be changed while the broker runs (KIP-226).
type update int8

const (
	readOnly update = iota
	perBroker
	clusterWide
)

func (r *row) honoured() bool { return r.topic != nil || r.broker != nil || r.means != "" }

// describes says whether DescribeConfigs shows the row: it is honoured, or has a value that tells what the broker does.
func (r *row) describes() bool { return r.honoured() || len(r.only) > 0 }

// parse reads text by the row's type and bounds; it does not judge whether the value is available.
func (r *row) parse(text string) (value, error) {
	v := value{text: strings.TrimSpace(text)}
	var err error
	switch r.typ {
	case TypeBoolean:
		switch strings.ToLower(v.text) {
		case "true":
			v.num, v.text = 1, "true"
		case "false":
			v.text = "false"
		default:
			return v, refuse(r.name, "Invalid value %s for configuration %s: Expected value to be either true or false", text, r.name)
		}
	case TypeInt:
		v.num, err = strconv.ParseInt(v.text, 10, 32)
	case TypeShort:
		v.num, err = strconv.ParseInt(v.text, 10, 16)
	case TypeLong:
		v.num, err = strconv.ParseInt(v.text, 10, 64)
	case TypeDouble:
		v.real, err = strconv.ParseFloat(v.text, 64)
		if err == nil && math.IsNaN(v.real) {
			err = strconv.ErrSyntax
		}
	case TypeList:
		if v.text != "" {
			for _, p := range strings.Split(v.text, ",") {
				v.list = append(v.list, strings.TrimSpace(p))
			}
		}
		v.text = strings.Join(v.list, ",")
	}
	if err != nil {
		return v, refuse(r.name, "Invalid value %s for configuration %s: Not a number of type %s", text, r.name, r.typ)
	}
	if r.check != nil {
		if err := r.check(r.name, v); err != nil {
			return v, err
		}
	}
	return v, nil
}

// accept parses text and refuses what this broker does not do.
func (r *row) accept(text string) (value, error) {
	v, err := r.parse(text)
	if err != nil || r.honoured() || slices.Contains(r.only, v.text) {
		return v, err
	}
	if len(r.only) > 0 {
		return v, refuse(r.name, "Invalid value %s for configuration %s: %s; the only value is %s", text, r.name, r.why, quoted(r.only))
	}
	return v, refuse(r.name, "Configuration %s is not available: %s", r.name, r.why)
}

func quoted(values []string) string {
	out := make([]string, len(values))
	for i, v := range values {
		if out[i] = v; v == "" {
			out[i] = "the empty one"
		}
	}
	return strings.Join(out, " or ")
}

// The bounds.

func atLeast(low int64) func(string, value) error {
	return func(name string, v value) error {
		if v.num < low {
			return refuse(name, "Invalid value %d for configuration %s: Value must be at least %d", v.num, name, low)
		}
		return nil
	}
}

func between(low, high int64) func(string, value) error {
	return func(name string, v value) error {
		if err := atLeast(low)(name, v); err != nil {
			return err
		}
		if v.num > high {
			return refuse(name, "Invalid value %d for configuration %s: Value must be no more than %d", v.num, name, high)
		}
		return nil
	}
}

func oneOf(allowed ...string) func(string, value) error {
	return func(name string, v value) error {
		if slices.Contains(allowed, v.text) {
			return nil
		}
		return refuse(name, "Invalid value %s for configuration %s: String must be one of: %s", v.text, name, strings.Join(allowed, ", "))
	}
}

func listOf(allowed ...string) func(string, value) error {
	return func(name string, v value) error {
		for _, e := range v.list {
			if !slices.Contains(allowed, e) {
				return refuse(name, "Invalid value %s for configuration %s: String must be one of: %s", e, name, strings.Join(allowed, ", "))
			}
		}
		return nil
	}
}
