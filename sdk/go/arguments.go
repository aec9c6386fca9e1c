package dragoman

import (
	"bytes"
	"reflect"

	"github.com/dragoman/dragoman/sdk/go/internal/value"
	"github.com/dragoman/dragoman/sdk/go/internal/wire"
)

// keptBytes is up to where raw bytes are copied for a function, so that a small piece that it keeps does not keep the
// whole read alive.
const keptBytes = 16 << 10

// arguments are what the function of a call is called with.
func (s *server) arguments(c *call, f *function) ([]reflect.Value, error) {
	input, err := s.input(c, f)
	if err != nil {
		return nil, err
	}
	arguments := make([]reflect.Value, 0, 3)
	for i, takes := range f.takes {
		switch takes {
		case takesContext:
			arguments = append(arguments, reflect.ValueOf(c))
		case takesItems:
			arguments = append(arguments, input.Field(1))
		case takesInput:
			argument := input
			if f.itemsRT != nil {
				argument = input.Field(0)
			}
			if wanted := f.fn.Type().In(i); f.rawOnly {
				argument = argument.Convert(wanted)
			} else if wanted.Kind() == reflect.Pointer {
				argument = argument.Addr()
			}
			arguments = append(arguments, argument)
		}
	}
	return arguments, nil
}

// input is the input of a call, decoded.
func (s *server) input(c *call, f *function) (reflect.Value, error) {
	body, err := s.body(&c.frame)
	if err != nil {
		return reflect.Value{}, err
	}
	codec := c.frame.BodyCodec()
	switch codec {
	case wire.None:
		codec, body = wire.JSON, []byte("{}")
	case wire.Bytes, wire.Arrow:
		return f.rawInput(codec, body, c.frame.Flags&wire.Segment != 0)
	}
	if f.rawOnly {
		data := f.input.New()
		if err := f.input.Decode(value.Codec(codec), body, data, true); err != nil {
			return data, &served{refused(s.fullName(f), err)}
		}
		return data.Field(0), nil
	}
	input := f.input.New()
	if c.frame.Flags&wire.Input == 0 {
		if err := f.input.Decode(value.Codec(codec), body, input, true); err != nil {
			return input, &served{refused(s.fullName(f), err)}
		}
		return input, nil
	}
	if err := f.input.DecodeWithout(value.Codec(codec), body, input); err != nil {
		return input, &served{refused(s.fullName(f), err)}
	}
	name, at, item := f.input.Stream()
	stream := input.Field(at)
	stream.Set(value.MakeSeq2(stream.Type(), item.Go(), func(yield func(reflect.Value, error) bool) {
		s.decodeItems(c, name, item, yield)
	}))
	return input, nil
}

// rawInput is the input of a function that takes raw bytes, or a record of nothing but bytes.
func (f *function) rawInput(codec wire.Codec, body []byte, shared bool) (reflect.Value, error) {
	if !f.rawOnly && f.rawAt < 0 {
		return reflect.Value{}, refuse(Unimplemented, "%s speaks JSON and MessagePack, not %v", f.name, codec)
	}
	lends := func(rt reflect.Type) bool { return rt == arrowType || rt == lentType }
	if f.rawOnly {
		if !lends(f.fn.Type().In(len(f.takes)-1)) && (shared || len(body) <= keptBytes) {
			body = bytes.Clone(body)
		}
		return reflect.ValueOf(body), nil
	}
	input := f.input.New()
	if target := input.Field(f.rawAt); lends(target.Type()) || !shared && len(body) > keptBytes {
		target.SetBytes(body)
	} else {
		target.SetBytes(bytes.Clone(body))
	}
	return input, nil
}

// decodeItems hands over the values of an input stream. One that breaks its contract ends it, and the call.
func (s *server) decodeItems(c *call, name string, item *value.Type, yield func(reflect.Value, error) bool) {
	c.items(func(frame *wire.Frame, at int, err error) bool {
		if err != nil {
			return yield(item.New(), err)
		}
		target := item.New()
		err = s.decodeItem(frame, item, target)
		c.consumed(frame)
		if err != nil {
			fault := refusedItem(s.fullName(c.function), name, at, err)
			s.Lock()
			c.spoiled = fault
			s.Unlock()
			yield(target, fault)
			return false
		}
		return yield(target, nil)
	})
}

func (s *server) decodeItem(frame *wire.Frame, item *value.Type, target reflect.Value) error {
	body, err := s.body(frame)
	if err != nil {
		return err
	}
	switch codec := frame.BodyCodec(); {
	case codec == wire.JSON || codec == wire.MessagePack:
		return item.Decode(value.Codec(codec), body, target, false)
	case isBytes(target.Type()):
		target.SetBytes(bytes.Clone(body))
		return nil
	default:
		return &value.Refused{Breaches: []value.Breach{{Message: "must be in JSON or MessagePack, not " + codec.String()}}}
	}
}

// body is what a frame carries, wherever it lies.
func (s *server) body(frame *wire.Frame) ([]byte, error) {
	if frame.Flags&wire.Segment == 0 {
		return frame.Body, nil
	}
	body, err := s.arenas.body(frame.Region)
	if err != nil {
		return nil, &served{&Fault{Code: Internal, Detail: "the shared memory cannot be mapped: " + err.Error(), Started: StartedNo}}
	}
	return body, nil
}

// fullName is the name by which callers know a function.
func (s *server) fullName(f *function) string {
	if s.conn.Hello.Source == "" {
		return f.name
	}
	return s.conn.Hello.Source + "." + f.name
}
