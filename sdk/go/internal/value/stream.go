package value

import (
	"fmt"
	"reflect"
)

// streamType is the type of a field that is an input stream: an array in a body, which is iterated over.
func streamType(rt reflect.Type) *Type {
	t := &Type{rt: rt, stream: -1}
	t.schema = func(d *definitions) map[string]any {
		return map[string]any{"type": "array", "items": d.refer(t.elem)}
	}
	t.read = func(s *source, v reflect.Value) error {
		var values []reflect.Value
		m, ok, err := s.enter(array)
		for err == nil && ok {
			var more bool
			if more, err = s.more(&m); err != nil || !more {
				break
			}
			value := reflect.New(t.elem.rt).Elem()
			if err = t.elem.readMember(s, value, len(values)); err == nil {
				values = append(values, value)
			}
		}
		v.Set(t.seq2(func(yield func(reflect.Value, error) bool) {
			for _, value := range values {
				if !yield(value, nil) {
					return
				}
			}
		}))
		return err
	}
	t.write = func(k *sink, v reflect.Value) error {
		slice := reflect.MakeSlice(reflect.SliceOf(t.elem.rt), 0, 0)
		for value, err := range Items(v) {
			if err != nil {
				return unsayable("%v", err)
			}
			slice = reflect.Append(slice, value)
		}
		return t.writeMembers(k, slice, slice.Len())
	}
	return t
}

// seq2 makes an iter.Seq2[T, error] of the type.
func (t *Type) seq2(each func(yield func(reflect.Value, error) bool)) reflect.Value {
	return MakeSeq2(t.rt, t.elem.rt, each)
}

// MakeSeq2 makes an iter.Seq2[item, error] of a sequence of values; where there is an error its value is not looked at.
func MakeSeq2(rt, item reflect.Type, each func(yield func(reflect.Value, error) bool)) reflect.Value {
	return reflect.MakeFunc(rt, func(args []reflect.Value) []reflect.Value {
		yield := args[0]
		each(func(value reflect.Value, err error) bool {
			failed := reflect.Zero(errorType)
			if err != nil {
				value, failed = reflect.Zero(item), reflect.ValueOf(&err).Elem()
			}
			return yield.Call([]reflect.Value{value, failed})[0].Bool()
		})
		return nil
	})
}

// Items iterates over an iter.Seq2[T, error]; a nil one has none.
func Items(v reflect.Value) func(yield func(reflect.Value, error) bool) {
	return func(yield func(reflect.Value, error) bool) {
		if v.IsNil() {
			return
		}
		inner := reflect.MakeFunc(v.Type().In(0), func(args []reflect.Value) []reflect.Value {
			err, _ := args[1].Interface().(error)
			return []reflect.Value{reflect.ValueOf(yield(args[0], err))}
		})
		v.Call([]reflect.Value{inner})
	}
}

// Stream is the field of an input that is its stream: its name, its type and the type of its items; nil for none.
func (t *Type) Stream() (name string, index int, item *Type) {
	if t.stream < 0 {
		return "", -1, nil
	}
	f := &t.fields[t.stream]
	return f.name, f.index[0], f.typ.elem
}

// DecodeWithout reads an input whose stream comes beside the body; it is an error for the body to have it too.
func (t *Type) DecodeWithout(codec Codec, body []byte, to reflect.Value) error {
	s := source{data: body, json: codec == JSON}
	return s.verdict(t.rest.readRecord(&s, to, "", true))
}

// EncodeWithout writes an input without its stream.
func (t *Type) EncodeWithout(to []byte, codec Codec, v reflect.Value) ([]byte, Codec, error) {
	return t.rest.Encode(to, codec, v)
}

// without is the record without its stream, whose key is not known then.
func (t *Type) without() *Type {
	rest := &Type{rt: t.rt, stream: -1, byName: map[string]int{}}
	for i, f := range t.fields {
		if i != t.stream {
			rest.byName[f.name] = len(rest.fields)
			rest.fields = append(rest.fields, f)
		}
	}
	rest.write = func(k *sink, v reflect.Value) error { return rest.writeRecord(k, v, "", "") }
	return rest
}

// WithStream is a record of two fields: one of this type, whose properties are taken as its own, and an input stream.
func (t *Type) WithStream(name string, stream reflect.Type) (*Type, error) {
	if t.byName == nil || t.stream >= 0 {
		return nil, fmt.Errorf("an input stream needs a struct beside it that has none, or nothing")
	}
	if _, clash := t.byName[name]; clash {
		return nil, fmt.Errorf("its input has a property %q already: name the stream by dragoman.InputStream", name)
	}
	item, _ := Seq2(stream)
	of, err := Of(item)
	if err != nil {
		return nil, err
	}
	both := &Type{stream: len(t.fields), byName: map[string]int{}}
	both.rt = reflect.StructOf([]reflect.StructField{{Name: "Input", Type: t.rt}, {Name: "Stream", Type: stream}})
	for i, f := range t.fields {
		f.index = append([]int{0}, f.index...)
		both.fields, both.byName[f.name] = append(both.fields, f), i
	}
	typ := streamType(stream)
	typ.elem = of
	both.byName[name] = len(both.fields)
	both.fields = append(both.fields, field{name: name, index: []int{1}, typ: typ})
	both.rest = both.without()
	both.read = func(s *source, v reflect.Value) error { return both.readRecord(s, v, "", false) }
	both.write = func(k *sink, v reflect.Value) error { return both.writeRecord(k, v, "", "") }
	both.schema = func(d *definitions) map[string]any { return both.recordSchema(d) }
	return both, nil
}

// New is a new value of the type, to be read into.
func (t *Type) New() reflect.Value { return reflect.New(t.rt).Elem() }
