package dragoman

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"reflect"
	"time"

	"github.com/dragoman/dragoman/sdk/go/internal/value"
	"github.com/dragoman/dragoman/sdk/go/internal/wire"
)

// Caller is what functions are called through: a *Client, or the Host of a running function.
type Caller interface {
	connect(ctx context.Context) (*outbound, error)
}

// Host is the host that runs the function which a context belongs to: any function of the project can be called
// through it. What is called gets what is left of the time, stands in the same trace and is cancelled with its caller.
func Host(ctx context.Context) Caller {
	if c := callOf(ctx); c != nil {
		return c.server
	}
	return nowhere{}
}

type nowhere struct{}

func (nowhere) connect(context.Context) (*outbound, error) {
	return nil, unstarted(FailedPrecondition, "dragoman.Host needs the context of a function that a worker runs")
}

func (s *server) connect(context.Context) (*outbound, error) { return s.out, nil }

// outbound is the calls that one connection has made and waits for. All under the lock of its line.
type outbound struct {
	line     *line
	live     map[uint64]*outgoing
	last     uint64
	lost     *Fault // why nothing more comes
	handOver func()
	idle     func() // told whenever no call is left
	putBody  func(*wire.Frame) error
	body     func(*wire.Frame) ([]byte, error)
}

func newOutbound(l *line, handOver func()) *outbound {
	o := &outbound{line: l, live: map[uint64]*outgoing{}, last: wire.GuestBit, handOver: handOver, idle: func() {}}
	o.putBody = l.put
	o.body = func(frame *wire.Frame) ([]byte, error) { return frame.Body, nil }
	return o
}

// outgoing is one call that was made.
type outgoing struct {
	id       uint64
	function string
	frames   []wire.Frame // items that nobody has taken yet; their credit bounds them
	end      *wire.Frame
	lost     *Fault
	news     chan struct{} // of the reply
	room     chan struct{} // for the input
}

func ring(bell chan struct{}) {
	select {
	case bell <- struct{}{}:
	default:
	}
}

// take takes a frame of a reply. One that nobody waits for any more is dropped. Under the lock.
func (o *outbound) take(frame *wire.Frame) {
	call := o.live[frame.Call]
	if call == nil {
		o.line.release(frame)
		o.line.flush()
		if frame.Kind != wire.Item && len(o.live) == 0 {
			o.idle()
		}
		return
	}
	if frame.Kind == wire.Item {
		call.frames = append(call.frames, *frame)
	} else {
		call.end = frame
		o.forget(call)
		ring(call.room)
	}
	ring(call.news)
}

func (o *outbound) ring(call uint64) {
	if c := o.live[call]; c != nil {
		ring(c.room)
	}
}

func (o *outbound) forget(call *outgoing) {
	delete(o.live, call.id)
	if len(o.live) == 0 {
		o.idle()
	}
}

// fail ends all calls: nothing more comes. Under the lock.
func (o *outbound) fail(fault *Fault) {
	o.lost = fault
	for _, call := range o.live {
		call.lost = fault
		ring(call.news)
		ring(call.room)
	}
	clear(o.live)
	o.idle()
}

// errMoved says that a connection takes no calls any more, and that this one was not sent.
var errMoved = errors.New("the host is about to leave")

