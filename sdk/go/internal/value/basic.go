package value

import (
	"encoding"
	"encoding/json"
	"math"
	"math/big"
	"reflect"
	"strconv"
)

// readScalar reads a value of one kind, or says that it is of another.
func readScalar(s *source, of kind, wanted string) (bool, error) {
	found, err := s.peek()
	if err != nil {
		return false, err
	}
	if found != of {
		return false, s.mismatch(wanted)
	}
	return true, nil
}

func plainSchema(name string, more ...any) func(*definitions) map[string]any {
	return func(*definitions) map[string]any {
		schema := map[string]any{"type": name}
		for i := 0; i+1 < len(more); i += 2 {
			schema[more[i].(string)] = more[i+1]
		}
		return schema
	}
}

func fillBasic(t *Type) bool {
	switch t.rt.Kind() {
	case reflect.Bool:
		t.schema = plainSchema("boolean")
		t.read = func(s *source, v reflect.Value) error {
			ok, err := readScalar(s, boolean, "a boolean")
			if err != nil || !ok {
				return err
			}
			value, err := s.boolean()
			v.SetBool(value)
			return err
		}
		t.write = func(k *sink, v reflect.Value) error { k.boolean(v.Bool()); return nil }
	case reflect.String:
		t.schema = plainSchema("string")
		t.read = func(s *source, v reflect.Value) error {
			ok, err := readScalar(s, text, "a string")
			if err != nil || !ok {
				return err
			}
			value, err := s.text()
			v.SetString(string(value))
			return err
		}
		t.write = func(k *sink, v reflect.Value) error { return k.text(v.String()) }
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		fillInt(t)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		fillUint(t)
	case reflect.Float32, reflect.Float64:
		fillFloat(t)
	default:
		return false
	}
	return true
}

func fillInt(t *Type) {
	bits := t.rt.Bits()
	least, most := int64(math.MinInt64)>>(64-bits), int64(math.MaxInt64)>>(64-bits)
	t.schema = plainSchema("integer", "minimum", least, "maximum", most)
	t.read = func(s *source, v reflect.Value) error {
		n, ok, err := s.integer()
		if err != nil || !ok {
			return err
		}
		value, ok := n.int64()
		if !ok || value < least || value > most {
			s.breach("must be from %d to %d", least, most)
			return nil
		}
		v.SetInt(value)
		return nil
	}
	t.write = func(k *sink, v reflect.Value) error { k.int(v.Int()); return nil }
}

func fillUint(t *Type) {
	most := uint64(math.MaxUint64) >> (64 - t.rt.Bits())
	t.schema = plainSchema("integer", "minimum", 0, "maximum", most)
	t.read = func(s *source, v reflect.Value) error {
		n, ok, err := s.integer()
		if err != nil || !ok {
			return err
		}
		value, ok := n.uint64()
		if !ok || value > most {
			s.breach("must be from 0 to %d", most)
			return nil
		}
		v.SetUint(value)
		return nil
	}
	t.write = func(k *sink, v reflect.Value) error { k.uint(v.Uint()); return nil }
}

// integer takes a whole number; false, with a breach, where something else comes.
func (s *source) integer() (numeral, bool, error) {
	ok, err := readScalar(s, number, "an integer")
	if err != nil || !ok {
		return numeral{}, false, err
	}
	n, err := s.number()
	if err != nil {
		return n, false, err
	}
	if !n.integral() && n.whole() == nil {
		s.breach("must be an integer")
		return n, false, nil
	}
	return n, true, nil
}

func fillFloat(t *Type) {
	bits := t.rt.Bits()
	t.schema = plainSchema("number")
	t.read = func(s *source, v reflect.Value) error {
		ok, err := readScalar(s, number, "a number")
		if err != nil || !ok {
			return err
		}
		value, ok, err := s.float(bits)
		if err == nil && ok {
			v.SetFloat(value)
		}
		return err
	}
	t.write = func(k *sink, v reflect.Value) error { return k.float(v.Float(), bits) }
}

