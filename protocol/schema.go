package protocol

//go:generate go run ./gen -jar ../testdata/java/target/dependency/kafka-clients-4.3.1.jar -out check_table.go

// versionRange holds the API versions from <= v < end; the zero value is empty.
type versionRange struct{ from, end int16 }

// latest is the end of a range that is open above.
const latest = 32767

func (r versionRange) has(v int16) bool { return v >= r.from && v < r.end }

// kind is the wire type of a field or of an array's element.
type kind uint8

const (
	kindInt8 kind = iota // bool too
	kindInt16
	kindInt32
	kindInt64 // float64 too
	kindUUID
	kindString
	kindBytes // records too
	kindStruct
)

// fixed is the wire size of the kinds that have one, in bytes; 0 for the others.
func (k kind) fixed() int { return [...]int{1, 2, 4, 8, 16, 0, 0, 0}[k] }

// schemaField is one field of a request as the official schema has it.
type schemaField struct {
	name     string
	in       versionRange
	nullable versionRange
	tagged   versionRange
	tag      uint32
	array    bool
	kind     kind
	fields   []schemaField // of a struct or of an array's elements
}

// requestSchema is one API's request.
type requestSchema struct {
	key      int16
	name     string
	valid    versionRange
	flexible versionRange
	fields   []schemaField
}
