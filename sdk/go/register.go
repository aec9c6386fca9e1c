package dragoman

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"sync"

	"github.com/dragoman/dragoman/sdk/go/internal/value"
	"github.com/dragoman/dragoman/sdk/go/internal/wire"
)

// Option says more about a function than its type does.
type Option func(*function)

// Description is what the function does, for people.
func Description(text string) Option { return func(f *function) { f.description = text } }

// Version is the function's semantic version, such as "1.2.0".
func Version(version string) Option { return func(f *function) { f.version = version } }

// Idempotent says that calling twice does what calling once does: it may be retried, cached, and called by GET.
func Idempotent() Option { return func(f *function) { f.idempotent = true } }

// InputStream names the property of the input that a second parameter of type iter.Seq2 takes; "items" otherwise.
func InputStream(name string) Option { return func(f *function) { f.inputStream = name } }

// function is one registered function: its contract, and how it is called.
type function struct {
	name        string
	version     string
	description string
	idempotent  bool
	inputStream string

	quick       int // below zero: slow lately; under the lock of the line
	fn          reflect.Value
	takes       []parameter
	input       *value.Type
	rawOnly     bool // the input is raw bytes and nothing else
	takesStream bool
	rawAt       int          // the only field of the input, which is bytes; -1 for none
	itemsRT     reflect.Type // of a second parameter, which takes the input stream

	output    *value.Type
	raw       reflect.Type // of a result that is bytes
	streaming bool
	pull      func(reflect.Value) func(func(reflect.Value, error) bool)
	fails     bool
}

type parameter uint8

const (
	takesContext parameter = iota
	takesInput
	takesItems
)