// float takes a number as a float; false, with a breach, where it is past the largest or would be rounded.
func (s *source) float(bits int) (float64, bool, error) {
	n, err := s.number()
	if err != nil {
		return 0, false, err
	}
	value, ok := n.float64()
	if !ok {
		s.breach("cannot be held exactly by a float of 64 bits")
		return 0, false, nil
	}
	if bits == 32 && !math.IsInf(value, 0) && math.Abs(value) > math.MaxFloat32 {
		s.breach("is past the largest float of 32 bits")
		return 0, false, nil
	}
	return value, true, nil
}

// fast replaces the element by element ways for the slices that are usual in bulk.
func fast(t *Type) {
	switch t.rt {
	case reflect.TypeFor[[]float64]():
		t.read = func(s *source, v reflect.Value) error {
			return readSlice(s, v.Addr().Interface().(*[]float64), (*source).readFloat)
		}
		t.write = func(k *sink, v reflect.Value) error {
			return writeSlice(k, v.Interface().([]float64), (*sink).writeFloat)
		}
	case reflect.TypeFor[[]int64]():
		t.read = func(s *source, v reflect.Value) error {
			return readSlice(s, v.Addr().Interface().(*[]int64), (*source).readInt)
		}
		t.write = func(k *sink, v reflect.Value) error {
			return writeSlice(k, v.Interface().([]int64), (*sink).writeInt)
		}
	case reflect.TypeFor[[]string]():
		t.read = func(s *source, v reflect.Value) error {
			return readSlice(s, v.Addr().Interface().(*[]string), (*source).readString)
		}
		t.write = func(k *sink, v reflect.Value) error {
			return writeSlice(k, v.Interface().([]string), (*sink).text)
		}
	}
}

func (k *sink) writeFloat(value float64) error { return k.float(value, 64) }
func (k *sink) writeInt(value int64) error     { k.int(value); return nil }

func (s *source) readFloat() (value float64, err error) {
	ok, err := readScalar(s, number, "a number")
	if ok {
		value, _, err = s.float(64)
	}
	return value, err
}

func (s *source) readInt() (int64, error) {
	n, ok, err := s.integer()
	if err != nil || !ok {
		return 0, err
	}
	value, ok := n.int64()
	if !ok {
		s.breach("must be from %d to %d", int64(math.MinInt64), int64(math.MaxInt64))
	}
	return value, nil
}

func (s *source) readString() (string, error) {
	ok, err := readScalar(s, text, "a string")
	if err != nil || !ok {
		return "", err
	}
	value, err := s.text()
	return string(value), err
}

func readSlice[T any](s *source, to *[]T, one func(*source) (T, error)) error {
	m, ok, err := s.enter(array)
	if err != nil || !ok {
		return err
	}
	out := make([]T, 0, min(m.left, sliceGuess))
	for {
		more, err := s.more(&m)
		if err != nil {
			return err
		}
		if !more {
			*to = out
			return nil
		}
		from := len(s.breaches)
		value, err := one(s)
		if err != nil {
			return err
		}
		if len(s.breaches) > from {
			s.under(from, strconv.Itoa(len(out)))
		}
		out = append(out, value)
	}
}

func writeSlice[T any](k *sink, values []T, one func(*sink, T) error) error {
	if err := k.openArray(len(values)); err != nil {
		return err
	}
	for i, value := range values {
		k.next(i)
		if err := one(k, value); err != nil {
			return within(err, strconv.Itoa(i))
		}
	}
	k.close(']')
	return nil
}

func fillBytes(t *Type) {
	t.schema = plainSchema("string", "contentEncoding", "base64")
	t.read = func(s *source, v reflect.Value) error {
		value, ok, err := s.bytes()
		if err == nil && ok {
			v.SetBytes(value)
		}
		return err
	}
	t.write = func(k *sink, v reflect.Value) error { k.bytes(v.Bytes()); return nil }
}

func fillBigInt(t *Type) {
	t.schema = plainSchema("integer")
	t.read = func(s *source, v reflect.Value) error {
		n, ok, err := s.integer()
		if err != nil || !ok {
			return err
		}
		whole := n.whole()
		if whole == nil {
			s.breach("must be an integer of at most %d digits", bigDigitsMax)
			return nil
		}
		v.Addr().Interface().(*big.Int).Set(whole)
		return nil
	}
	t.write = func(k *sink, v reflect.Value) error {
		value := v.Interface().(big.Int)
		return k.whole(&value)
	}
}

