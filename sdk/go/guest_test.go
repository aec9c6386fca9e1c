package dragoman

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/dragoman/dragoman/sdk/go/internal/wire"
)

func offer(t *testing.T, fn any, options ...Option) (map[string]any, error) {
	t.Helper()
	f := &function{name: "f", fn: reflect.ValueOf(fn), rawAt: -1}
	for _, option := range options {
		option(f)
	}
	manifest, err := contracts([]*function{f})
	if err != nil {
		return nil, err
	}
	var entry map[string]any
	if err := json.Unmarshal(manifest[0], &entry); err != nil {
		t.Fatal(err)
	}
	return entry, nil
}

type pair struct {
	A int `json:"a"`
	B int `json:"b,omitempty"`
}

type feed struct {
	Name  string                  `json:"name"`
	Items iter.Seq2[int64, error] `json:"items"`
}

func TestAContractComesFromTheType(t *testing.T) {
	entry, err := offer(t, func(context.Context, pair) (string, error) { return "", nil }, Version("1.2.0"), Description("Does."), Idempotent())
	if err != nil {
		t.Fatal(err)
	}
	input := entry["input"].(map[string]any)
	if entry["version"] != "1.2.0" || entry["description"] != "Does." || entry["idempotent"] != true || entry["streaming"] != nil ||
		!reflect.DeepEqual(input["required"], []any{"a"}) || input["additionalProperties"] != false ||
		!reflect.DeepEqual(entry["output"], map[string]any{"type": "string"}) {
		t.Fatal(entry)
	}
	for name, fn := range map[string]any{
		"streaming": func() iter.Seq2[int, error] { return nil }, "raw_input": func([]byte) {}, "raw_output": func() Arrow { return nil },
	} {
		if entry, err := offer(t, fn); err != nil || entry[name] != true {
			t.Error(name, entry, err)
		}
	}
	for _, fn := range []any{func(feed) {}, func(ctx context.Context, in pair, items iter.Seq2[int64, error]) {}, func(items iter.Seq2[int64, error]) {}} {
		entry, err := offer(t, fn)
		if err != nil || entry["input_stream"] != "items" {
			t.Error(entry, err)
			continue
		}
		items := entry["input"].(map[string]any)["properties"].(map[string]any)["items"].(map[string]any)
		if items["type"] != "array" || items["items"].(map[string]any)["type"] != "integer" {
			t.Error(items)
		}
	}
}

func TestWhatCannotBeOfferedSaysWhy(t *testing.T) {
	type nested struct{ Inner feed }
	type taken struct {
		Items int `json:"items"`
	}
	for _, c := range []struct {
		fn      any
		why     string
		options []Option
	}{
		{7, "not a function", nil},
		{(func())(nil), "not a function", nil},
		{func(int) {}, "must be a struct", nil},
		{func(chan int) {}, "chan int", nil},
		{func(...pair) {}, "any number", nil},
		{func(pair, pair) {}, "one input", nil},
		{func(pair, context.Context) {}, "in this order", nil},
		{func() (int, int) { return 0, 0 }, "one result", nil},
		{func() error { return nil }, "", nil},
		{func() {}, "semantic version", []Option{Version("1")}},
		{func(nested) {}, "only be", nil},
		{func() feed { return feed{} }, "only be the input", nil},
		{func(taken, iter.Seq2[int, error]) {}, "InputStream", nil},
		{func(taken, iter.Seq2[int, error]) {}, "", []Option{InputStream("more")}},
		{func(feed, iter.Seq2[int, error]) {}, "input stream", nil},
		{func([]byte, iter.Seq2[int, error]) {}, "input stream", nil},
		{func(struct{ F func() }) {}, "F: func()", nil},
	} {
		_, err := offer(t, c.fn, c.options...)
		if c.why == "" && err != nil || c.why != "" && (err == nil || !strings.Contains(err.Error(), c.why)) {
			t.Errorf("%T: %v, want %q", c.fn, err, c.why)
		}
	}
	for _, name := range []string{"", "1a", "a b", "a.b", "é", strings.Repeat("a", 129)} {
		if isName(name) {
			t.Errorf("%q is a name", name)
		}
	}
	one := &function{name: "f", fn: reflect.ValueOf(func() {}), rawAt: -1}
	if _, err := contracts([]*function{one, one}); err == nil || !strings.Contains(err.Error(), "two functions") {
		t.Error(err)
	}
	if _, err := contracts(nil); err == nil {
		t.Error("a manifest of nothing")
	}
}

