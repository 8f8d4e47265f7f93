package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Row is one API: which versions are advertised and who answers.
type Row struct {
	Key      kmsg.Key
	Min, Max int16
	Handle   func(*Call)
}

// rows is every API that is served, except groups (group.go).
var rows = []Row{}

// registry is all rows by key.
var registry = func() map[int16]*Row {
	m := map[int16]*Row{}
	for _, list := range [][]Row{rows, groupRows} {
		for i := range list {
			m[int16(list[i].Key)] = &list[i]
		}
	}
	return m
}()

// Find is the row that serves a version of an API; nil when none does. row is set when the key is served at all.
func Find(key, version int16) (row *Row, served bool) {
	row = registry[key]
	if row == nil {
		return nil, false
	}
	return row, version >= row.Min && version <= row.Max
}
