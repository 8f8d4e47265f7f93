package protocol

import (
	"math/rand/v2"
	"reflect"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// everyVersion calls f for every request that the table has.
func everyVersion(f func(key, version int16)) {
	for key := range apis {
		if oldest, newest, ok := Versions(int16(key)); ok {
			for v := oldest; v <= newest; v++ {
				f(int16(key), v)
			}
		}
	}
}

// randomRequest fills every field of a request by reflection.
func randomRequest(r *rand.Rand, key, version int16) kmsg.Request {
	req := kmsg.RequestForKey(key)
	fill(r, reflect.ValueOf(req).Elem(), 0)
	req.SetVersion(version)
	return req
}

func fill(r *rand.Rand, v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Struct:
		if tags, ok := v.Addr().Interface().(*kmsg.Tags); ok {
			for n := r.IntN(3) * r.IntN(2); n > 0; n-- {
				tags.Set(1000+r.Uint32N(1_000_000), randomBytes(r, r.IntN(200)))
			}
			return
		}
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(r, v.Field(i), depth+1)
			}
		}
	case reflect.Pointer:
		if r.IntN(3) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(r, v.Elem(), depth)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			if r.IntN(4) > 0 {
				v.SetBytes(randomBytes(r, r.IntN(150)))
			}
			return
		}
		n := r.IntN(4)
		if n == 0 && r.IntN(2) == 0 {
			return // nil
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fill(r, v.Index(i), depth+1)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(r, v.Index(i), depth)
		}
	case reflect.String:
		v.SetString(string(randomBytes(r, r.IntN(150))))
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Float64:
		v.SetFloat(r.NormFloat64())
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		v.SetUint(r.Uint64())
	default:
		v.SetInt(int64(r.Uint64()))
	}
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + r.IntN(26))
	}
	return b
}

// frameOf is the payload of a frame, as a client writes it.
func frameOf(req kmsg.Request, clientID string, correlation int32) []byte {
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID(clientID)).AppendRequest(nil, req, correlation)[4:]
}
