package actortest

import (
	"math"
	"reflect"

	"github.com/asynkron/protoactor-go/actor"
)

const prime = 1099511628211

func (w *World) mix(x uint64) { w.hash = (w.hash ^ x) * prime }

func (w *World) mixBytes(b []byte) {
	h := w.hash
	for _, c := range b {
		h = (h ^ uint64(c)) * prime
	}
	w.hash = (h ^ uint64(len(b))) * prime
}

// record adds one message, with its payload and the time, to the trace hash.
func (w *World) record(node int, kind uint64, message any) {
	w.mix(uint64(w.Now))
	w.mix(uint64(node))
	w.mix(kind)
	w.mixValue(reflect.ValueOf(message), 0)
}

// mixValue walks a message by value. Functions, actor references (whose ids are counters of the runtime) and deep
// chains are represented by their presence only; everything else by content.
func (w *World) mixValue(v reflect.Value, depth int) {
	if !v.IsValid() || depth > 12 {
		w.mix(0)
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			w.mix(1)
			return
		}
		if v.Kind() == reflect.Pointer && v.Type() == pidType {
			w.mix(2)
			return
		}
		w.mixValue(v.Elem(), depth+1)
	case reflect.Struct:
		w.mixBytes([]byte(v.Type().Name()))
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				w.mixValue(v.Field(i), depth+1)
			}
		}
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
			w.mixBytes(v.Bytes())
			return
		}
		w.mix(uint64(v.Len()))
		for i := range v.Len() {
			w.mixValue(v.Index(i), depth+1)
		}
	case reflect.String:
		w.mixBytes([]byte(v.String()))
	case reflect.Bool:
		if v.Bool() {
			w.mix(3)
		} else {
			w.mix(4)
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		w.mix(uint64(v.Int()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		w.mix(v.Uint())
	case reflect.Float32, reflect.Float64:
		w.mix(math.Float64bits(v.Float()))
	case reflect.Map:
		w.mix(uint64(v.Len())) // order-free: only the size
	default:
		w.mix(5)
	}
}

var pidType = reflect.TypeOf((*actor.PID)(nil))
