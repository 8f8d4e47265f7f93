package protocol

import "strconv"

// layout is a struct of a request at one API version, made for checking: neighbouring fields of fixed size are one
// step.
type layout struct {
	steps    []step
	tags     []tagStep
	flexible bool
	least    int64 // the fewest bytes that the struct can take on the wire
	memory   int64 // bytes of the decoded struct in memory, an upper bound
}

type stepKind uint8

const (
	stepSkip       stepKind = iota // size bytes
	stepString                     // length-prefixed, copied by the decoder
	stepBytes                      // length-prefixed, aliased by the decoder
	stepArray                      // of structs or strings
	stepFixedArray                 // of size bytes each
	stepStruct                     // nullable ones have a marker byte first
)

// step is one thing to check. elem is the element of an array (a string is a struct of one string) or the struct.
type step struct {
	kind     stepKind
	nullable bool
	size     int64 // stepSkip, stepFixedArray: bytes
	elem     *layout
	name     string
}

type tagStep struct {
	tag  uint32
	step step
}

// api is what the package knows of one API key.
type api struct {
	name     string
	valid    versionRange
	versions []*layout // from valid.from on
}

// apis is indexed by API key; nil where the schemas have no request for brokers. Built once, never changed.
var apis = buildAPIs()

func buildAPIs() []*api {
	last := requestSchemas[len(requestSchemas)-1].key
	all := make([]*api, last+1)
	for _, s := range requestSchemas {
		a := &api{name: s.name, valid: s.valid}
		for v := s.valid.from; v < s.valid.end; v++ {
			a.versions = append(a.versions, buildLayout(s.fields, v, s.flexible.has(v)))
		}
		all[s.key] = a
	}
	return all
}

func layoutOf(key, version int16) *layout {
	if key < 0 || int(key) >= len(apis) || apis[key] == nil || !apis[key].valid.has(version) {
		return nil
	}
	return apis[key].versions[version-apis[key].valid.from]
}

// Name is Kafka's name of an API, e.g. "Fetch"; "API 999" for a key that brokers do not serve to clients.
func Name(key int16) string {
	if key < 0 || int(key) >= len(apis) || apis[key] == nil {
		return "API " + strconv.Itoa(int(key))
	}
	return apis[key].name
}

// Versions is the range of versions that the official schemas have for an API and that Check and Decode can read; ok is
// false for a key that brokers do not serve to clients. What a broker advertises is its own decision, within this range
// (Produce 0-2 are advertised although no version below 3 can be read).
func Versions(key int16) (oldest, newest int16, ok bool) {
	if key < 0 || int(key) >= len(apis) || apis[key] == nil {
		return 0, -1, false
	}
	return apis[key].valid.from, apis[key].valid.end - 1, true
}

func buildLayout(fields []schemaField, version int16, flexible bool) *layout {
	l := &layout{flexible: flexible, memory: 8} // 8: the decoder's pointer to unknown tags
	for i := range fields {
		f := &fields[i]
		l.memory += memoryOf(f) // all versions share one Go struct
		if flexible && f.tagged.end > 0 && !f.in.has(version) {
			// Kafka skips a tag of another version; the decoder reads it all the same, so it is checked as that.
			l.tags = append(l.tags, tagStep{f.tag, buildStep(f, f.tagged.from, true)})
		}
		if !f.in.has(version) {
			continue
		}
		s := buildStep(f, version, flexible)
		if f.tagged.has(version) {
			l.tags = append(l.tags, tagStep{f.tag, s})
			continue
		}
		l.least += leastOf(s, flexible)
		if n := len(l.steps); s.kind == stepSkip && n > 0 && l.steps[n-1].kind == stepSkip {
			l.steps[n-1].size += s.size
			continue
		}
		l.steps = append(l.steps, s)
	}
	if flexible {
		l.least++ // the count of tagged fields
	}
	return l
}

func buildStep(f *schemaField, version int16, flexible bool) step {
	s := step{nullable: f.nullable.has(version), name: f.name, size: int64(f.kind.fixed())}
	switch {
	case f.array && f.kind == kindStruct:
		s.kind, s.elem = stepArray, buildLayout(f.fields, version, flexible)
	case f.array && s.size > 0:
		s.kind = stepFixedArray
	case f.array:
		s.kind, s.elem = stepArray, stringElement(f.name, f.kind, flexible)
	case f.kind == kindStruct:
		s.kind, s.elem = stepStruct, buildLayout(f.fields, version, flexible)
	case f.kind == kindString:
		s.kind = stepString
	case f.kind == kindBytes:
		s.kind = stepBytes
	}
	return s
}

// stringElement is an array's element that is a string or bytes. It has no tag section of its own.
func stringElement(name string, k kind, flexible bool) *layout {
	s := step{kind: stepString, name: name}
	memory := int64(16)
	if k == kindBytes {
		s.kind, memory = stepBytes, 24
	}
	return &layout{steps: []step{s}, least: leastOf(s, flexible), memory: memory}
}

// leastOf is the fewest bytes that a step consumes.
func leastOf(s step, flexible bool) int64 {
	switch {
	case s.kind == stepSkip:
		return s.size
	case s.kind == stepStruct && s.nullable:
		return 1
	case s.kind == stepStruct:
		return s.elem.least
	case flexible:
		return 1
	case s.kind == stepString:
		return 2
	default:
		return 4
	}
}

// memoryOf is the size of a field in the decoded struct, padding included.
func memoryOf(f *schemaField) int64 {
	switch {
	case f.array:
		return 24
	case f.kind == kindUUID || f.kind == kindString:
		return 16
	case f.kind == kindBytes:
		return 24
	case f.kind == kindStruct:
		n := int64(8)
		for i := range f.fields {
			n += memoryOf(&f.fields[i])
		}
		return n
	default:
		return 8
	}
}