// begin makes a call. The frame has flags, codecs and body.
func (o *outbound) begin(ctx context.Context, function string, frame *wire.Frame) (*outgoing, error) {
	if err := ctx.Err(); err != nil {
		return nil, given(err, function, StartedNo)
	}
	entries := wire.Entries{Function: function, Trace: traceOf(ctx), CallID: CallID(ctx)}
	if c := callOf(ctx); c != nil {
		// Past what a byte holds the host has long refused the chain for its depth.
		entries.Depth = min(c.carried().Depth, 254) + 1
	}
	meta, err := wire.AppendEntries(nil, &entries)
	if err != nil {
		return nil, unstarted(InvalidArgument, "%v", err)
	}
	if deadline, ok := ctx.Deadline(); ok {
		left := (time.Until(deadline) + time.Millisecond - 1) / time.Millisecond
		frame.Amount = uint32(min(max(int64(left), 1), int64(^uint32(0))))
	}
	call := &outgoing{function: function, news: make(chan struct{}, 1), room: make(chan struct{}, 1)}
	l := o.line
	l.Lock()
	defer l.Unlock()
	l.room()
	if o.lost != nil || !l.conn.MayCall() {
		return nil, errMoved
	}
	o.last++
	call.id = o.last
	frame.Kind, frame.Call, frame.Meta = wire.Call, call.id, meta
	// It is registered first: where the body is copied into shared memory, the lock is given away.
	o.live[call.id] = call
	if err := o.putBody(frame); err != nil {
		o.forget(call)
		return nil, unsendable(err, function)
	}
	l.flush()
	return call, nil
}

func unsendable(err error, function string) error {
	var oversized *wire.OversizedError
	var illegal *wire.IllegalError
	code := Unavailable
	switch {
	case errors.As(err, &oversized):
		code = InvalidArgument
	case errors.As(err, &illegal):
		code = ResourceExhausted
	}
	fault := unstarted(code, "%s cannot be called: %v", function, err)
	fault.Function = function
	return fault
}

// given is the fault of a call that its context gave up.
func given(err error, function string, started Started) *Fault {
	fault := &Fault{Code: Cancelled, Detail: "the call was cancelled by its caller", Started: started, Function: function, cause: err}
	if errors.Is(err, context.DeadlineExceeded) {
		fault.Code, fault.Detail = DeadlineExceeded, "the caller's deadline passed"
	}
	return fault
}

// next waits for the next item, or the end: then the frame is nil where it was an END without a body.
func (o *outbound) next(ctx context.Context, call *outgoing) (frame *wire.Frame, last bool, err error) {
	l := o.line
	l.Lock()
	defer l.Unlock()
	for {
		switch {
		case len(call.frames) > 0:
			frame := call.frames[0]
			call.frames = call.frames[1:]
			return &frame, false, nil
		case call.end != nil && call.end.Kind == wire.Fault:
			return nil, true, readFault(call.end.Body, call.function)
		case call.end != nil:
			return call.end, true, nil
		case call.lost != nil:
			return nil, true, call.lost
		}
		o.handOver()
		l.Unlock()
		select {
		case <-call.news:
			l.Lock()
		case <-ctx.Done():
			l.Lock()
			if call.end == nil && call.lost == nil {
				o.drop(call)
				return nil, true, given(ctx.Err(), call.function, StartedUnknown)
			}
		}
	}
}

// drop gives a call up, if it has not ended. Under the lock.
func (o *outbound) drop(call *outgoing) {
	for i := range call.frames {
		o.line.release(&call.frames[i])
	}
	call.frames = nil
	if o.live[call.id] == nil {
		return
	}
	call.lost = given(context.Canceled, call.function, StartedUnknown)
	ring(call.room)
	_ = o.line.put(&wire.Frame{Kind: wire.Cancel, Call: call.id})
	o.line.flush()
	o.forget(call)
}

// used grants the callee what an item took, and gives its region back.
func (o *outbound) used(frame *wire.Frame) {
	l := o.line
	l.Lock()
	defer l.Unlock()
	from := l.size
	l.release(frame)
	if frame.Kind == wire.Item {
		if due := l.conn.Consumed(frame.Call, wire.Cost(frame)); due > 0 {
			_ = l.put(&wire.Frame{Kind: wire.Credit, Call: frame.Call, Amount: due})
		}
	}
	if l.size > from {
		l.flush()
	}
}

