package value

import (
	"errors"
	"fmt"
	"reflect"
)

// Codec is how a body is encoded, by the numbers of SPEC.md §3.
type Codec uint8

// The codecs of values; raw bytes and Arrow are no values.
const (
	JSON        Codec = 1
	MessagePack Codec = 2
)

// Refused is a body that is not a value of the type wanted.
type Refused struct{ Breaches []Breach }

func (r *Refused) Error() string {
	first := r.Breaches[0]
	more := ""
	if n := len(r.Breaches) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more)", n)
	}
	if first.Path == "" {
		return first.Message + more
	}
	return first.Path + " " + first.Message + more
}

// Record says whether values of the type are objects with known keys.
func (t *Type) Record() bool { return t.byName != nil }

// Object says whether every value of the type is an object, as the input of a function must be.
func (t *Type) Object() bool {
	return t.byName != nil || t.rt.Kind() == reflect.Map || t.rt.Kind() == reflect.Interface && t.rt.NumMethod() == 0 || t.union != nil
}

// Decode reads a body into a value. `strict` refuses keys that the record does not know. The error is *Refused.
func (t *Type) Decode(codec Codec, body []byte, to reflect.Value, strict bool) error {
	s := source{data: body, json: codec == JSON}
	var err error
	if strict && t.byName != nil {
		err = t.readRecord(&s, to, "", true)
	} else {
		err = t.read(&s, to)
	}
	return s.verdict(err)
}

func (s *source) verdict(err error) error {
	if err == nil {
		err = s.end()
	}
	var malformed *Malformed
	if errors.As(err, &malformed) {
		return &Refused{[]Breach{{"", malformed.Message}}}
	}
	if err == nil && len(s.breaches) > 0 {
		return &Refused{s.breaches}
	}
	return err
}

// Encode appends a value. A value that MessagePack cannot say comes in JSON: the codec used is returned. The error is
// *Unsayable.
func (t *Type) Encode(to []byte, codec Codec, v reflect.Value) ([]byte, Codec, error) {
	k := sink{buf: to, json: codec == JSON}
	err := t.write(&k, v)
	if errors.Is(err, errNeedsJSON) {
		k = sink{buf: to, json: true}
		codec = JSON
		err = t.write(&k, v)
	}
	return k.buf, codec, err
}

// Transcode says the same in another codec; it is JSON where MessagePack cannot say it.
func Transcode(to []byte, body []byte, from, codec Codec) ([]byte, Codec, error) {
	t, err := Of(reflect.TypeFor[any]())
	if err != nil {
		return nil, codec, err
	}
	var value any
	if err := t.Decode(from, body, reflect.ValueOf(&value).Elem(), false); err != nil {
		return nil, codec, err
	}
	return t.Encode(to, codec, reflect.ValueOf(&value).Elem())
}

// Go is the Go type.
func (t *Type) Go() reflect.Type { return t.rt }
