package history

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

// Op is one completed operation of a client; Type is invoke, ok, fail (certainly not applied) or info (unknown).
type Op struct {
	Index   int      `json:"i"`
	Process int      `json:"p"`
	Type    string   `json:"type"`
	F       string   `json:"f"` // send, poll, txn, assign, subscribe, crash, final, nemesis
	Ops     []Mop    `json:"ops"`
	Keys    []string `json:"keys"` // what assign or subscribe leaves assigned
	Rebal   []string `json:"reb"`  // keys that were rebalanced during the poll
}

// Mop is one send (Polled is nil; Offset -1 when unknown) or one poll of any number of keys.
type Mop struct {
	Key    string
	Value  int64
	Offset int64
	Polled map[string][][2]int64 // key to pairs of offset and value, in the order of reading
}

// UnmarshalJSON reads ["s",key,value,offset] or ["p",{key:[[offset,value],...]}].
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
	case kind == "s" && len(raw) == 4:
		for i, to := range []any{&m.Key, &m.Value, &m.Offset} {
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
		case "invoke", "ok", "fail", "info":
		default:
			return nil, fmt.Errorf("line %d: type %q is none of invoke, ok, fail, info", n, op.Type)
		}
		h = append(h, op)
	}
	return h, lines.Err()
}
