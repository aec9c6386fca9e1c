package wire

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// DepthMax is how deep calls of guests may nest; the host refuses what is deeper.
const DepthMax = 16

// Entries of meta at their largest (SPEC.md §3).
const (
	traceBytes         = 26
	traceStateBytesMax = 512
	callIDBytesMax     = 128
	functionBytesMax   = 256
)

const (
	tagTrace = 1 + iota
	tagTraceState
	tagCallID
	tagFunction
	tagDepth
	tags
)

// Trace is a W3C trace context.
type Trace struct {
	TraceID [16]byte
	SpanID  [8]byte
	Flags   byte
	State   string
}

// Parent is the `traceparent` header of the trace; empty for none.
func (t *Trace) Parent() string {
	if t == nil {
		return ""
	}
	return fmt.Sprintf("00-%x-%x-%02x", t.TraceID, t.SpanID, t.Flags)
}

// ParseTrace reads W3C `traceparent` and `tracestate` headers; nil where they say nothing usable.
func ParseTrace(parent, state string) *Trace {
	parts := strings.Split(parent, "-")
	if len(parts) < 4 || len(parts[0]) != 2 || parts[0] == "ff" || parts[0] == "00" && len(parts) != 4 ||
		len(parts[1]) != 32 || len(parts[2]) != 16 || len(parts[3]) != 2 || strings.ToLower(parent) != parent {
		return nil
	}
	raw, err := hex.DecodeString(parts[0] + parts[1] + parts[2] + parts[3])
	if err != nil {
		return nil
	}
	raw[0] = 0
	trace := readTrace(raw)
	if trace != nil {
		trace.State = state
	}
	return trace
}

// Entries is what a CALL carries besides its body; what is absent is nil, empty or 0.
type Entries struct {
	Trace    *Trace
	CallID   string
	Function string
	Depth    uint8
}

// AppendEntries appends the meta of a CALL. It refuses what cannot travel.
func AppendEntries(to []byte, e *Entries) ([]byte, error) {
	if t := e.Trace; t != nil {
		to = append(to, tagTrace, traceBytes, 0, 0)
		to = append(append(to, t.TraceID[:]...), t.SpanID[:]...)
		to = append(to, t.Flags)
		// W3C allows to drop a state that is too long or no plain text; a call must not fail for its trace.
		if t.State != "" && len(t.State) <= traceStateBytesMax && plain(t.State) {
			to = appendEntry(to, tagTraceState, t.State)
		}
	}
	if e.CallID != "" {
		if len(e.CallID) > callIDBytesMax || !plain(e.CallID) {
			return nil, fmt.Errorf("the call id %.140q is not 1 to %d printable ASCII characters", e.CallID, callIDBytesMax)
		}
		to = appendEntry(to, tagCallID, e.CallID)
	}
	if e.Function == "" || len(e.Function) > functionBytesMax || !printable(e.Function) {
		return nil, fmt.Errorf("%.260q is no name of a function: use its full name, 'source.function'", e.Function)
	}
	to = appendEntry(to, tagFunction, e.Function)
	if e.Depth != 0 {
		to = append(to, tagDepth, 1, 0, e.Depth)
	}
	return to, nil
}

func appendEntry(to []byte, tag byte, value string) []byte {
	return append(append(to, tag, byte(len(value)), byte(len(value)>>8)), value...)
}

// ReadEntries reads the meta of a CALL.
func ReadEntries(meta []byte) (Entries, *ProtocolFault) {
	var e Entries
	var found [tags][]byte
	for len(meta) > 0 {
		if len(meta) < 3 {
			return e, faultf("meta", "%d stray bytes at the end", len(meta))
		}
		tag, size := meta[0], int(binary.LittleEndian.Uint16(meta[1:]))
		meta = meta[3:]
		if size > len(meta) {
			return e, faultf("meta", "entry %d claims %d bytes of the %d left", tag, size, len(meta))
		}
		if tag > 0 && tag < tags {
			if found[tag] != nil {
				return e, faultf("meta", "entry %d comes twice", tag)
			}
			found[tag] = meta[:size:size]
		}
		meta = meta[size:]
	}
	return e, e.take(&found)
}

func (e *Entries) take(found *[tags][]byte) (fault *ProtocolFault) {
	var state string
	texts := [...]struct {
		tag, most int
		name      string
		to        *string
		legal     func(string) bool
	}{
		{tagTraceState, traceStateBytesMax, "TRACE_STATE", &state, plain},
		{tagCallID, callIDBytesMax, "CALL_ID", &e.CallID, plain},
		{tagFunction, functionBytesMax, "FUNCTION", &e.Function, printable},
	}
	for _, text := range texts {
		value := found[text.tag]
		if value == nil {
			continue
		}
		*text.to = string(value)
		if len(value) == 0 || len(value) > text.most || !text.legal(*text.to) {
			return faultf("meta", "%s must be 1 to %d printable bytes", text.name, text.most)
		}
	}
	if trace := found[tagTrace]; trace != nil {
		if len(trace) != traceBytes {
			return faultf("meta", "TRACE of %d bytes; it is %d", len(trace), traceBytes)
		}
		if e.Trace = readTrace(trace); e.Trace != nil {
			e.Trace.State = state
		}
	}
	if depth := found[tagDepth]; depth != nil {
		if len(depth) != 1 {
			return faultf("meta", "DEPTH of %d bytes; it is one", len(depth))
		}
		e.Depth = depth[0]
	}
	return nil
}

func readTrace(value []byte) *Trace {
	t := &Trace{TraceID: [16]byte(value[1:17]), SpanID: [8]byte(value[17:25]), Flags: value[25]}
	if value[0] != 0 || t.TraceID == [16]byte{} || t.SpanID == [8]byte{} {
		return nil
	}
	return t
}

func plain(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

func printable(text string) bool {
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return utf8.ValidString(text)
}
