package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors/api"
)

// TestGoldensFillEveryField: the recorded requests leave out no served version, and no field of any request: each has once
// a value that is not its default.
func TestGoldensFillEveryField(t *testing.T) {
	seen := map[[2]int16]bool{}
	filled := map[string]bool{}
	for _, x := range exchanges(t) {
		req, err := decodeRequest(x)
		if err != nil {
			t.Fatalf("%s v%d %q: %v", x.API, x.Version, x.Step, err)
		}
		seen[[2]int16{x.Key, x.Version}] = true
		markFilled(reflect.ValueOf(req).Elem(), kmsg.Key(x.Key).Name(), filled)
	}
	total := 0
	for _, key := range api.Keys() {
		fields := map[string]bool{}
		for v := int16(0); v <= kmsg.RequestForKey(key).MaxVersion(); v++ {
			if _, served := api.Find(key, v); !served {
				continue
			}
			if !seen[[2]int16{key, v}] {
				t.Errorf("no request of %s v%d was recorded", kmsg.Key(key).Name(), v)
			}
			for _, f := range fieldsOf(key, v) {
				fields[f] = true
			}
		}
		total += len(fields)
		for f := range fields {
			if !filled[f] {
				t.Errorf("%s has its default in all requests", f)
			}
		}
	}
	if t.Logf("%d fields", total); total < 150 {
		t.Errorf("only %d fields were found", total)
	}
}

// decodeRequest also checks that kmsg knows all that the official classes wrote: written again, it is the same.
func decodeRequest(x exchange) (kmsg.Request, error) {
	raw, err := base64.StdEncoding.DecodeString(x.Request)
	if err != nil {
		return nil, err
	}
	req := kmsg.RequestForKey(x.Key)
	req.SetVersion(x.Version)
	if len(raw) < 10 || int16(binary.BigEndian.Uint16(raw)) != x.Key || int16(binary.BigEndian.Uint16(raw[2:])) != x.Version {
		return nil, fmt.Errorf("a header of something else: %x", raw)
	}
	body := raw[10+int(binary.BigEndian.Uint16(raw[8:])):] // behind the client's name
	if req.IsFlexible() {
		body = body[1:] // no tags in the header
	}
	if err := req.ReadFrom(body); err != nil {
		return nil, err
	}
	if again := req.AppendTo(nil); !bytes.Equal(again, body) {
		return nil, fmt.Errorf("the request is not in canonical form: %x, not %x", body, again)
	}
	return req, nil
}

// requestFields visits the fields of a request's struct that go over the wire. path is API.Field.Field.
func requestFields(v reflect.Value, path string, visit func(path string, field reflect.Value)) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Type == reflect.TypeFor[kmsg.Tags]() || f.Name == "Version" || !f.IsExported() {
			continue
		}
		visit(path+"."+f.Name, v.Field(i))
	}
}

// markFilled notes each field of a struct, and of what is in it, that is not as Default leaves it.
func markFilled(v reflect.Value, path string, filled map[string]bool) {
	fresh := reflect.New(v.Type())
	fresh.MethodByName("Default").Call(nil)
	defaults := map[string]any{}
	requestFields(fresh.Elem(), path, func(p string, f reflect.Value) { defaults[p] = f.Interface() })
	requestFields(v, path, func(p string, f reflect.Value) {
		switch {
		case f.Kind() == reflect.Slice:
			filled[p] = filled[p] || f.Len() > 0
			if f.Type().Elem().Kind() == reflect.Struct {
				for i := range f.Len() {
					markFilled(f.Index(i), p, filled)
				}
			}
		case f.Kind() == reflect.Pointer && f.Type().Elem().Kind() == reflect.Struct:
			filled[p] = filled[p] || !f.IsNil()
			if !f.IsNil() {
				markFilled(f.Elem(), p, filled)
			}
		case f.Kind() == reflect.Struct:
			markFilled(f, p, filled)
		default:
			filled[p] = filled[p] || !reflect.DeepEqual(f.Interface(), defaults[p])
		}
	})
}

// fieldsOf lists the fields of a request that exist in a version: those that change what is written. kmsg's structs have
// the fields of all versions.
func fieldsOf(key, version int16) (fields []string) {
	req := kmsg.RequestForKey(key)
	req.SetVersion(version)
	before := string(req.AppendTo(nil))
	var try func(v reflect.Value, path string)
	try = func(v reflect.Value, path string) {
		requestFields(v, path, func(p string, f reflect.Value) {
			change(f)
			after := string(req.AppendTo(nil))
			if after != before {
				fields = append(fields, p)
			}
			before = after
			for f.Kind() == reflect.Pointer || f.Kind() == reflect.Slice && f.Len() > 0 {
				if f.Kind() == reflect.Slice {
					f = f.Index(0)
				} else {
					f = f.Elem()
				}
			}
			if f.Kind() == reflect.Struct {
				before = string(req.AppendTo(nil))
				try(f, p)
			}
		})
	}
	try(reflect.ValueOf(req).Elem(), kmsg.Key(key).Name())
	return fields
}

// change gives a field another value: an array one element, with its defaults.
func change(f reflect.Value) {
	switch f.Kind() {
	case reflect.Slice:
		f.Set(reflect.MakeSlice(f.Type(), 1, 1))
		if f.Type().Elem().Kind() == reflect.Struct {
			f.Index(0).Addr().MethodByName("Default").Call(nil)
		}
	case reflect.Pointer:
		f.Set(reflect.New(f.Type().Elem()))
		if f.Type().Elem().Kind() == reflect.Struct {
			f.MethodByName("Default").Call(nil)
		}
	case reflect.Array:
		f.Index(0).SetUint(1)
	case reflect.String:
		f.SetString("x")
	case reflect.Bool:
		f.SetBool(!f.Bool())
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		f.SetInt(f.Int() ^ 1)
	case reflect.Uint16:
		f.SetUint(f.Uint() ^ 1)
	case reflect.Float64:
		f.SetFloat(f.Float() + 1)
	case reflect.Struct: // its fields are tried
	default:
		panic("a field of kind " + f.Kind().String())
	}
}
