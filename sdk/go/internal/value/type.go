package value

import (
	"encoding"
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"sync"
	"time"
)

// Type is a Go type made ready: how its values are read and written, and its schema. Types may be recursive.
type Type struct {
	rt     reflect.Type
	read   func(*source, reflect.Value) error
	write  func(*sink, reflect.Value) error
	schema func(*definitions) map[string]any

	elem    *Type
	fields  []field
	byName  map[string]int
	choices *choices
	union   *union
	// stream is the position of the field that is an input stream, -1 for none.
	stream int
	rest   *Type // the record without its input stream
}

// field is one property of a record.
type field struct {
	name     string
	index    []int
	typ      *Type
	optional bool // may be absent
	omit     func(reflect.Value) bool
	doc      string
}

// SchemaFormat names the JSON Schema format of a type that is written as text.
type SchemaFormat interface{ SchemaFormat() string }

var (
	textMarshaler   = reflect.TypeFor[encoding.TextMarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	jsonMarshaler   = reflect.TypeFor[json.Marshaler]()
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	schemaFormat    = reflect.TypeFor[SchemaFormat]()
	errorType       = reflect.TypeFor[error]()

	types  sync.Map // of reflect.Type to *Type
	making sync.Mutex
)

// Of makes a Go type ready. It refuses, by name, a type that cannot be a contract.
func Of(rt reflect.Type) (*Type, error) {
	if found, ok := types.Load(rt); ok {
		return found.(*Type), nil
	}
	making.Lock()
	defer making.Unlock()
	m := maker{made: map[reflect.Type]*Type{}}
	t, err := m.of(rt)
	if err != nil {
		return nil, err
	}
	for rt, t := range m.made {
		types.LoadOrStore(rt, t)
	}
	return t, nil
}

// maker makes a type and all that it is made of.
type maker struct{ made map[reflect.Type]*Type }

func (m *maker) of(rt reflect.Type) (*Type, error) {
	if found, ok := types.Load(rt); ok {
		return found.(*Type), nil
	}
	if t, ok := m.made[rt]; ok {
		return t, nil
	}
	t := &Type{rt: rt, stream: -1}
	m.made[rt] = t
	if err := m.fill(t); err != nil {
		delete(m.made, rt)
		return nil, err
	}
	if choices, err := choicesOf(t); err != nil {
		return nil, err
	} else if choices != nil {
		t.restrict(choices)
	}
	return t, nil
}

func (m *maker) fill(t *Type) error {
	if known, ok := special[t.rt]; ok {
		if known == nil {
			return fmt.Errorf("%v cannot be part of a contract, since it would round decimals: use dragoman.Decimal, big.Rat or float64", t.rt)
		}
		known(t)
		return nil
	}
	if u := unionOf(t.rt); u != nil {
		return m.fillUnion(t, u)
	}
	pointer := reflect.PointerTo(t.rt)
	switch {
	case t.rt.Kind() == reflect.Pointer:
		return m.fillPointer(t)
	case pointer.Implements(textUnmarshaler) && pointer.Implements(textMarshaler):
		fillText(t)
		return nil
	case pointer.Implements(jsonUnmarshaler) && pointer.Implements(jsonMarshaler):
		fillMarshaler(t)
		return nil
	}
	switch t.rt.Kind() {
	case reflect.Struct:
		return m.fillStruct(t)
	case reflect.Slice:
		if t.rt.Elem().Kind() == reflect.Uint8 {
			fillBytes(t)
			return nil
		}
		return m.fillSlice(t)
	case reflect.Array:
		return m.fillArray(t)
	case reflect.Map:
		return m.fillMap(t)
	case reflect.Interface:
		if t.rt.NumMethod() == 0 {
			fillAny(t)
			return nil
		}
		return fmt.Errorf("%v cannot be part of a contract: an interface has no shape; name its cases by dragoman.RegisterUnion", t.rt)
	}
	if fillBasic(t) {
		return nil
	}
	if _, ok := Seq2(t.rt); ok {
		return fmt.Errorf("%v can only be a field of the input itself, or the result", t.rt)
	}
	return fmt.Errorf("%v cannot be part of a contract: use structs, slices, maps, pointers, numbers, strings, booleans, []byte, times", t.rt)
}

// special are the types that are written in a way of their own.
var special map[reflect.Type]func(*Type)

func init() {
	special = map[reflect.Type]func(*Type){
		reflect.TypeFor[time.Time]():       fillTime,
		reflect.TypeFor[time.Duration]():   fillDuration,
		reflect.TypeFor[big.Int]():         fillBigInt,
		reflect.TypeFor[big.Rat]():         fillRat,
		reflect.TypeFor[big.Float]():       nil,
		reflect.TypeFor[json.Number]():     fillNumber,
		reflect.TypeFor[json.RawMessage](): fillRaw,
	}
}

// Seq2 says whether a type is an iter.Seq2[T, error], and gives T.
func Seq2(rt reflect.Type) (reflect.Type, bool) {
	if rt.Kind() != reflect.Func || rt.NumIn() != 1 || rt.NumOut() != 0 {
		return nil, false
	}
	yield := rt.In(0)
	if yield.Kind() != reflect.Func || yield.NumIn() != 2 || yield.NumOut() != 1 ||
		yield.In(1) != errorType || yield.Out(0).Kind() != reflect.Bool {
		return nil, false
	}
	return yield.In(0), true
}

func (m *maker) fillPointer(t *Type) (err error) {
	if t.elem, err = m.of(t.rt.Elem()); err != nil {
		return err
	}
	t.read = func(s *source, v reflect.Value) error {
		found, err := s.peek()
		if err != nil {
			return err
		}
		// Of a pointer to a pointer only the inner one is null: so absent and null can be told apart.
		if found == null && t.elem.rt.Kind() != reflect.Pointer {
			v.SetZero()
			return s.null()
		}
		target := reflect.New(t.rt.Elem())
		v.Set(target)
		return t.elem.read(s, target.Elem())
	}
	t.write = func(k *sink, v reflect.Value) error {
		if v.IsNil() {
			k.null()
			return nil
		}
		return t.elem.write(k, v.Elem())
	}
	t.schema = func(d *definitions) map[string]any { return nullableSchema(d.refer(t.elem)) }
	return nil
}

func nullableSchema(schema map[string]any) map[string]any {
	if len(schema) == 0 || schema["type"] == "null" {
		return schema
	}
	if cases, ok := schema["anyOf"].([]any); ok && len(schema) == 1 {
		for _, each := range cases {
			if inner, ok := each.(map[string]any); ok && inner["type"] == "null" {
				return schema
			}
		}
	}
	return map[string]any{"anyOf": []any{schema, map[string]any{"type": "null"}}}
}

func (m *maker) fillSlice(t *Type) (err error) {
	if t.elem, err = m.of(t.rt.Elem()); err != nil {
		return err
	}
	t.schema = func(d *definitions) map[string]any {
		return map[string]any{"type": "array", "items": d.refer(t.elem)}
	}
	t.read = func(s *source, v reflect.Value) error {
		m, ok, err := s.enter(array)
		if err != nil || !ok {
			return err
		}
		v.Set(reflect.MakeSlice(t.rt, 0, min(m.left, sliceGuess)))
		for i := 0; ; i++ {
			more, err := s.more(&m)
			if err != nil || !more {
				return err
			}
			if i == v.Cap() {
				v.Grow(1)
			}
			v.SetLen(i + 1)
			if err := t.elem.readMember(s, v.Index(i), i); err != nil {
				return err
			}
		}
	}
	t.write = func(k *sink, v reflect.Value) error { return t.writeMembers(k, v, v.Len()) }
	fast(t)
	return nil
}

// sliceGuess bounds what is set aside for a slice before its elements have come.
const sliceGuess = 1024

// enter takes the opening of an array or object; false, with a breach, where something else comes.
func (s *source) enter(of kind) (members, bool, error) {
	found, err := s.peek()
	if err != nil {
		return members{}, false, err
	}
	if found != of {
		return members{}, false, s.mismatch(of.String())
	}
	m, err := s.open(of)
	return m, err == nil, err
}

func (t *Type) readMember(s *source, v reflect.Value, i int) error {
	from := len(s.breaches)
	if err := t.read(s, v); err != nil {
		return err
	}
	if len(s.breaches) > from {
		s.under(from, fmt.Sprint(i))
	}
	return nil
}

func (t *Type) writeMembers(k *sink, v reflect.Value, n int) error {
	if err := k.openArray(n); err != nil {
		return err
	}
	for i := range n {
		k.next(i)
		if err := t.elem.write(k, v.Index(i)); err != nil {
			return within(err, fmt.Sprint(i))
		}
	}
	k.close(']')
	return nil
}

func (m *maker) fillArray(t *Type) (err error) {
	if t.elem, err = m.of(t.rt.Elem()); err != nil {
		return err
	}
	n := t.rt.Len()
	t.schema = func(d *definitions) map[string]any {
		return map[string]any{"type": "array", "items": d.refer(t.elem), "minItems": n, "maxItems": n}
	}
	t.read = func(s *source, v reflect.Value) error {
		m, ok, err := s.enter(array)
		if err != nil || !ok {
			return err
		}
		for i := 0; ; i++ {
			more, err := s.more(&m)
			if err != nil {
				return err
			}
			if !more {
				if i != n {
					s.breach("must have %d members, not %d", n, i)
				}
				return nil
			}
			if i >= n {
				err = s.skip()
			} else {
				err = t.elem.readMember(s, v.Index(i), i)
			}
			if err != nil {
				return err
			}
		}
	}
	t.write = func(k *sink, v reflect.Value) error { return t.writeMembers(k, v, n) }
	return nil
}

func (m *maker) fillStruct(t *Type) error {
	if err := m.collect(t, t.rt, nil, 0); err != nil {
		return err
	}
	t.byName = make(map[string]int, len(t.fields))
	for i, f := range t.fields {
		t.byName[f.name] = i
	}
	if t.stream >= 0 {
		t.rest = t.without()
	}
	t.read = func(s *source, v reflect.Value) error { return t.readRecord(s, v, "", false) }
	t.write = func(k *sink, v reflect.Value) error { return t.writeRecord(k, v, "", "") }
	t.schema = func(d *definitions) map[string]any { return t.recordSchema(d) }
	return nil
}

// collect adds the fields of a struct, those of embedded ones as its own; an outer field hides an embedded one.
func (m *maker) collect(t *Type, rt reflect.Type, prefix []int, depth int) error {
	if depth > 16 { // no one embeds deeper; a struct that embeds itself by a pointer would not end
		return fmt.Errorf("%v embeds structs more than 16 deep", t.rt)
	}
	for i := range rt.NumField() {
		sf := rt.Field(i)
		tag, tagged := sf.Tag.Lookup("json")
		name, options, _ := strings.Cut(tag, ",")
		index := append(append([]int{}, prefix...), i)
		inner := sf.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		switch {
		case name == "-" && tagged && options == "":
			continue
		case sf.Anonymous && name == "" && inner.Kind() == reflect.Struct && special[inner] == nil &&
			!reflect.PointerTo(inner).Implements(textUnmarshaler):
			if !sf.IsExported() && sf.Type.Kind() == reflect.Pointer {
				return fmt.Errorf("%v embeds the unexported %v by a pointer, which nothing can set: embed it by value", rt, inner)
			}
			if err := m.collect(t, inner, index, depth+1); err != nil {
				return err
			}
			continue
		case !sf.IsExported():
			continue
		}
		if name == "" {
			name = sf.Name
		}
		if err := m.add(t, sf, name, options, index); err != nil {
			return err
		}
	}
	return nil
}

func (m *maker) add(t *Type, sf reflect.StructField, name, options string, index []int) error {
	f := field{name: name, index: index, doc: sf.Tag.Get("doc")}
	for i, other := range t.fields {
		switch {
		case other.name != name:
		case len(other.index) == len(index):
			return fmt.Errorf("%v has two fields named %q: give one of them another name by a json tag", t.rt, name)
		case len(other.index) < len(index):
			return nil
		default:
			t.fields = append(t.fields[:i:i], t.fields[i+1:]...)
		}
	}
	ft := sf.Type
	if item, ok := Seq2(ft); ok {
		if len(index) > 1 {
			return fmt.Errorf("%v: an input stream must be a field of the input itself, not embedded", t.rt)
		}
		f.typ = streamType(ft)
		var err error
		if f.typ.elem, err = m.of(item); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	} else {
		var err error
		if f.typ, err = m.of(ft); err != nil {
			return fmt.Errorf("%v.%s: %w", t.rt, sf.Name, err)
		}
	}
	f.optional = ft.Kind() == reflect.Pointer
	for _, option := range strings.Split(options, ",") {
		switch option {
		case "omitempty":
			f.optional, f.omit = true, isEmpty
		case "omitzero":
			f.optional, f.omit = true, isZero
		case "string":
			return fmt.Errorf("%v.%s: the json option `string` is not supported: integers are exact without it", t.rt, sf.Name)
		}
	}
	t.fields = append(t.fields, f)
	for i := range t.fields {
		if _, ok := Seq2(t.rt.FieldByIndex(t.fields[i].index).Type); ok {
			if t.stream >= 0 && t.stream != i {
				return fmt.Errorf("%v has two input streams: one at most can be told apart", t.rt)
			}
			t.stream = i
		}
	}
	return nil
}

func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

func isZero(v reflect.Value) bool {
	if zero, ok := v.Interface().(interface{ IsZero() bool }); ok && (v.Kind() != reflect.Pointer || !v.IsNil()) {
		return zero.IsZero()
	}
	return v.IsZero()
}