// feed sends the input stream of a call, in a goroutine of its own.
func (o *outbound) feed(ctx context.Context, call *outgoing, stream reflect.Value, item *value.Type) {
	l := o.line
	for each, err := range value.Items(stream) {
		var body []byte
		codec := value.MessagePack
		if err == nil {
			body, codec, err = item.Encode(nil, codec, each)
		}
		if err == nil && !o.sendItem(ctx, call, &wire.Frame{Kind: wire.Item, Codec: uint8(codec), Call: call.id, Body: body}) {
			return
		}
		if err != nil {
			l.Lock()
			if o.live[call.id] != nil {
				o.drop(call)
				call.lost = &Fault{Code: Cancelled, Detail: "the input stream failed: " + err.Error(), Started: StartedUnknown, Function: call.function, cause: err}
				ring(call.news)
			}
			l.Unlock()
			return
		}
	}
	l.Lock()
	defer l.Unlock()
	if l.conn.Flows(call.id) {
		_ = l.put(&wire.Frame{Kind: wire.End, Call: call.id})
		l.flush()
	}
}

// sendItem sends one item of an input, once there is credit; false where nobody wants it any more.
func (o *outbound) sendItem(ctx context.Context, call *outgoing, frame *wire.Frame) bool {
	l := o.line
	l.Lock()
	defer l.Unlock()
	for o.live[call.id] != nil && l.conn.Flows(call.id) {
		if l.conn.Credit(call.id) > 0 {
			l.room()
			if o.putBody(frame) != nil {
				o.drop(call)
				call.lost = &Fault{Code: InvalidArgument, Detail: "an item of the input is too large to send", Started: StartedUnknown, Function: call.function}
				ring(call.news)
				return false
			}
			l.flush()
			return true
		}
		o.handOver()
		l.Unlock()
		select {
		case <-call.room:
		case <-ctx.Done():
		}
		l.Lock()
		if ctx.Err() != nil {
			return false
		}
	}
	return false
}

// request is a call to be made: how its input is written and its output is read.
type request struct {
	function string
	input    *value.Type
	output   *value.Type
	result   reflect.Type
	nothing  bool // the result is not looked at
}

func newRequest(function string, in, out reflect.Type) (*request, error) {
	r := &request{function: function, result: out, nothing: out.Kind() == reflect.Struct && out.NumField() == 0}
	var err error
	if r.input, err = value.Of(in); err == nil {
		r.output, err = value.Of(out)
	}
	if err != nil {
		return nil, unstarted(InvalidArgument, "%s cannot be called: %v", function, err)
	}
	return r, nil
}

// start encodes the input, makes the call, and begins to send its input stream.
func (r *request) start(ctx context.Context, caller Caller, in reflect.Value, flags wire.Flags) (o *outbound, call *outgoing, err error) {
	const attempts = 3 // a connection may be lost just after it was made; past this it is no accident
	for range attempts {
		if o, err = caller.connect(ctx); err != nil {
			return nil, nil, err
		}
		if call, err = r.startOn(ctx, o, in, flags); err != errMoved {
			return o, call, err
		}
	}
	fault := unstarted(Unavailable, "%s cannot be called: %v", r.function, errMoved)
	o.line.Lock()
	if o.lost != nil {
		*fault = *o.lost
		fault.Started = StartedNo
	}
	o.line.Unlock()
	fault.Function = r.function
	return nil, nil, fault
}

