package value

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
)

// choices are the values of an enum: a named string or integer type with a method `Enum() []T` that lists them.
type choices struct {
	values []any
	legal  map[any]bool
}

func choicesOf(t *Type) (*choices, error) {
	rt := t.rt
	method, ok := rt.MethodByName("Enum")
	if rt.Kind() == reflect.Interface || rt.Kind() == reflect.Pointer || !ok || method.Type.NumIn() != 1 ||
		method.Type.NumOut() != 1 || method.Type.Out(0) != reflect.SliceOf(rt) {
		return nil, nil
	}
	var plain reflect.Type
	switch {
	case rt.Kind() == reflect.String:
		plain = reflect.TypeFor[string]()
	case reflect.Zero(rt).CanInt():
		plain = reflect.TypeFor[int64]()
	case reflect.Zero(rt).CanUint():
		plain = reflect.TypeFor[uint64]()
	default:
		return nil, fmt.Errorf("%v has a method Enum, but only strings and integers can be enums", rt)
	}
	all := reflect.Zero(rt).Method(method.Index).Call(nil)[0]
	if all.Len() == 0 {
		return nil, fmt.Errorf("%v is an enum without any value: its method Enum must list them", rt)
	}
	c := &choices{legal: map[any]bool{}}
	for i := range all.Len() {
		value := all.Index(i).Convert(plain).Interface()
		c.values, c.legal[value] = append(c.values, value), true
	}
	return c, nil
}

func (t *Type) restrict(c *choices) {
	read, write := t.read, t.write
	plain := reflect.TypeOf(c.values[0])
	words := make([]string, 0, 8)
	for _, value := range c.values[:min(len(c.values), cap(words))] {
		words = append(words, fmt.Sprintf("%v", value))
	}
	if len(c.values) > len(words) {
		words = append(words, "…")
	}
	t.choices = c
	t.read = func(s *source, v reflect.Value) error {
		from := len(s.breaches)
		err := read(s, v)
		if err == nil && len(s.breaches) == from && !c.legal[v.Convert(plain).Interface()] {
			s.breach("must be one of %s", strings.Join(words, ", "))
		}
		return err
	}
	t.write = func(k *sink, v reflect.Value) error {
		if value := v.Convert(plain).Interface(); !c.legal[value] {
			return unsayable("%v is not one of %s", value, strings.Join(words, ", "))
		}
		return write(k, v)
	}
	t.schema = func(*definitions) map[string]any { return map[string]any{"enum": c.values} }
}

// union is an interface whose cases are structs, told apart by a property.
type union struct {
	tag   string
	names []string
	cases map[string]reflect.Type
	types map[string]*Type
	named map[reflect.Type]string
}

var unions sync.Map // of reflect.Type to *union

func unionOf(rt reflect.Type) *union {
	if found, ok := unions.Load(rt); ok {
		return found.(*union)
	}
	return nil
}

// RegisterUnion makes an interface type a tagged union of struct types, or pointers to them.
func RegisterUnion(rt reflect.Type, tag string, names []string, cases []reflect.Type) error {
	if rt.Kind() != reflect.Interface {
		return fmt.Errorf("%v is not an interface: a union needs one that its cases implement", rt)
	}
	if tag == "" || len(cases) == 0 {
		return fmt.Errorf("the union %v needs a tag and at least one case", rt)
	}
	u := &union{tag, names, map[string]reflect.Type{}, map[string]*Type{}, map[reflect.Type]string{}}
	for i, each := range cases {
		name := names[i]
		inner := each
		if each != nil && each.Kind() == reflect.Pointer {
			inner = each.Elem()
		}
		if each == nil || inner.Kind() != reflect.Struct {
			return fmt.Errorf("the case %q of the union %v must be a struct or a pointer to one", name, rt)
		}
		if u.cases[name] != nil || u.named[each] != "" {
			return fmt.Errorf("the union %v has the case %q twice", rt, name)
		}
		u.cases[name], u.named[each] = each, name
	}
	if _, twice := unions.LoadOrStore(rt, u); twice {
		return fmt.Errorf("the union %v is registered twice", rt)
	}
	return nil
}

