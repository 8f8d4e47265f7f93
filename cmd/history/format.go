package history

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

// Types of operations.
const (
	OK   = "ok"   // applied
	Fail = "fail" // certainly not applied: refused before anything was appended, or aborted
	Info = "info" // unknown
)

// Names of operations.
const (
	Send      = "send"
	Poll      = "poll"
	Txn       = "txn" // sends and polls that are committed together
	Assign    = "assign"
	Subscribe = "subscribe"
	Latest    = "latest"  // ListOffsets
	Commit    = "commit"  // of a group
	Fetched   = "fetched" // a group's committed offset
	Final     = "final"   // a read of everything after the end, by a fresh client
	Nemesis   = "nemesis" // what was done to the cluster, in What
)

// Op is one completed operation of a client. A client that crashed goes on as another process.
type Op struct {
	Index   int      `json:"i"`
	Began   int64    `json:"t0,omitempty"` // monotonic nanoseconds; both 0: unknown
	Ended   int64    `json:"t,omitempty"`
	Process int      `json:"p"`
	Type    string   `json:"type"`
	F       string   `json:"f"`
	Ops     []Mop    `json:"ops,omitempty"`
	Keys    []string `json:"keys,omitempty"` // what assign or subscribe leaves assigned
	Rebal   []string `json:"reb,omitempty"`  // keys that were rebalanced during the poll
	// ReadCommitted says that polls saw committed transactions only, Ending when a transaction's commit was asked for.
	ReadCommitted bool   `json:"rc,omitempty"`
	Ending        int64  `json:"te,omitempty"`
	What          string `json:"what,omitempty"`
}

// Mop is one part of an operation: a send when Polled is nil (Offset -1 when unknown), else a poll of any number of keys. In latest
// and fetched Offset is the answer, in commit what was committed; Key is then GROUP/TOPIC-PARTITION for groups. Keys of logs are
// TOPIC-PARTITION; values are unique within a history.
type Mop struct {
	Key    string
	Value  int64
	Offset int64
	// From and FromOffset name the record of which the sent one is a copy; "": none.
	From       string
	FromOffset int64
	Polled     map[string][][2]int64 // key to pairs of offset and value, in the order of reading
}

// UnmarshalJSON reads ["s",key,value,offset], that with ,key,offset of the record it copies, or ["p",{key:[[offset,value],...]}].
func (m *Mop) UnmarshalJSON(b []byte) error {
	var raw []json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	var kind string
	if len(raw) > 0 {
		if err := json.Unmarshal(raw[0], &kind); err != nil {
			return err
		}
	}
	switch {
	case kind == "s" && (len(raw) == 4 || len(raw) == 6):
		for i, to := range []any{&m.Key, &m.Value, &m.Offset, &m.From, &m.FromOffset}[:len(raw)-1] {
			if err := json.Unmarshal(raw[i+1], to); err != nil {
				return err
			}
		}
		return nil
	case kind == "p" && len(raw) == 2:
		m.Polled = map[string][][2]int64{}
		return json.Unmarshal(raw[1], &m.Polled)
	}
	return fmt.Errorf(`want ["s",key,value,offset] or ["p",{key:[[offset,value]]}], got %s`, b)
}

// MarshalJSON is its inverse.
func (m Mop) MarshalJSON() ([]byte, error) {
	switch {
	case m.Polled != nil:
		return json.Marshal([]any{"p", m.Polled})
	case m.From != "":
		return json.Marshal([]any{"s", m.Key, m.Value, m.Offset, m.From, m.FromOffset})
	}
	return json.Marshal([]any{"s", m.Key, m.Value, m.Offset})
}

// Read reads a history of lines of at most 16 MiB each.
func Read(r io.Reader) ([]Op, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	var h []Op
	for n := 1; lines.Scan(); n++ {
		var op Op
		if err := json.Unmarshal(lines.Bytes(), &op); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		switch op.Type {
		case OK, Fail, Info:
		default:
			return nil, fmt.Errorf("line %d: type %q is none of ok, fail, info", n, op.Type)
		}
		switch op.F {
		case Send, Poll, Txn, Assign, Subscribe, Latest, Commit, Fetched, Final, Nemesis:
		default:
			return nil, fmt.Errorf("line %d: there is no operation %q", n, op.F)
		}
		h = append(h, op)
	}
	return h, lines.Err()
}

// Write writes a history, one operation a line.
func Write(w io.Writer, h []Op) error {
	e := json.NewEncoder(w)
	for i := range h {
		if err := e.Encode(&h[i]); err != nil {
			return err
		}
	}
	return nil
}