func (r *request) startOn(ctx context.Context, o *outbound, in reflect.Value, flags wire.Flags) (call *outgoing, err error) {
	wanted := wire.MessagePack
	if r.result == arrowType {
		wanted = wire.Arrow
	} else if isBytes(r.result) {
		wanted = wire.Bytes
	}
	frame := wire.Frame{Flags: flags}
	_, at, item := r.input.Stream()
	codec := value.MessagePack
	switch {
	case isBytes(in.Type()):
		frame.Body, codec = in.Bytes(), value.Codec(wire.Bytes)
		if in.Type() == arrowType {
			codec = value.Codec(wire.Arrow)
		}
		item = nil
	case item != nil && o.line.conn.Hello.Has("input"):
		frame.Flags |= wire.Input
		frame.Body, codec, err = r.input.EncodeWithout(nil, codec, in)
	default:
		item = nil
		frame.Body, codec, err = r.input.Encode(nil, codec, in)
	}
	if err != nil {
		return nil, unstarted(InvalidArgument, "the input of %s cannot be sent: %v", r.function, err)
	}
	frame.Codec = uint8(codec) | uint8(wanted)<<4
	call, err = o.begin(ctx, r.function, &frame)
	if err == nil && item != nil {
		go o.feed(ctx, call, in.Field(at), item)
	}
	return call, err
}

// read decodes a reply, or an item of one, and lets its frame go.
func (r *request) read(o *outbound, frame *wire.Frame, to reflect.Value) error {
	defer o.used(frame)
	if r.nothing {
		return nil
	}
	body, err := o.body(frame)
	if err != nil {
		return err
	}
	codec := frame.BodyCodec()
	switch {
	case codec == wire.JSON || codec == wire.MessagePack:
		if err = r.output.Decode(value.Codec(codec), body, to, false); err == nil {
			return nil
		}
	case isBytes(r.result):
		to.SetBytes(bytes.Clone(body))
		return nil
	case codec == wire.None && to.Kind() == reflect.Interface:
		return nil
	default:
		err = &value.Refused{Breaches: []value.Breach{{Message: "is " + codec.String() + ": ask for []byte"}}}
	}
	fault := &Fault{Code: DataLoss, Detail: "the reply of " + r.function + " is not a " + r.result.String() + ": " + err.Error(), Started: StartedYes, Function: r.function}
	var refused *value.Refused
	if errors.As(err, &refused) {
		for _, breach := range refused.Breaches {
			fault.Errors = append(fault.Errors, Breach(breach))
		}
	}
	return fault
}

// Call calls a function by its full name and waits for its reply. Out may be struct{} where there is nothing to see, any
// for whatever comes, []byte or Arrow for raw bytes. If a field of In is an iter.Seq2, its values follow the call as
// they come, from a goroutine of their own. The error is a *Fault.
func Call[In, Out any](ctx context.Context, caller Caller, function string, in In) (out Out, err error) {
	r, err := newRequest(function, reflect.TypeFor[In](), reflect.TypeFor[Out]())
	if err != nil {
		return out, err
	}
	o, call, err := r.start(ctx, caller, reflect.ValueOf(&in).Elem(), 0)
	if err != nil {
		return out, err
	}
	frame, _, err := o.next(ctx, call)
	if err != nil {
		return out, err
	}
	return out, r.read(o, frame, reflect.ValueOf(&out).Elem())
}

// Stream calls a function by its full name and iterates over what it streams. A function that gives one reply gives one
// item. Ending the iteration early cancels the call.
func Stream[In, Out any](ctx context.Context, caller Caller, function string, in In) iter.Seq2[Out, error] {
	return func(yield func(Out, error) bool) {
		var none Out
		r, err := newRequest(function, reflect.TypeFor[In](), reflect.TypeFor[Out]())
		if err != nil {
			yield(none, err)
			return
		}
		o, call, err := r.start(ctx, caller, reflect.ValueOf(&in).Elem(), wire.Stream)
		if err != nil {
			yield(none, err)
			return
		}
		defer func() {
			o.line.Lock()
			o.drop(call)
			o.line.Unlock()
		}()
		for {
			frame, last, err := o.next(ctx, call)
			if err != nil {
				yield(none, err)
				return
			}
			if last && len(frame.Body) == 0 {
				return
			}
			var out Out
			err = r.read(o, frame, reflect.ValueOf(&out).Elem())
			if !yield(out, err) || err != nil || last {
				return
			}
		}
	}
}