func (m *maker) fillUnion(t *Type, u *union) error {
	for name, each := range u.cases {
		inner := each
		if each.Kind() == reflect.Pointer {
			inner = each.Elem()
		}
		typ, err := m.of(inner)
		if err != nil {
			return err
		}
		if special[inner] != nil || reflect.PointerTo(inner).Implements(textUnmarshaler) || reflect.PointerTo(inner).Implements(jsonUnmarshaler) {
			return fmt.Errorf("%v cannot be a case of %v: it has a form of its own", inner, t.rt)
		}
		for _, f := range typ.fields {
			if f.name == u.tag {
				return fmt.Errorf("%v cannot be a case of %v: its field %q is the tag", inner, t.rt, u.tag)
			}
		}
		u.types[name] = typ
	}
	t.union = u
	t.read = t.readUnion
	t.write = t.writeUnion
	t.schema = func(d *definitions) map[string]any {
		cases := make([]any, len(u.names))
		for i, name := range u.names {
			schema := u.types[name].recordSchema(d)
			schema["properties"].(map[string]any)[u.tag] = map[string]any{"const": name}
			required, _ := schema["required"].([]any)
			schema["required"] = append([]any{u.tag}, required...)
			cases[i] = schema
		}
		return map[string]any{"anyOf": cases}
	}
	return nil
}

func (t *Type) readUnion(s *source, v reflect.Value) error {
	found, err := s.peek()
	if err != nil {
		return err
	}
	if found != object {
		return s.mismatch("an object")
	}
	from, depth := s.at, s.depth
	name, ok, err := s.tag(t.union.tag)
	if err != nil {
		return err
	}
	each := t.union.cases[name]
	if each == nil {
		known := strings.Join(t.union.names[:min(len(t.union.names), 8)], ", ")
		if ok {
			s.breachAt("/"+escape(t.union.tag), "must be one of %s", known)
		} else {
			s.breachAt("/"+escape(t.union.tag), "is required: one of %s", known)
		}
		return nil
	}
	s.at, s.depth = from, depth
	inner := each
	if each.Kind() == reflect.Pointer {
		inner = each.Elem()
	}
	target := reflect.New(inner)
	if err := t.union.types[name].readRecord(s, target.Elem(), t.union.tag, false); err != nil {
		return err
	}
	if each.Kind() != reflect.Pointer {
		target = target.Elem()
	}
	v.Set(target)
	return nil
}

// tag passes over an object and gives the text of one of its keys.
func (s *source) tag(tag string) (name string, found bool, err error) {
	m, err := s.open(object)
	if err != nil {
		return "", false, err
	}
	for {
		more, err := s.more(&m)
		if err != nil || !more {
			return name, found, err
		}
		key, err := s.key()
		if err != nil {
			return "", false, err
		}
		is := string(key) == tag
		of, err := s.peek()
		if err != nil {
			return "", false, err
		}
		if !is || of != text {
			found = found || is
			err = s.skip()
		} else {
			var raw []byte
			raw, err = s.text()
			name, found = string(raw), true
		}
		if err != nil {
			return "", false, err
		}
	}
}

func (t *Type) writeUnion(k *sink, v reflect.Value) error {
	if v.IsNil() {
		return unsayable("a nil %v, which is none of its cases", t.rt)
	}
	v = v.Elem()
	name, ok := t.union.named[v.Type()]
	if !ok {
		return unsayable("a %v, which is no case of %v", v.Type(), t.rt)
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return unsayable("a nil %v", v.Type())
		}
		v = v.Elem()
	}
	return t.union.types[name].writeRecord(k, v, t.union.tag, name)
}
