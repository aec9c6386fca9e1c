package dragoman

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/big"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dragoman/dragoman/sdk/go/internal/value"
	"github.com/dragoman/dragoman/sdk/go/internal/wire"
)

// ingress is a host's native ingress, made of the state tables of the wire and nothing of the client's.
type ingress struct {
	net.Listener
	t        *testing.T
	features []string
	refuse   string // the code of a refusal at the door
	mu       sync.Mutex
	doors    []*door
	accepted atomic.Int64
}

type door struct {
	sync.Mutex
	conn  *wire.Conn
	raw   net.Conn
	calls map[uint64]*asked
	gone  bool
}

// asked is a call at the fake host.
type asked struct {
	wire.Frame
	entries   wire.Entries
	input     []int64
	ended     chan struct{}
	cancelled chan struct{}
	credit    chan struct{}
}

func newIngress(t *testing.T, listener net.Listener, change ...func(*ingress)) *ingress {
	in := &ingress{Listener: listener, t: t, features: []string{"input"}}
	for _, each := range change {
		each(in)
	}
	go in.accept()
	t.Cleanup(func() {
		listener.Close()
		in.each(func(d *door) { d.raw.Close() })
	})
	return in
}

func unixIngress(t *testing.T, change ...func(*ingress)) (*ingress, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	return newIngress(t, listener, change...), path
}

func (in *ingress) each(do func(*door)) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, d := range in.doors {
		do(d)
	}
}

func (in *ingress) accept() {
	for {
		raw, err := in.Listener.Accept()
		if err != nil {
			return
		}
		in.accepted.Add(1)
		d := &door{conn: wire.NewConn(wire.AsIngress), raw: raw, calls: map[uint64]*asked{}}
		in.mu.Lock()
		in.doors = append(in.doors, d)
		in.mu.Unlock()
		go d.serve(in)
	}
}

func (d *door) send(f wire.Frame) error {
	d.Lock()
	defer d.Unlock()
	if err := d.conn.Send(&f); err != nil {
		return err
	}
	_, err := d.raw.Write(wire.Append(nil, &f))
	return err
}

func (d *door) serve(in *ingress) {
	defer d.raw.Close()
	limits := wire.DefaultLimits
	limits.CreditBytes = 1000
	hello, _ := json.Marshal(wire.HelloBody{Host: "fake/1", Versions: [2]int64{1, 1}, Service: "shop", Concurrency: 1, Features: in.features, Limits: limits})
	if d.send(wire.Frame{Kind: wire.Hello, Codec: 1, Body: hello}) != nil {
		return
	}
	reader := wire.NewReader(d.raw)
	for {
		frame, err := reader.Next()
		if err != nil {
			return
		}
		d.Lock()
		act, fault := d.conn.Receive(&frame)
		d.Unlock()
		if fault != nil {
			in.t.Errorf("the client broke the protocol: %v", fault)
			return
		}
		if act && !d.act(in, frame) {
			return
		}
	}
}

func (d *door) act(in *ingress, frame wire.Frame) bool {
	d.Lock()
	call := d.calls[frame.Call]
	d.Unlock()
	switch frame.Kind {
	case wire.Ready:
		if in.refuse != "" {
			_ = d.send(wire.Frame{Kind: wire.Fault, Codec: 1, Body: wire.AppendFault(nil, wire.FaultBody{Code: in.refuse, Detail: "go away"})})
			return false
		}
	case wire.Ping:
		_ = d.send(wire.Frame{Kind: wire.Pong, Body: frame.Body})
	case wire.Call:
		call := &asked{Frame: frame, ended: make(chan struct{}), cancelled: make(chan struct{}), credit: make(chan struct{}, 1)}
		call.entries, _ = wire.ReadEntries(frame.Meta)
		d.Lock()
		d.calls[frame.Call] = call
		d.Unlock()
		go d.answer(in, call)
	case wire.Item:
		var n int64
		typ, _ := value.Of(typeFor[int64]())
		if err := typ.Decode(value.Codec(frame.BodyCodec()), frame.Body, elem(&n), false); err != nil {
			in.t.Error(err)
		}
		d.Lock()
		call.input = append(call.input, n)
		due := d.conn.Consumed(frame.Call, wire.Cost(&frame))
		d.Unlock()
		if due > 0 {
			_ = d.send(wire.Frame{Kind: wire.Credit, Call: frame.Call, Amount: due})
		}
	case wire.End:
		close(call.ended)
	case wire.Cancel:
		close(call.cancelled)
	case wire.Credit:
		ring(call.credit)
	case wire.Bye:
		d.Lock()
		d.gone = true
		d.Unlock()
		return false
	}
	return true
}

