package value

import (
	"fmt"
	"reflect"
	"strings"
)

// definitions collects the named types that a schema refers to.
type definitions struct {
	names map[*Type]string
	taken map[string]bool
	defs  map[string]any
	err   error
}

// refer is the schema of a type where it is used: a reference for a named record, union or enum.
func (d *definitions) refer(t *Type) map[string]any {
	if t.stream >= 0 {
		d.err = fmt.Errorf("%v has an input stream, so it can only be the input itself", t.rt)
	}
	if t.rt.Name() == "" || t.byName == nil && t.choices == nil && t.union == nil {
		return t.schema(d)
	}
	name, ok := d.names[t]
	if !ok {
		name = d.name(t.rt)
		d.names[t] = name
		d.defs[name] = t.schema(d)
	}
	return map[string]any{"$ref": "#/$defs/" + name}
}

// name is a name for a type that no other has: those of type parameters are spelt out by letters only.
func (d *definitions) name(rt reflect.Type) string {
	base := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_':
			return r
		}
		return '_'
	}, lastNames(rt.Name()))
	name := base
	for i := 2; d.taken[name]; i++ {
		name = fmt.Sprintf("%s%d", base, i)
	}
	d.taken[name] = true
	return name
}

// lastNames takes the package paths out of the name of an instantiated type.
func lastNames(name string) string {
	parts := strings.FieldsFunc(name, func(r rune) bool { return r == '[' || r == ']' || r == ',' })
	for i, part := range parts {
		parts[i] = part[strings.LastIndexAny(part, "/.")+1:]
	}
	return strings.Join(parts, "_")
}

// Schema is the JSON Schema of a type. As the input of a function a record takes no keys but its own, and the name of
// its input stream is given too.
func (t *Type) Schema(input bool) (schema map[string]any, stream string, err error) {
	d := &definitions{map[*Type]string{}, map[string]bool{}, map[string]any{}, nil}
	schema = t.schema(d)
	if t.byName == nil && t.rt.Name() != "" && !input {
		schema = d.refer(t)
	}
	if input && t.byName != nil {
		schema["additionalProperties"] = false
		if t.stream >= 0 {
			stream = t.fields[t.stream].name
		}
	}
	if len(d.defs) > 0 {
		top := make(map[string]any, len(schema)+1)
		for key, value := range schema {
			top[key] = value
		}
		top["$defs"] = d.defs
		schema = top
	}
	if t.stream >= 0 && !input {
		d.err = fmt.Errorf("%v has an input stream, so it can only be the input itself", t.rt)
	}
	return schema, stream, d.err
}

// EmptyInput is the schema of an input without any property.
func EmptyInput() map[string]any {
	return map[string]any{"type": "object", "properties": map[string]any{}, "additionalProperties": false}
}