var (
	registry   []*function
	registryMu sync.Mutex

	contextType = reflect.TypeFor[context.Context]()
	errorType   = reflect.TypeFor[error]()
	bytesType   = reflect.TypeFor[[]byte]()
	arrowType   = reflect.TypeFor[Arrow]()
	lentType    = reflect.TypeFor[Lent]()

	versionShape = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$`)
	})
)

// Register offers a function under a name. Its shape is one of
//
//	func(ctx context.Context, in In) (Out, error)
//	func(ctx context.Context, in In) iter.Seq2[Item, error]                              // a stream
//	func(ctx context.Context, in In, items iter.Seq2[Item, error]) (Out, error)          // takes a stream
//
// where the context, the input, the output and the error may each be left out, an iter.Seq2 may come with an error
// beside it, and a field of In may be the input stream as well. In is a struct (or a map); a []byte, Lent or Arrow
// takes raw bytes. What cannot be a contract is told when the worker starts.
func Register(name string, fn any, options ...Option) {
	f := &function{name: name, fn: reflect.ValueOf(fn), rawAt: -1}
	for _, option := range options {
		option(f)
	}
	registryMu.Lock()
	defer registryMu.Unlock()
	registry = append(registry, f)
}

// contracts makes all registered functions ready, and gives the manifest.
func contracts(functions []*function) ([]json.RawMessage, error) {
	if len(functions) == 0 {
		return nil, fmt.Errorf("no function is registered: call dragoman.Register before dragoman.Main")
	}
	manifest := make([]json.RawMessage, len(functions))
	seen := map[string]bool{}
	for i, f := range functions {
		if seen[f.name] {
			return nil, fmt.Errorf("two functions are registered as %q: give one of the two another name", f.name)
		}
		seen[f.name] = true
		entry, err := f.contract()
		if err != nil {
			return nil, fmt.Errorf("the function %q cannot be offered: %w", f.name, err)
		}
		if manifest[i], err = json.Marshal(entry); err != nil {
			return nil, fmt.Errorf("the function %q cannot be offered: %w", f.name, err)
		}
	}
	return manifest, nil
}

// isName says whether text is a letter or '_', then letters, digits, '_' and '-'.
func isName(text string) bool {
	const most = 128 // as in every other language: long enough for people, short enough for a label
	for i := range len(text) {
		c := text[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_'
		if !letter && (i == 0 || c != '-' && (c < '0' || c > '9')) {
			return false
		}
	}
	return text != "" && len(text) <= most
}

type contract struct {
	Name        string         `json:"name"`
	Version     string         `json:"version,omitempty"`
	Description string         `json:"description,omitempty"`
	Input       map[string]any `json:"input"`
	Output      map[string]any `json:"output"`
	Streaming   bool           `json:"streaming,omitempty"`
	InputStream string         `json:"input_stream,omitempty"`
	Idempotent  bool           `json:"idempotent,omitempty"`
	RawInput    bool           `json:"raw_input,omitempty"`
	RawOutput   bool           `json:"raw_output,omitempty"`
}

func (f *function) contract() (*contract, error) {
	if !isName(f.name) {
		return nil, fmt.Errorf("a name is a letter or '_', then letters, digits, '_' and '-', at most 128")
	}
	if f.version != "" && !versionShape().MatchString(f.version) {
		return nil, fmt.Errorf("%.64q is not a semantic version: write it like \"1.2.0\"", f.version)
	}
	if f.fn.Kind() != reflect.Func || f.fn.IsNil() {
		return nil, fmt.Errorf("what is registered is a %v, not a function", f.fn.Kind())
	}
	c := &contract{Name: f.name, Version: f.version, Description: f.description, Idempotent: f.idempotent}
	if err := f.readParameters(c); err != nil {
		return nil, err
	}
	return c, f.readResults(c)
}

func (f *function) readParameters(c *contract) error {
	rt := f.fn.Type()
	if rt.IsVariadic() {
		return fmt.Errorf("it takes any number of arguments: let it take one struct")
	}
	c.Input = value.EmptyInput()
	for i := range rt.NumIn() {
		in := rt.In(i)
		_, streams := value.Seq2(in)
		var err error
		switch {
		case in == contextType && i == 0:
			f.takes = append(f.takes, takesContext)
		case streams && f.itemsRT == nil:
			f.takes, f.itemsRT = append(f.takes, takesItems), in
		case f.input == nil && !f.rawOnly && f.itemsRT == nil && in != contextType:
			f.takes = append(f.takes, takesInput)
			err = f.readInput(in, c)
		default:
			return fmt.Errorf("its type is %v: it takes a context, one input and one input stream at most, in this order", rt)
		}
		if err != nil {
			return err
		}
	}
	if f.rawOnly && f.itemsRT != nil {
		return fmt.Errorf("an input stream needs a struct beside it, or nothing")
	}
	if f.rawOnly {
		return nil
	}
	return f.combine(c)
}

// combine makes one record of the input and of the stream beside it, where there is one.
func (f *function) combine(c *contract) (err error) {
	if f.input == nil {
		if f.input, err = value.Of(reflect.TypeFor[struct{}]()); err != nil {
			return err
		}
	}
	if f.itemsRT != nil {
		if f.inputStream == "" {
			f.inputStream = "items"
		}
		if f.input, err = f.input.WithStream(f.inputStream, f.itemsRT); err != nil {
			return err
		}
	}
	if c.Input, c.InputStream, err = f.input.Schema(true); err != nil {
		return err
	}
	f.takesStream = c.InputStream != ""
	if _, ok := c.Input["type"]; !ok && c.Input["$ref"] == nil && c.Input["anyOf"] == nil {
		c.Input["type"] = "object"
	}
	return nil
}

func isBytes(rt reflect.Type) bool { return rt == bytesType || rt == arrowType || rt == lentType }

// mediaType says of bytes what they are, where that is known.
func bytesSchema(rt reflect.Type) map[string]any {
	schema := map[string]any{"type": "string", "contentEncoding": "base64"}
	if rt == arrowType {
		schema["contentMediaType"] = "application/vnd.apache.arrow.stream"
	}
	return schema
}

func (f *function) readInput(rt reflect.Type, c *contract) (err error) {
	if isBytes(rt) {
		f.rawOnly, c.RawInput = true, true
		c.Input = map[string]any{
			"type": "object", "properties": map[string]any{"data": bytesSchema(rt)}, "required": []any{"data"}, "additionalProperties": false,
		}
		f.input, err = value.Of(reflect.TypeFor[rawInput]())
		return err
	}
	inner := rt
	if rt.Kind() == reflect.Pointer {
		inner = rt.Elem()
	}
	if f.input, err = value.Of(inner); err != nil {
		return err
	}
	if !f.input.Object() {
		return fmt.Errorf("its input is %v: it must be a struct, whose fields are the names that callers give", rt)
	}
	if inner.Kind() == reflect.Struct && inner.NumField() == 1 && isBytes(inner.Field(0).Type) {
		f.rawAt, c.RawInput = 0, true
	}
	return nil
}

// rawInput is how raw bytes come in JSON and MessagePack.
type rawInput struct {
	Data []byte `json:"data"`
}

func (f *function) readResults(c *contract) (err error) {
	rt := f.fn.Type()
	n := rt.NumOut()
	if n > 0 && rt.Out(n-1) == errorType {
		f.fails = true
		n--
	}
	c.Output = map[string]any{"type": "null"}
	switch {
	case n == 0:
		return nil
	case n > 1:
		return fmt.Errorf("its type is %v: it gives one result and an error at most", rt)
	}
	out := rt.Out(0)
	if item, ok := value.Seq2(out); ok {
		f.streaming, f.pull, out = true, value.Items, item
	} else if item, ok := seq(out); ok {
		f.streaming, f.pull, out = true, plainItems, item
	}
	c.Streaming = f.streaming
	if isBytes(out) {
		f.raw, c.RawOutput = out, true
		c.Output = bytesSchema(out)
	}
	if f.output, err = value.Of(out); err != nil || c.RawOutput {
		return err
	}
	c.Output, _, err = f.output.Schema(false)
	return err
}

// seq says whether a type is an iter.Seq[T], and gives T.
func seq(rt reflect.Type) (reflect.Type, bool) {
	if rt.Kind() != reflect.Func || rt.NumIn() != 1 || rt.NumOut() != 0 {
		return nil, false
	}
	yield := rt.In(0)
	if yield.Kind() != reflect.Func || yield.NumIn() != 1 || yield.NumOut() != 1 || yield.Out(0).Kind() != reflect.Bool {
		return nil, false
	}
	return yield.In(0), true
}

func plainItems(v reflect.Value) func(func(reflect.Value, error) bool) {
	return func(yield func(reflect.Value, error) bool) {
		if v.IsNil() {
			return
		}
		inner := reflect.MakeFunc(v.Type().In(0), func(args []reflect.Value) []reflect.Value {
			return []reflect.Value{reflect.ValueOf(yield(args[0], nil))}
		})
		v.Call([]reflect.Value{inner})
	}
}

// replyCodec is the codec of the reply to a CALL.
func (f *function) replyCodec(frame *wire.Frame) wire.Codec {
	wanted := frame.ReplyCodec()
	if wanted == wire.None {
		wanted = frame.BodyCodec()
	}
	switch {
	case f.raw == nil && wanted != wire.MessagePack:
		return wire.JSON
	case f.raw == nil || wanted == wire.JSON || wanted == wire.MessagePack:
		return wanted
	case wanted == wire.None:
		return wire.JSON
	case f.raw == arrowType:
		return wire.Arrow
	}
	return wire.Bytes
}
