package dragoman

import (
	"context"
	"log/slog"
	"time"

	"github.com/dragoman/dragoman/sdk/go/internal/wire"
)

// progressEvery is how far apart reports of progress are at least, but for the last: nobody sees more than a hundred a
// second.
const progressEvery = 10 * time.Millisecond

// CallID is the public id of the call that a context belongs to; empty outside of any.
func CallID(ctx context.Context) string {
	if c := callOf(ctx); c != nil {
		return c.carried().CallID
	}
	if sent := sentOf(ctx); sent != nil {
		return sent.CallID
	}
	return ""
}

// Trace is the W3C trace context of the call that a context belongs to, as the headers `traceparent` and `tracestate`;
// empty where it is not traced.
func Trace(ctx context.Context) (parent, state string) {
	trace := traceOf(ctx)
	if trace == nil {
		return "", ""
	}
	return trace.Parent(), trace.State
}

func traceOf(ctx context.Context) *wire.Trace {
	if sent := sentOf(ctx); sent != nil && sent.Trace != nil {
		return sent.Trace
	}
	if c := callOf(ctx); c != nil {
		return c.carried().Trace
	}
	return nil
}

// Progress tells how far the call of a context is: a share between 0 and 1, and a word about it.
func Progress(ctx context.Context, share float64, message string) {
	c := callOf(ctx)
	if c == nil {
		return
	}
	now := time.Now()
	c.server.Lock()
	defer c.server.Unlock()
	if share < 1 && now.Sub(c.reports) < progressEvery {
		c.held = &progress{share, message}
		return
	}
	c.reports, c.held = now, nil
	c.server.event(c.frame.Call, wire.AppendProgress(nil, share, message))
}

// progress is a report that came too soon after the one before it.
type progress struct {
	share   float64
	message string
}

// tellHeld sends what was held back, if it was the last word, with the answer that follows. Under the lock.
func (c *call) tellHeld() {
	if last := c.held; last != nil {
		c.held = nil
		body := wire.AppendProgress(nil, last.share, last.message)
		_ = c.server.put(&wire.Frame{Kind: wire.Event, Codec: uint8(wire.JSON), Call: c.frame.Call, Body: body})
	}
}

// Log writes a line to the log of the call of a context, with structured values as pairs of name and value.
func Log(ctx context.Context, message string, fields ...any) {
	Logger(ctx).InfoContext(ctx, message, fields...)
}

// Logger writes to the log of the call of a context; outside of any call it is slog's own.
func Logger(ctx context.Context) *slog.Logger {
	c := callOf(ctx)
	if c == nil {
		return slog.Default()
	}
	return slog.New(&logHandler{call: c})
}

// Allocate is memory for a result of raw bytes, or an Arrow stream: where the host shares memory it lies there, and
// the function that returns it (or its beginning) sends it without a copy.
func Allocate(ctx context.Context, size int) []byte {
	c := callOf(ctx)
	if c == nil || size <= 0 || c.server.arenas == nil || size < c.server.conn.Limits.SegmentFromBytes {
		return make([]byte, size)
	}
	region, memory, ok := c.server.arenas.take(size)
	if !ok {
		return make([]byte, size)
	}
	c.server.Lock()
	defer c.server.Unlock()
	region.Size = (region.Size + arenaAlign - 1) &^ (arenaAlign - 1)
	if c.server.calls[c.frame.Call] != c { // it has ended, and takes nothing back any more
		c.server.arenas.put(region)
		return make([]byte, size)
	}
	c.buffers = append(c.buffers, region)
	return memory
}

// event sends what a function reports. Under the lock.
func (s *server) event(call uint64, body []byte) {
	s.room()
	if s.put(&wire.Frame{Kind: wire.Event, Codec: uint8(wire.JSON), Call: call, Body: body}) == nil {
		s.flushSoon()
	}
}

// logHandler hands log lines of slog to the host.
type logHandler struct {
	call   *call
	prefix string
	fields []slog.Attr
}

func (h *logHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *logHandler) Handle(_ context.Context, record slog.Record) error {
	fields := map[string]any{}
	for _, field := range h.fields {
		addField(fields, "", field)
	}
	record.Attrs(func(field slog.Attr) bool {
		addField(fields, h.prefix, field)
		return true
	})
	level := "debug"
	switch {
	case record.Level >= slog.LevelError:
		level = "error"
	case record.Level >= slog.LevelWarn:
		level = "warning"
	case record.Level >= slog.LevelInfo:
		level = "info"
	}
	body := wire.AppendLog(nil, wire.LogBody{Message: record.Message, Level: level, Fields: fields})
	s := h.call.server
	s.Lock()
	defer s.Unlock()
	s.event(h.call.frame.Call, body)
	return nil
}

func addField(to map[string]any, prefix string, field slog.Attr) {
	value := field.Value.Resolve()
	if value.Kind() == slog.KindGroup {
		if field.Key != "" {
			prefix += field.Key + "."
		}
		for _, inner := range value.Group() {
			addField(to, prefix, inner)
		}
		return
	}
	if field.Key == "" {
		return
	}
	said := value.Any()
	if err, ok := said.(error); ok {
		said = err.Error()
	}
	to[prefix+field.Key] = said
}

func (h *logHandler) WithAttrs(fields []slog.Attr) slog.Handler {
	all := append([]slog.Attr{}, h.fields...)
	for _, field := range fields {
		field.Key = h.prefix + field.Key
		all = append(all, field)
	}
	return &logHandler{h.call, h.prefix, all}
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &logHandler{h.call, h.prefix + name + ".", h.fields}
}

// sent is what calls made with a context carry, where it is said by WithTrace or WithCallID.
type sentKey struct{}

func sentOf(ctx context.Context) *wire.Entries {
	entries, _ := ctx.Value(sentKey{}).(*wire.Entries)
	return entries
}

func withSent(ctx context.Context, change func(*wire.Entries)) context.Context {
	var entries wire.Entries
	if before := sentOf(ctx); before != nil {
		entries = *before
	}
	change(&entries)
	return context.WithValue(ctx, sentKey{}, &entries)
}

// WithTrace makes calls with the context part of a trace: the W3C headers `traceparent` and `tracestate`. What they say
// is left out where it is not understood.
func WithTrace(ctx context.Context, parent, state string) context.Context {
	return withSent(ctx, func(entries *wire.Entries) { entries.Trace = wire.ParseTrace(parent, state) })
}

// WithCallID gives calls with the context their public id: 1 to 128 printable ASCII characters.
func WithCallID(ctx context.Context, id string) context.Context {
	return withSent(ctx, func(entries *wire.Entries) { entries.CallID = id })
}