func (d *door) end(call *asked, result any) {
	typ, _ := value.Of(typeFor[any]())
	body, codec, err := typ.Encode(nil, value.Codec(call.ReplyCodec()), elem(&result))
	if err != nil {
		body, codec = []byte(err.Error()), value.JSON
	}
	_ = d.send(wire.Frame{Kind: wire.End, Codec: uint8(codec), Call: call.Call, Body: body})
}

func (d *door) fail(call *asked, body wire.FaultBody) {
	_ = d.send(wire.Frame{Kind: wire.Fault, Codec: 1, Call: call.Call, Body: wire.AppendFault(nil, body)})
}

func (d *door) answer(in *ingress, call *asked) {
	var input any
	typ, _ := value.Of(typeFor[any]())
	if call.BodyCodec() <= wire.MessagePack {
		if err := typ.Decode(value.Codec(call.BodyCodec()), call.Body, elem(&input), false); err != nil {
			in.t.Error(err)
		}
	}
	fields, _ := input.(map[string]any)
	switch call.entries.Function {
	case "t.echo":
		d.end(call, fields["value"])
	case "t.sum":
		if call.Flags&wire.Input != 0 {
			<-call.ended
		}
		total := int64(0)
		for _, n := range call.input {
			total += n
		}
		list, _ := fields["numbers"].([]any)
		for _, n := range list {
			total += n.(int64)
		}
		d.end(call, total)
	case "t.count":
		d.count(call, fields["to"].(int64))
	case "t.about":
		d.end(call, map[string]any{
			"trace": call.entries.Trace.Parent(), "call_id": call.entries.CallID, "amount": int64(call.Amount), "depth": int64(call.entries.Depth),
		})
	case "t.hang":
		<-call.cancelled
		d.fail(call, wire.FaultBody{Code: "CANCELLED"})
	case "t.raw":
		out := slices.Clone(call.Body)
		slices.Reverse(out)
		_ = d.send(wire.Frame{Kind: wire.End, Codec: uint8(wire.Bytes), Call: call.Call, Body: out})
	case "t.fail":
		retry := 1.5
		d.fail(call, wire.FaultBody{Code: "NOT_FOUND", Detail: "no order", Started: "yes", Errors: []wire.Breach{{Path: "/a", Message: "b"}}, RetryAfterS: &retry})
	case "t.drop":
		d.raw.Close()
	default:
		d.fail(call, wire.FaultBody{Code: "UNIMPLEMENTED", Detail: call.entries.Function})
	}
}

func (d *door) count(call *asked, to int64) {
	for i := range to {
		for {
			d.Lock()
			credit := d.conn.Credit(call.Call)
			d.Unlock()
			if credit > 0 {
				break
			}
			select {
			case <-call.credit:
			case <-call.cancelled:
				d.fail(call, wire.FaultBody{Code: "CANCELLED"})
				return
			}
		}
		body, _ := json.Marshal(i)
		if d.send(wire.Frame{Kind: wire.Item, Codec: 1, Call: call.Call, Body: body}) != nil {
			return
		}
	}
	_ = d.send(wire.Frame{Kind: wire.End, Call: call.Call})
}