func TestACallIsAContext(t *testing.T) {
	c := &call{server: &server{}}
	if c.Err() != nil {
		t.Fatal(c.Err())
	}
	child, stop := context.WithTimeout(c, time.Hour)
	defer stop()
	told := make(chan struct{})
	context.AfterFunc(child, func() { close(told) })
	c.cancel(context.Canceled)
	<-told
	<-c.Done()
	if !errors.Is(c.Err(), context.Canceled) || callOf(child) != c {
		t.Fatal(c.Err())
	}
	late := &call{server: &server{}, deadline: time.Now().Add(10 * time.Millisecond)}
	<-late.Done()
	if !errors.Is(late.Err(), context.DeadlineExceeded) {
		t.Fatal(late.Err())
	}
	past := &call{server: &server{}, deadline: time.Now().Add(-time.Second)}
	if !errors.Is(past.Err(), context.DeadlineExceeded) {
		t.Fatal(past.Err())
	}
	<-past.Done()
	stopped := context.AfterFunc(past, func() {})
	if stopped() {
		t.Fatal("what has been told was stopped")
	}
}

func TestFaultsOfErrors(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	stop()
	wrapped := Errorf(NotFound, "no %w", os.ErrNotExist)
	if !errors.Is(wrapped, os.ErrNotExist) || !errors.Is(wrapped, NotFound) {
		t.Fatal(wrapped)
	}
	for _, c := range []struct {
		err    error
		code   Code
		detail string
	}{
		{errors.New("plain"), Unknown, "plain"},
		{&os.PathError{Op: "open", Path: "x", Err: os.ErrNotExist}, Unknown, "*fs.PathError: open x: file does not exist"},
		{wrapped, NotFound, "no file does not exist"},
		{errors.Join(wrapped), NotFound, "NOT_FOUND: no file does not exist"},
		{Aborted, Aborted, "dragoman.Code: ABORTED"},
		{context.Canceled, Cancelled, "the call was cancelled"},
	} {
		if fault := faultOf(c.err, ctx); fault.Code != c.code || fault.Detail != c.detail || fault.Started != StartedYes {
			t.Errorf("%v: %+v", c.err, fault)
		}
	}
	if fault := faultOf(context.Canceled, context.Background()); fault.Code != Unknown {
		t.Errorf("a context of the function's own is no cancellation: %+v", fault)
	}
}

func TestRegionsNeverOverlapAndAllComeBack(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "arena")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	const size = 1 << 20
	if err := file.Truncate(size); err != nil {
		t.Fatal(err)
	}
	a := openArenas(int(file.Fd()), int(file.Fd()))
	whole := a.free[0]
	var held []wire.Region
	for range 10_000 {
		if rand.N(2) == 0 && len(held) > 0 {
			i := rand.N(len(held))
			a.put(held[i])
			held = append(held[:i], held[i+1:]...)
			continue
		}
		region, memory, ok := a.take(1 + rand.N(size/16))
		if !ok {
			continue
		}
		if region.Offset%arenaAlign != 0 || uint64(len(memory)) != region.Size || region.Offset+region.Size > size {
			t.Fatal(region)
		}
		for _, other := range held {
			if region.Offset < other.Offset+other.Size && other.Offset < region.Offset+region.Size {
				t.Fatal(region, other)
			}
		}
		if at, ok := a.regionOf(memory); !ok || at != region {
			t.Fatal(at, region)
		}
		held = append(held, region)
	}
	for _, region := range held {
		a.put(region)
	}
	if len(a.free) != 1 || a.free[0] != whole {
		t.Fatal(a.free)
	}
}

func TestKindsReadWhatTheyWrite(t *testing.T) {
	for text, ok := range map[string]bool{"2026-01-31": true, "2026-02-30": false, "2026-1-3": false, "": false} {
		var date Date
		if err := date.UnmarshalText([]byte(text)); (err == nil) != ok || ok && date.String() != text {
			t.Error(text, date, err)
		}
	}
	for text, ok := range map[string]bool{"23:59:59.5": true, "00:00:00": true, "24:00:00": false, "1:00:00": false, "12:00": false} {
		var at TimeOfDay
		if err := at.UnmarshalText([]byte(text)); (err == nil) != ok || ok && at.String() != text {
			t.Error(text, at, err)
		}
	}
	for text, ok := range map[string]bool{"12.50": true, "-0.1e-7": true, "1e9999": true, "1e99999": false, "x": false, "": false, "NaN": false, "1.": false} {
		var d Decimal
		if err := d.UnmarshalText([]byte(text)); (err == nil) != ok {
			t.Error(text, err)
		}
	}
	id := "0102abcd-0304-0506-0708-090a0b0c0d0e"
	var u UUID
	if err := u.UnmarshalText([]byte(id)); err != nil || u.String() != id {
		t.Error(u, err)
	}
	for _, text := range []string{"", strings.ReplaceAll(id, "-", ""), id[:35], id + "0", strings.Replace(id, "a", "g", 1), strings.Replace(id, "-", " ", 1)} {
		if err := u.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is no UUID", text)
		}
	}
}
