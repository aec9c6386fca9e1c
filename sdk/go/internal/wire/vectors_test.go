package wire

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const vectors = "../../../../proto/vectors"

func load(t *testing.T, path string, to any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(vectors, path))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, to); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

type fields struct {
	Kind     string   `json:"kind"`
	Flags    []string `json:"flags"`
	Codec    uint8    `json:"codec"`
	Function uint32   `json:"function"`
	Call     string   `json:"call"`
	Amount   uint32   `json:"amount"`
	Meta     string   `json:"meta"`
	Body     *string  `json:"body"`
	BodyHex  string   `json:"body_hex"`
	Code     string   `json:"code"`
	Started  string   `json:"started"`
}

func kindOf(t *testing.T, name string) Kind {
	t.Helper()
	for kind, known := range kindNames {
		if known == name && kind > 0 {
			return Kind(kind)
		}
	}
	t.Fatalf("unknown kind %q", name)
	return 0
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func (f *fields) frame(t *testing.T) Frame {
	t.Helper()
	frame := Frame{Kind: kindOf(t, f.Kind), Codec: f.Codec, Function: f.Function, Amount: f.Amount, Meta: unhex(t, f.Meta)}
	for _, name := range f.Flags {
		flag, ok := map[string]Flags{
			"CHECKSUM": Checksum, "SEGMENT": Segment, "STREAM": Stream, "UNSTARTED": Unstarted, "INPUT": Input,
		}[name]
		if !ok {
			t.Fatalf("unknown flag %q", name)
		}
		frame.Flags |= flag
	}
	if f.Call != "" {
		call, err := strconv.ParseUint(f.Call, 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		frame.Call = call
	}
	frame.Body = unhex(t, f.BodyHex)
	if f.Body != nil {
		frame.Body = []byte(*f.Body)
	}
	return frame
}

func show(f Frame) string {
	return fmt.Sprintf("%v flags=%#x codec=%#x function=%d call=%x amount=%d meta=%x body=%q",
		f.Kind, uint16(f.Flags), f.Codec, f.Function, f.Call, f.Amount, f.Meta, f.Body)
}

// pieces hands over a few bytes at a time.
type pieces struct {
	data []byte
	size int
}

func (p *pieces) Read(to []byte) (int, error) {
	if len(p.data) == 0 {
		return 0, io.EOF
	}
	n := copy(to, p.data[:min(p.size, len(p.data))])
	p.data = p.data[n:]
	return n, nil
}

func reason(err error) string {
	var fault *ProtocolFault
	if errors.As(err, &fault) {
		return fault.Reason
	}
	return fmt.Sprint(err)
}

type frameCase struct {
	Name      string `json:"name"`
	Hex       string `json:"hex"`
	Frame     fields `json:"frame"`
	OneWay    bool   `json:"one_way"`
	Fault     string `json:"fault"`
	Limit     uint32 `json:"limit"`
	Segments  bool   `json:"segments"`
	Kind      string `json:"kind"`
	Body      *string
	BodyHex   string `json:"body_hex"`
	Meta      string `json:"meta"`
	Entries   entries
	Direction string
}

type entries struct {
	CallID   string `json:"call_id"`
	Function string `json:"function"`
	Depth    uint8  `json:"depth"`
	Trace    *struct {
		TraceID string `json:"trace_id"`
		SpanID  string `json:"span_id"`
		Flags   byte   `json:"flags"`
		State   string `json:"state"`
	} `json:"trace"`
}

func cases(t *testing.T, name string) []frameCase {
	t.Helper()
	var file struct{ Cases []frameCase }
	load(t, "frames/"+name+".json", &file)
	if len(file.Cases) == 0 {
		t.Fatal("no cases")
	}
	return file.Cases
}

var sizes = []int{1, 7, 1 << 20}

func TestAGoodFrameHasTheseFieldsAndTheseBytes(t *testing.T) {
	for _, c := range cases(t, "good") {
		t.Run(c.Name, func(t *testing.T) {
			data, want := unhex(t, c.Hex), c.Frame.frame(t)
			for _, size := range sizes {
				reader := NewReader(&pieces{data, size})
				reader.Segments = c.Segments
				frame, err := reader.Next()
				if err != nil {
					t.Fatal(err)
				}
				if show(frame) != show(want) {
					t.Fatalf("read %s\nwant %s", show(frame), show(want))
				}
				if _, err := reader.Next(); err != io.EOF {
					t.Fatalf("after the frame: %v", err)
				}
			}
			if sent := Append(nil, &want); !c.OneWay && !bytes.Equal(sent, data) {
				t.Fatalf("sent %x\nwant %x", sent, data)
			}
		})
	}
}

func TestABadHeaderIsRefusedForItsReasonHoweverItArrives(t *testing.T) {
	for _, c := range cases(t, "bad-header") {
		t.Run(c.Name, func(t *testing.T) {
			for _, size := range sizes {
				reader := NewReader(&pieces{unhex(t, c.Hex), size})
				reader.Segments = c.Segments
				if c.Limit != 0 {
					reader.Limit = c.Limit
				}
				var err error
				for err == nil {
					_, err = reader.Next()
				}
				if reason(err) != c.Fault {
					t.Fatalf("fault %v, want %s", err, c.Fault)
				}
			}
		})
	}
}

func TestMetaIsReadOrRefused(t *testing.T) {
	for _, c := range cases(t, "meta") {
		t.Run(c.Name, func(t *testing.T) {
			got, fault := ReadEntries(unhex(t, c.Meta))
			if c.Fault != "" {
				if fault == nil || fault.Reason != c.Fault {
					t.Fatalf("fault %v, want %s", fault, c.Fault)
				}
				return
			}
			if fault != nil {
				t.Fatal(fault)
			}
			want := c.Entries
			if got.CallID != want.CallID || got.Function != want.Function || got.Depth != want.Depth {
				t.Fatalf("got %+v, want %+v", got, want)
			}
			if (got.Trace == nil) != (want.Trace == nil) {
				t.Fatalf("trace %v, want %v", got.Trace, want.Trace)
			}
			if got.Trace == nil {
				return
			}
			parent := fmt.Sprintf("00-%s-%s-%02x", want.Trace.TraceID, want.Trace.SpanID, want.Trace.Flags)
			if got.Trace.Parent() != parent || got.Trace.State != want.Trace.State {
				t.Fatalf("trace %+v, want %+v", got.Trace, want.Trace)
			}
			if again := ParseTrace(got.Trace.Parent(), got.Trace.State); *again != *got.Trace {
				t.Fatalf("read again: %+v", again)
			}
		})
	}
}

func TestEntriesThatAreNotReadAreSkippedWhateverIsInThem(t *testing.T) {
	for _, c := range cases(t, "bad-meta-optional") {
		if got, fault := ReadEntries(unhex(t, c.Meta)); fault != nil || got != (Entries{}) {
			t.Errorf("%s: got %+v, fault %v", c.Name, got, fault)
		}
	}
}

func readBody(kind Kind, body []byte) *ProtocolFault {
	var fault *ProtocolFault
	switch kind {
	case Hello:
		_, fault = ReadHello(body)
	case Ready:
		_, fault = ReadReady(body, [2]int64{1, 1})
	case Fault:
		_, fault = ReadFault(body)
	default:
		fault = CheckEvent(body)
	}
	return fault
}

func TestAJSONBodyIsTakenOrRefused(t *testing.T) {
	for _, c := range cases(t, "bodies") {
		t.Run(c.Name, func(t *testing.T) {
			body := unhex(t, c.BodyHex)
			if c.Body != nil {
				body = []byte(*c.Body)
			}
			fault := readBody(kindOf(t, c.Kind), body)
			if c.Fault == "" && fault != nil || c.Fault != "" && (fault == nil || fault.Reason != c.Fault) {
				t.Fatalf("fault %v, want %q", fault, c.Fault)
			}
		})
	}
}

type conversation struct {
	About, Level string
	Views        []string
	Arena        uint64 `json:"arena_bytes"`
	Peer         string
	Steps        []struct {
		From   string          `json:"from"`
		Frame  *fields         `json:"frame"`
		Hex    string          `json:"hex"`
		Result json.RawMessage `json:"result"`
		Answer *fields         `json:"answer"`
		Fault  string          `json:"fault"`
	}
}

func TestAConversationGoesAsWritten(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(vectors, "conversations", "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no conversations: %v", err)
	}
	roles := map[string]Role{"host": AsHost, "guest": AsGuest, "client/host": AsIngress, "client/guest": AsClient}
	for _, path := range paths {
		name := filepath.Base(path)
		var talk conversation
		load(t, "conversations/"+name, &talk)
		for _, view := range talk.Views {
			role, ok := roles[strings.TrimPrefix(talk.Peer+"/"+view, "/")]
			if !ok {
				t.Fatalf("%s: unknown view %q", name, view)
			}
			for _, size := range []int{1 << 20, 37, 1} {
				t.Run(fmt.Sprintf("%s/%s/%d", strings.TrimSuffix(name, ".json"), view, size), func(t *testing.T) {
					play(t, &talk, view, role, size)
				})
			}
		}
	}
}

func play(t *testing.T, talk *conversation, view string, role Role, size int) {
	conn, source := NewConn(role), &pieces{nil, size}
	conn.ArenaIn = talk.Arena
	reader := NewReader(source)
	for i, step := range talk.Steps {
		reader.Limit, reader.Segments = conn.Limits.FrameBytesMax, conn.Segments()
		if step.From == view {
			if step.Fault != "" {
				return
			}
			frame := step.Frame.frame(t)
			if err := conn.Send(&frame); err != nil {
				t.Fatalf("step %d: %v", i, err)
			}
			continue
		}
		source.data = unhex(t, step.Hex)
		frame, err := reader.Next()
		act := false
		if err == nil {
			var fault *ProtocolFault
			if act, fault = conn.Receive(&frame); fault != nil {
				err = fault
			}
		}
		if step.Fault != "" {
			if err == nil || reason(err) != step.Fault {
				t.Fatalf("step %d: fault %v, want %s", i, err, step.Fault)
			}
			return
		}
		if err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		checkResult(t, i, step.Result, step.Frame, frame, act)
		checkAnswer(t, i, step.Answer, conn)
	}
}

func checkResult(t *testing.T, i int, result json.RawMessage, want *fields, got Frame, act bool) {
	t.Helper()
	var instead fields
	switch {
	case result == nil:
		frame := want.frame(t)
		if !act || show(got) != show(frame) {
			t.Fatalf("step %d: act=%v on %s\nwant %s", i, act, show(got), show(frame))
		}
	case string(result) == `"dropped"`:
		if act {
			t.Fatalf("step %d: %s was not dropped", i, show(got))
		}
	case json.Unmarshal(result, &instead) != nil:
		t.Fatalf("step %d: what is %s?", i, result)
	default:
		if !act {
			t.Fatalf("step %d: dropped", i)
		}
		looksLike(t, i, got, &instead)
	}
}

func checkAnswer(t *testing.T, i int, want *fields, conn *Conn) {
	t.Helper()
	reader := NewReader(bytes.NewReader(conn.Answers))
	reader.Segments = true
	conn.Answers = nil
	got, err := reader.Next()
	if (err == nil) != (want != nil) {
		t.Fatalf("step %d: answered %s (%v), want %+v", i, show(got), err, want)
	}
	if want != nil {
		looksLike(t, i, got, want)
		if _, err := reader.Next(); err != io.EOF {
			t.Fatalf("step %d: a second answer", i)
		}
	}
}

func looksLike(t *testing.T, i int, got Frame, want *fields) {
	t.Helper()
	frame := want.frame(t)
	if got.Kind != frame.Kind || got.Call != frame.Call {
		t.Fatalf("step %d: %s, want %+v", i, show(got), want)
	}
	if want.Code == "" && want.Started == "" {
		return
	}
	body, fault := ReadFault(got.Body)
	if fault != nil || body.Code != want.Code || want.Started != "" && body.Started != want.Started {
		t.Fatalf("step %d: %+v (%v), want %+v", i, body, fault, want)
	}
}
