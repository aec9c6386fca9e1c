package value

import (
	"fmt"
	"reflect"
	"sort"
	"strings"
)

// fieldOf is a field of a record; embedded pointers on the way are made where it is read into. An invalid value means
// that it lies behind a nil one.
func fieldOf(v reflect.Value, index []int, make bool) reflect.Value {
	for i, at := range index {
		if i > 0 && v.Kind() == reflect.Pointer {
			if v.IsNil() {
				if !make {
					return reflect.Value{}
				}
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		}
		v = v.Field(at)
	}
	return v
}

// readRecord reads an object into a struct. `tag` is a key to pass over, `strict` refuses keys that are not known.
func (t *Type) readRecord(s *source, v reflect.Value, tag string, strict bool) error {
	m, ok, err := s.enter(object)
	if err != nil || !ok {
		return err
	}
	var few [2]uint64
	seen := few[:]
	if len(t.fields) > 64*len(few) {
		seen = make([]uint64, (len(t.fields)+63)/64)
	}
	for guess := 0; ; guess++ {
		more, err := s.more(&m)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		key, err := s.key()
		if err != nil {
			return err
		}
		at, known := t.find(key, guess)
		if !known {
			if strict && string(key) != tag {
				s.breachAt("/"+escape(string(key)), "is not known%s", t.nearest())
			}
			if err := s.skip(); err != nil {
				return err
			}
			continue
		}
		if err := t.readField(s, v, at, seen); err != nil {
			return err
		}
		guess = at
	}
	for i := range t.fields {
		if f := &t.fields[i]; !f.optional && seen[i/64]>>(i%64)&1 == 0 {
			s.breachAt("/"+escape(f.name), "is required")
		}
	}
	return nil
}

func (t *Type) find(key []byte, guess int) (int, bool) {
	if guess < len(t.fields) && t.fields[guess].name == string(key) {
		return guess, true
	}
	at, ok := t.byName[string(key)]
	return at, ok
}

func (t *Type) nearest() string {
	names := make([]string, 0, 8)
	for i, f := range t.fields {
		if i == cap(names) {
			names = append(names, "…")
			break
		}
		names = append(names, f.name)
	}
	if len(names) == 0 {
		return ": nothing is taken here"
	}
	return ": known are " + strings.Join(names, ", ")
}

func (t *Type) readField(s *source, v reflect.Value, at int, seen []uint64) error {
	f := &t.fields[at]
	target := fieldOf(v, f.index, true)
	if seen[at/64]>>(at%64)&1 != 0 {
		target.SetZero() // of a key given twice the last counts
	}
	seen[at/64] |= 1 << (at % 64)
	from := len(s.breaches)
	if err := f.typ.read(s, target); err != nil {
		return err
	}
	if len(s.breaches) > from {
		s.under(from, f.name)
	}
	return nil
}

// writeRecord writes a struct, with a tag first where it is a case of a union.
func (t *Type) writeRecord(k *sink, v reflect.Value, tag, name string) error {
	n := 0
	if tag != "" {
		n++
	}
	if !k.json {
		for i := range t.fields {
			if _, ok := t.present(v, i); ok {
				n++
			}
		}
	}
	if err := k.openObject(n); err != nil {
		return err
	}
	at := 0
	if tag != "" {
		if err := k.key(at, tag); err != nil {
			return err
		}
		if err := k.text(name); err != nil {
			return err
		}
		at++
	}
	for i := range t.fields {
		f := &t.fields[i]
		value, ok := t.present(v, i)
		if !ok {
			continue
		}
		if err := k.key(at, f.name); err != nil {
			return err
		}
		if err := f.typ.write(k, value); err != nil {
			return within(err, f.name)
		}
		at++
	}
	k.close('}')
	return nil
}

func (t *Type) present(v reflect.Value, i int) (reflect.Value, bool) {
	f := &t.fields[i]
	value := v
	if len(f.index) == 1 {
		value = v.Field(f.index[0])
	} else if value = fieldOf(v, f.index, false); !value.IsValid() {
		return value, false
	}
	return value, f.omit == nil || !f.omit(value)
}

func (t *Type) recordSchema(d *definitions) map[string]any {
	properties, required := map[string]any{}, []any{}
	for _, f := range t.fields {
		schema := d.refer(f.typ)
		if f.doc != "" {
			described := map[string]any{"description": f.doc}
			for key, value := range schema {
				described[key] = value
			}
			schema = described
		}
		properties[f.name] = schema
		if !f.optional {
			required = append(required, f.name)
		}
	}
	schema := map[string]any{"type": "object", "properties": properties}
	if len(required) > 0 {
		schema["required"] = required
	}
	return schema
}

func (m *maker) fillMap(t *Type) (err error) {
	if t.elem, err = m.of(t.rt.Elem()); err != nil {
		return err
	}
	key := t.rt.Key()
	if key.Kind() != reflect.String {
		return fmt.Errorf("%v cannot be part of a contract: keys are text, so use map[string]%v", t.rt, t.rt.Elem())
	}
	t.schema = func(d *definitions) map[string]any {
		schema := map[string]any{"type": "object"}
		if elem := d.refer(t.elem); len(elem) > 0 {
			schema["additionalProperties"] = elem
		}
		return schema
	}
	t.read = func(s *source, v reflect.Value) error {
		m, ok, err := s.enter(object)
		if err != nil || !ok {
			return err
		}
		v.Set(reflect.MakeMapWithSize(t.rt, min(m.left, sliceGuess)))
		for {
			more, err := s.more(&m)
			if err != nil || !more {
				return err
			}
			name, err := s.key()
			if err != nil {
				return err
			}
			text := string(name)
			member := reflect.New(t.rt.Elem()).Elem()
			from := len(s.breaches)
			if err := t.elem.read(s, member); err != nil {
				return err
			}
			s.under(from, text)
			v.SetMapIndex(reflect.ValueOf(text).Convert(key), member)
		}
	}
	t.write = func(k *sink, v reflect.Value) error {
		if err := k.openObject(v.Len()); err != nil {
			return err
		}
		keys := v.MapKeys()
		// Sorted, so that the same map is always the same body.
		sort.Slice(keys, func(i, j int) bool { return keys[i].String() < keys[j].String() })
		for i, key := range keys {
			if err := k.key(i, key.String()); err != nil {
				return err
			}
			if err := t.elem.write(k, v.MapIndex(key)); err != nil {
				return within(err, key.String())
			}
		}
		k.close('}')
		return nil
	}
	return nil
}