func dial(t *testing.T, path string, options ...DialOption) *Client {
	t.Helper()
	client, err := Dial(context.Background(), "unix://"+path, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

type echoed[T any] struct {
	Value T `json:"value"`
}

func TestACallIsTyped(t *testing.T) {
	_, path := unixIngress(t)
	client := dial(t, path)
	if client.Service() != "shop" {
		t.Error(client.Service())
	}
	type record struct {
		N int64     `json:"n"`
		T time.Time `json:"t"`
		B []byte    `json:"b"`
	}
	want := record{1<<63 - 1, time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), []byte{0, 255}}
	got, err := Call[echoed[record], record](context.Background(), client, "t.echo", echoed[record]{want})
	if err != nil || got.N != want.N || !got.T.Equal(want.T) || string(got.B) != string(want.B) {
		t.Fatal(got, err)
	}
	large, _ := new(big.Int).SetString("123456789012345678901234567890", 10)
	if got, err := Call[echoed[*big.Int], *big.Int](context.Background(), client, "t.echo", echoed[*big.Int]{large}); err != nil || got.Cmp(large) != 0 {
		t.Fatal(got, err)
	}
	if got, err := Call[[]byte, []byte](context.Background(), client, "t.raw", []byte("abc")); err != nil || string(got) != "cba" {
		t.Fatalf("%q %v", got, err)
	}
	_, err = Call[echoed[string], int](context.Background(), client, "t.echo", echoed[string]{"x"})
	if !errors.Is(err, DataLoss) {
		t.Fatalf("a string as an int: %v", err)
	}
	_, err = Call[echoed[chan int], int](context.Background(), client, "t.echo", echoed[chan int]{})
	if !errors.Is(err, InvalidArgument) {
		t.Fatal(err)
	}
}

func TestAFaultKeepsAllThatItSays(t *testing.T) {
	_, path := unixIngress(t)
	_, err := Call[struct{}, any](context.Background(), dial(t, path), "t.fail", struct{}{})
	var fault *Fault
	if !errors.As(err, &fault) || !errors.Is(err, NotFound) || errors.Is(err, Internal) {
		t.Fatal(err)
	}
	if fault.Detail != "no order" || fault.Started != StartedYes || fault.RetryAfter != 1500*time.Millisecond ||
		!slices.Equal(fault.Errors, []Breach{{"/a", "b"}}) || fault.Function != "t.fail" {
		t.Fatalf("%+v", fault)
	}
}

func TestStreamsGoBothWays(t *testing.T) {
	_, path := unixIngress(t)
	client := dial(t, path)
	for _, features := range [][]string{{"input"}, nil} { // without the feature the values go in the body
		_, path := unixIngress(t, func(in *ingress) { in.features = features })
		client := dial(t, path)
		numbers := func(yield func(int64, error) bool) {
			for i := range int64(1000) {
				if !yield(i, nil) {
					return
				}
			}
		}
		type input struct {
			Numbers iter.Seq2[int64, error] `json:"numbers"`
		}
		if total, err := Call[input, int64](context.Background(), client, "t.sum", input{numbers}); err != nil || total != 499500 {
			t.Fatal(features, total, err)
		}
		broken := func(yield func(int64, error) bool) { _ = yield(1, nil) && yield(0, errors.New("torn")) }
		if _, err := Call[input, int64](context.Background(), client, "t.sum", input{broken}); err == nil || !strings.Contains(err.Error(), "torn") {
			t.Fatal(err)
		}
	}
	want := int64(0)
	for got, err := range Stream[map[string]int, int64](context.Background(), client, "t.count", map[string]int{"to": 500}) {
		if err != nil || got != want {
			t.Fatal(got, want, err)
		}
		want++
	}
	if want != 500 {
		t.Fatal(want)
	}
	for got, err := range Stream[echoed[int], int](context.Background(), client, "t.echo", echoed[int]{7}) {
		if err != nil || got != 7 {
			t.Fatal(got, err)
		}
	}
}

func TestAStreamThatIsLeftIsCancelled(t *testing.T) {
	in, path := unixIngress(t)
	client := dial(t, path)
	for range Stream[map[string]int, int64](context.Background(), client, "t.count", map[string]int{"to": 1 << 40}) {
		break
	}
	in.each(func(d *door) {
		d.Lock()
		call := d.calls[wire.GuestBit+1]
		d.Unlock()
		<-call.cancelled
	})
	if _, err := Call[echoed[int], int](context.Background(), client, "t.echo", echoed[int]{1}); err != nil {
		t.Fatal(err)
	}
}

func TestTheContextGoesAlong(t *testing.T) {
	in, path := unixIngress(t)
	client := dial(t, path)
	parent := "00-0102030405060708090a0b0c0d0e0f10-1112131415161718-01"
	ctx, stop := context.WithTimeout(WithCallID(WithTrace(context.Background(), parent, "a=1"), "order-7"), time.Minute)
	defer stop()
	about, err := Call[struct{}, map[string]any](ctx, client, "t.about", struct{}{})
	if err != nil || about["trace"] != parent || about["call_id"] != "order-7" || about["depth"] != int64(0) {
		t.Fatal(about, err)
	}
	if left := about["amount"].(int64); left < 50_000 || left > 60_000 {
		t.Fatal(left)
	}
	ctx, stop = context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer stop()
	_, err = Call[struct{}, any](ctx, client, "t.hang", struct{}{})
	if !errors.Is(err, DeadlineExceeded) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	ctx, stop = context.WithCancel(context.Background())
	go stop()
	_, err = Call[struct{}, any](ctx, client, "t.hang", struct{}{})
	if !errors.Is(err, Cancelled) || !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	in.each(func(d *door) {
		d.Lock()
		calls := maps.Clone(d.calls)
		d.Unlock()
		for _, call := range calls {
			if call.entries.Function == "t.hang" {
				<-call.cancelled
			}
		}
	})
}

func TestManyGoroutinesShareAConnection(t *testing.T) {
	in, path := unixIngress(t)
	client := dial(t, path)
	var group sync.WaitGroup
	for i := range 64 {
		group.Add(1)
		go func() {
			defer group.Done()
			for j := range 50 {
				n := i*1000 + j
				if got, err := Call[echoed[int], int](context.Background(), client, "t.echo", echoed[int]{n}); err != nil || got != n {
					t.Error(got, err)
				}
			}
		}()
	}
	group.Wait()
	if in.accepted.Load() != 1 {
		t.Error("there were", in.accepted.Load(), "connections")
	}
}

func TestALostConnectionIsMadeAnew(t *testing.T) {
	in, path := unixIngress(t)
	client := dial(t, path)
	_, err := Call[struct{}, any](context.Background(), client, "t.drop", struct{}{})
	var fault *Fault
	if !errors.As(err, &fault) || fault.Code != Unavailable || fault.Started != StartedUnknown {
		t.Fatal(err)
	}
	if _, err := Call[echoed[int], int](context.Background(), client, "t.echo", echoed[int]{1}); err != nil {
		t.Fatal(err)
	}
	if in.accepted.Load() != 2 {
		t.Fatal(in.accepted.Load())
	}
}

func TestAHostThatIsGoneIsWaitedForAndThenGivenUp(t *testing.T) {
	in, path := unixIngress(t)
	client := dial(t, path, WithPatience(100*time.Millisecond))
	in.Listener.Close()
	_, _ = Call[struct{}, any](context.Background(), client, "t.drop", struct{}{})
	_, err := Call[echoed[int], int](context.Background(), client, "t.echo", echoed[int]{1})
	var fault *Fault
	if !errors.As(err, &fault) || fault.Code != Unavailable || fault.Started != StartedNo {
		t.Fatal(err)
	}
	back, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	newIngress(t, back)
	if _, err := Call[echoed[int], int](context.Background(), client, "t.echo", echoed[int]{1}); err != nil {
		t.Fatal(err)
	}
}

func TestADrainingHostKeepsItsCallsAndGetsNoMore(t *testing.T) {
	in, path := unixIngress(t)
	client := dial(t, path)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	next, halt := iter.Pull2(Stream[map[string]int, int64](ctx, client, "t.count", map[string]int{"to": 100}))
	defer halt()
	if _, err, _ := next(); err != nil {
		t.Fatal(err)
	}
	in.each(func(d *door) { _ = d.send(wire.Frame{Kind: wire.Drain}) })
	go func() {
		for {
			if _, err := Call[echoed[int], int](context.Background(), client, "t.echo", echoed[int]{1}); err != nil {
				done <- err
				return
			}
			if in.accepted.Load() == 2 {
				done <- nil
				return
			}
		}
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	items := 1
	for {
		_, err, ok := next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		items++
	}
	if items != 100 {
		t.Fatal(items)
	}
	stop()
}

func TestTheDoorSaysWhyItIsShut(t *testing.T) {
	_, path := unixIngress(t, func(in *ingress) { in.refuse = "UNAUTHENTICATED" })
	if _, err := Dial(context.Background(), "unix://"+path); !errors.Is(err, Unauthenticated) {
		t.Fatal(err)
	}
	for _, address := range []string{"", "/run/x.sock", "http://x", "unix://", "tcp://x:1"} {
		if _, err := Dial(context.Background(), address); !errors.Is(err, InvalidArgument) {
			t.Error(address, err)
		}
	}
	if _, err := Dial(context.Background(), "tcp+tls://127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), "secure.TLS") {
		t.Error(err)
	}
	if _, err := Dial(context.Background(), "unix://"+path+"-none"); !errors.Is(err, Unavailable) {
		t.Error(err)
	}
}

func TestAHostThatTalksNonsenseIsLeft(t *testing.T) {
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			raw, err := listener.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(raw, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
			raw.Close()
		}
	}()
	if _, err := Dial(context.Background(), "unix://"+listener.Addr().String()); !errors.Is(err, Internal) {
		t.Fatal(err)
	}
}

func TestClosingIsGraceful(t *testing.T) {
	in, path := unixIngress(t)
	client := dial(t, path)
	failed := make(chan error)
	go func() {
		_, err := Call[struct{}, any](context.Background(), client, "t.hang", struct{}{})
		failed <- err
	}()
	for called := false; !called; {
		in.each(func(d *door) {
			d.Lock()
			called = len(d.calls) == 1
			d.Unlock()
		})
	}
	client.Close()
	if err := <-failed; !errors.Is(err, Cancelled) {
		t.Fatal(err)
	}
	if _, err := Call[struct{}, any](context.Background(), client, "t.echo", struct{}{}); !errors.Is(err, Unavailable) {
		t.Fatal(err)
	}
	other := dial(t, path)
	if err := other.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestOutsideOfAFunctionThereIsNoHost(t *testing.T) {
	if _, err := Call[struct{}, any](context.Background(), Host(context.Background()), "a.b", struct{}{}); !errors.Is(err, FailedPrecondition) {
		t.Fatal(err)
	}
}