func (k *sink) whole(value *big.Int) error {
	switch {
	case value.IsInt64():
		k.int(value.Int64())
	case value.IsUint64():
		k.uint(value.Uint64())
	case !k.json:
		return errNeedsJSON
	default:
		k.buf = value.Append(k.buf, 10)
	}
	return nil
}

func fillNumber(t *Type) {
	t.schema = plainSchema("number")
	t.read = func(s *source, v reflect.Value) error {
		ok, err := readScalar(s, number, "a number")
		if err != nil || !ok {
			return err
		}
		n, err := s.number()
		if err != nil {
			return err
		}
		literal, ok := n.appendTo(nil)
		if !ok {
			s.breach("must be a finite number")
		}
		v.SetString(string(literal))
		return nil
	}
	t.write = func(k *sink, v reflect.Value) error { return k.literal(v.String()) }
}

// literal writes a number that is given as a JSON literal.
func (k *sink) literal(literal string) error {
	s := source{data: []byte(literal), json: true}
	found, err := s.peek()
	if err != nil || found != number {
		return unsayable("%.64q is not a number", literal)
	}
	n, err := s.jsonNumber()
	if err != nil || s.end() != nil || len(n.literal) != len(literal) {
		return unsayable("%.64q is not a number", literal)
	}
	if k.json {
		k.buf = append(k.buf, literal...)
		return nil
	}
	if n.integral() {
		whole := n.whole()
		if whole == nil {
			return errNeedsJSON
		}
		return k.whole(whole)
	}
	value, err := strconv.ParseFloat(literal, 64)
	if err != nil || strconv.FormatFloat(value, 'f', -1, 64) != literal && strconv.FormatFloat(value, 'g', -1, 64) != literal {
		return errNeedsJSON // only its digits say it exactly
	}
	return k.float(value, 64)
}

func fillText(t *Type) {
	schema := map[string]any{"type": "string"}
	if reflect.PointerTo(t.rt).Implements(schemaFormat) {
		schema["format"] = reflect.New(t.rt).Interface().(SchemaFormat).SchemaFormat()
	}
	t.schema = func(*definitions) map[string]any { return schema }
	t.read = func(s *source, v reflect.Value) error {
		ok, err := readScalar(s, text, "a string")
		if err != nil || !ok {
			return err
		}
		value, err := s.text()
		if err != nil {
			return err
		}
		if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText(value); err != nil {
			s.breach("%v", err)
		}
		return nil
	}
	t.write = func(k *sink, v reflect.Value) error {
		value, err := addressable(v).Interface().(encoding.TextMarshaler).MarshalText()
		if err != nil {
			return unsayable("%v", err)
		}
		return k.text(string(value))
	}
}

func addressable(v reflect.Value) reflect.Value {
	if v.CanAddr() {
		return v.Addr()
	}
	copied := reflect.New(v.Type())
	copied.Elem().Set(v)
	return copied
}

// fillMarshaler goes by the JSON that a type makes and reads itself; nothing is known of its shape.
func fillMarshaler(t *Type) {
	t.schema = func(*definitions) map[string]any { return map[string]any{} }
	t.read = func(s *source, v reflect.Value) error {
		raw, err := s.raw()
		if err != nil {
			return err
		}
		if err := v.Addr().Interface().(json.Unmarshaler).UnmarshalJSON(raw); err != nil {
			s.breach("%v", err)
		}
		return nil
	}
	t.write = func(k *sink, v reflect.Value) error {
		raw, err := addressable(v).Interface().(json.Marshaler).MarshalJSON()
		if err != nil {
			return unsayable("%v", err)
		}
		return k.raw(raw)
	}
}

func fillRaw(t *Type) {
	t.schema = func(*definitions) map[string]any { return map[string]any{} }
	t.read = func(s *source, v reflect.Value) error {
		raw, err := s.raw()
		v.SetBytes(raw)
		return err
	}
	t.write = func(k *sink, v reflect.Value) error {
		if v.Len() == 0 {
			k.null()
			return nil
		}
		return k.raw(v.Bytes())
	}
}
