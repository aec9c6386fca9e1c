package value

import (
	"reflect"
	"time"
)

// fillAny reads whatever comes: whole numbers as int64, uint64 or *big.Int, others as float64, bytes as []byte, arrays
// as []any, objects as map[string]any.
func fillAny(t *Type) {
	t.schema = func(*definitions) map[string]any { return map[string]any{} }
	t.read = func(s *source, v reflect.Value) error {
		value, err := s.any()
		if err == nil && value != nil {
			v.Set(reflect.ValueOf(value))
		}
		return err
	}
	t.write = func(k *sink, v reflect.Value) error {
		if v.IsNil() {
			k.null()
			return nil
		}
		return k.any(v.Elem())
	}
}

func (k *sink) any(v reflect.Value) error {
	t, err := Of(v.Type())
	if err != nil {
		return unsayable("a value of type %v cannot be sent: %v", v.Type(), err)
	}
	return t.write(k, v)
}

func (s *source) any() (any, error) {
	found, err := s.peek()
	if err != nil {
		return nil, err
	}
	switch found {
	case null:
		return nil, s.null()
	case boolean:
		return s.boolean()
	case text:
		value, err := s.text()
		return string(value), err
	case number:
		n, err := s.number()
		if err != nil {
			return nil, err
		}
		value := n.any()
		if value == nil {
			s.breach("is past every number that is held exactly")
		}
		return value, nil
	case binaryBytes:
		value, _, err := s.bytes()
		return value, err
	case moment:
		seconds, nanos, err := s.moment()
		return time.Unix(seconds, int64(nanos)).UTC(), err
	case array:
		return s.anyArray()
	}
	return s.anyObject()
}

func (s *source) anyArray() (any, error) {
	m, err := s.open(array)
	if err != nil {
		return nil, err
	}
	values := make([]any, 0, min(m.left, sliceGuess))
	for {
		more, err := s.more(&m)
		if err != nil || !more {
			return values, err
		}
		value, err := s.any()
		if err != nil {
			return nil, err
		}
		values = append(values, value)
	}
}

func (s *source) anyObject() (any, error) {
	m, err := s.open(object)
	if err != nil {
		return nil, err
	}
	values := make(map[string]any, min(m.left, sliceGuess))
	for {
		more, err := s.more(&m)
		if err != nil || !more {
			return values, err
		}
		raw, err := s.key()
		if err != nil {
			return nil, err
		}
		key := string(raw)
		if values[key], err = s.any(); err != nil {
			return nil, err
		}
	}
}

// raw takes a value as JSON text, whichever codec it came in.
func (s *source) raw() ([]byte, error) {
	if s.json {
		s.space()
		from := s.at
		err := s.skip()
		return append([]byte{}, s.data[from:s.at]...), err
	}
	k := sink{json: true}
	err := k.copy(s)
	return k.buf, err
}

// raw writes a value that is given as JSON text.
func (k *sink) raw(raw []byte) error {
	s := source{data: raw, json: true, depth: k.depth}
	if k.json {
		s.space()
		from := s.at
		if s.skip() != nil || s.end() != nil {
			return unsayable("what its JSON method gave is not JSON")
		}
		k.buf = append(k.buf, raw[from:]...)
		return nil
	}
	if err := k.copy(&s); err != nil || s.end() != nil {
		if err == errNeedsJSON {
			return err
		}
		return unsayable("what its JSON method gave is not JSON")
	}
	return nil
}

// copy writes what a source holds next, in the other codec.
func (k *sink) copy(s *source) error {
	value, err := s.any()
	if err != nil {
		return err
	}
	if value == nil {
		k.null()
		return nil
	}
	return k.any(reflect.ValueOf(value))
}
