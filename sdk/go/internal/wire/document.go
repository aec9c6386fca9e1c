package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// Limits of a connection where HELLO does not say otherwise (SPEC.md §5).
const (
	FrameBytesMax    = 64 << 20
	frameBytesLeast  = 64 << 10
	CreditBytes      = 256 << 10
	CreditBytesMax   = 1 << 31
	CallsMax         = 4096
	FunctionsMax     = 10_000
	SegmentFromBytes = 256 << 10
)

// Texts of reports are cut here: past it nobody reads, and even escaped sixfold they fit their frame.
const (
	textBytesMax   = 64 << 10
	detailBytesMax = 16 << 10
	breachBytesMax = 200
	errorsMax      = 1000
)

// Limits is what a connection accepts.
type Limits struct {
	FrameBytesMax    uint32 `json:"frame_bytes_max"`
	CreditBytes      int64  `json:"credit_bytes"`
	CallsMax         int    `json:"calls_max"`
	SegmentFromBytes int    `json:"segment_from_bytes"`
}

// DefaultLimits are those of a HELLO that names none.
var DefaultLimits = Limits{FrameBytesMax, CreditBytes, CallsMax, SegmentFromBytes}

// HelloBody is what a host says first.
type HelloBody struct {
	Host        string   `json:"host"`
	Versions    [2]int64 `json:"versions"`
	Source      string   `json:"source,omitempty"`
	Service     string   `json:"service,omitempty"`
	CallPrefix  string   `json:"call_prefix,omitempty"`
	Concurrency int      `json:"concurrency"`
	Debug       bool     `json:"debug,omitempty"`
	Features    []string `json:"features,omitempty"`
	Limits      Limits   `json:"limits"`
}

// Has says whether the host named a feature.
func (h *HelloBody) Has(feature string) bool { return has(h.Features, feature) }

// CallID is the public id of a call that carries none of its own.
func (h *HelloBody) CallID(call uint64) string { return fmt.Sprintf("%s%08x", h.CallPrefix, call) }

// ReadyBody is what a guest or a client answers. Token must stay the first key.
type ReadyBody struct {
	Token           string            `json:"token,omitempty"`
	Version         int64             `json:"version"`
	Language        string            `json:"language"`
	LanguageVersion string            `json:"language_version,omitempty"`
	Library         string            `json:"library,omitempty"`
	Features        []string          `json:"features,omitempty"`
	Functions       []json.RawMessage `json:"functions,omitempty"`
}

// Has says whether the guest named a feature.
func (r *ReadyBody) Has(feature string) bool { return has(r.Features, feature) }

func has(features []string, feature string) bool {
	for _, each := range features {
		if each == feature {
			return true
		}
	}
	return false
}

// Breach is one way in which a value breaks its contract; Path is a JSON Pointer.
type Breach struct {
	Path    string `json:"path"`
	Message string `json:"message"`
}

// FaultBody says why a call, or a side, failed.
type FaultBody struct {
	Code        string   `json:"code"`
	Detail      string   `json:"detail"`
	Started     string   `json:"started"`
	Errors      []Breach `json:"errors,omitempty"`
	Traceback   string   `json:"traceback,omitempty"`
	RetryAfterS *float64 `json:"retry_after_s,omitempty"`
}

// Codes are the names of gRPC's status codes other than OK.
var Codes = map[string]bool{
	"CANCELLED": true, "UNKNOWN": true, "INVALID_ARGUMENT": true, "DEADLINE_EXCEEDED": true, "NOT_FOUND": true,
	"ALREADY_EXISTS": true, "PERMISSION_DENIED": true, "RESOURCE_EXHAUSTED": true, "FAILED_PRECONDITION": true,
	"ABORTED": true, "OUT_OF_RANGE": true, "UNIMPLEMENTED": true, "INTERNAL": true, "UNAVAILABLE": true,
	"DATA_LOSS": true, "UNAUTHENTICATED": true,
}

// AppendFault appends the body of FAULT: texts are cut, so that it fits its frame whatever user code put into it.
func AppendFault(to []byte, f FaultBody) []byte {
	if !Codes[f.Code] {
		f.Code = "UNKNOWN"
	}
	if f.Started != "yes" && f.Started != "no" {
		f.Started = "unknown"
	}
	f.Detail, f.Traceback = cut(f.Detail, detailBytesMax), cut(f.Traceback, textBytesMax)
	if f.RetryAfterS != nil && (math.IsNaN(*f.RetryAfterS) || math.IsInf(*f.RetryAfterS, 0)) {
		f.RetryAfterS = nil
	}
	errors := f.Errors[:min(len(f.Errors), errorsMax)]
	f.Errors = make([]Breach, len(errors))
	for i, breach := range errors {
		f.Errors[i] = Breach{cut(breach.Path, breachBytesMax), cut(breach.Message, breachBytesMax)}
	}
	// Escapes may make a text six times as long: as many breaches are left out as it takes.
	for from := len(to); ; f.Errors = f.Errors[:len(f.Errors)/2] {
		to = appendJSON(to[:from], f)
		if len(to)-from <= ReportBytesMax || len(f.Errors) == 0 {
			return to
		}
	}
}

// LogBody is an EVENT's log line.
type LogBody struct {
	Message string         `json:"message"`
	Level   string         `json:"level,omitempty"`
	Fields  map[string]any `json:"fields,omitempty"`
}

// AppendLog appends the body of an EVENT that is a log line. Fields that are no JSON are written as text, and all are
// left out where they do not fit.
func AppendLog(to []byte, log LogBody) []byte {
	log.Message = cut(log.Message, textBytesMax)
	body, err := json.Marshal(map[string]any{"log": log})
	if err != nil {
		fields := make(map[string]any, len(log.Fields))
		for key, value := range log.Fields {
			if _, err := json.Marshal(value); err != nil {
				value = cut(fmt.Sprint(value), textBytesMax)
			}
			fields[key] = value
		}
		log.Fields = fields
		body, err = json.Marshal(map[string]any{"log": log})
	}
	if err != nil || len(body) > ReportBytesMax {
		log.Fields = nil
		return appendJSON(to, map[string]any{"log": log})
	}
	return append(to, body...)
}

// AppendProgress appends the body of an EVENT that tells progress.
func AppendProgress(to []byte, share float64, message string) []byte {
	if !(share > 0) {
		share = 0
	}
	progress := map[string]any{"share": min(share, 1), "message": cut(message, textBytesMax)}
	return appendJSON(to, map[string]any{"progress": progress})
}

func appendJSON(to []byte, document any) []byte {
	body, err := json.Marshal(document)
	if err != nil {
		panic("dragoman: a document of our own is not JSON: " + err.Error())
	}
	return append(to, body...)
}

func cut(text string, most int) string {
	if len(text) <= most {
		return strings.ToValidUTF8(text, "\uFFFD")
	}
	end := most - len("…")
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return strings.ToValidUTF8(text[:end], "\uFFFD") + "…"
}

// object is the JSON body of a frame, read strictly: known keys of the wrong type are faults.
type object struct {
	what  string
	keys  map[string]json.RawMessage
	fault *ProtocolFault
}

func readObject(body []byte, what string) *object {
	o := &object{what: what}
	if !utf8.Valid(body) {
		o.fault = faultf("json", "the body of %s is not UTF-8", what)
	} else if err := json.Unmarshal(body, &o.keys); err != nil || o.keys == nil {
		o.fault = faultf("json", "the body of %s is not a JSON object: %v", what, err)
	}
	return o
}

func (o *object) fail(reason, format string, args ...any) {
	if o.fault == nil {
		o.fault = faultf(reason, "%s: %s", o.what, fmt.Sprintf(format, args...))
	}
}

// read fills `to` from a key; false, and nothing done, where the key is absent. The first byte of the value must be
// one of `starts`, so that nothing is read as what it is not.
func (o *object) read(key, starts, kind string, to any) bool {
	raw, ok := o.keys[key]
	if !ok {
		return false
	}
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || !strings.ContainsRune(starts, rune(raw[0])) || json.Unmarshal(raw, to) != nil {
		o.fail("json", "`%s` must be %s", key, kind)
	}
	return true
}

func (o *object) text(key string, required bool) (text string) {
	if !o.read(key, `"`, "a string", &text) && required {
		o.fail("json", "`%s` is missing", key)
	}
	return text
}

func (o *object) integer(key string, least, otherwise, most int64) int64 {
	var number json.Number
	if !o.read(key, "-0123456789", "a whole number", &number) || o.fault != nil {
		return otherwise
	}
	text := string(number)
	if strings.ContainsAny(text, ".eE") {
		o.fail("json", "`%s` must be a whole number", key)
		return otherwise
	}
	value, err := number.Int64()
	if err != nil && text[0] != '-' {
		value = math.MaxInt64 // more than anyone means: as much as there is
	}
	if value < least {
		o.fail("handshake", "`%s` is %s; it must be at least %d", key, text, least)
	}
	return min(value, most)
}

func (o *object) texts(key string) (texts []string) {
	var raw []json.RawMessage
	o.read(key, "[", "a list of strings", &raw)
	for _, each := range raw {
		var text string
		if len(each) == 0 || each[0] != '"' || json.Unmarshal(each, &text) != nil {
			o.fail("json", "`%s` must be a list of strings", key)
			return nil
		}
		texts = append(texts, text)
	}
	return texts
}

func (o *object) section(key string) *object {
	inner := &object{what: o.what, fault: o.fault}
	o.read(key, "{", "an object", &inner.keys)
	inner.fault = o.fault
	return inner
}

// ReadHello reads the body of HELLO; both sides must share a version.
func ReadHello(body []byte) (HelloBody, *ProtocolFault) {
	o := readObject(body, "HELLO")
	h := HelloBody{
		Host: o.text("host", true), Source: o.text("source", false), Service: o.text("service", false),
		CallPrefix: o.text("call_prefix", false), Features: o.texts("features"),
		Concurrency: int(o.integer("concurrency", 1, 1, math.MaxInt32)),
		Debug:       string(bytes.TrimSpace(o.keys["debug"])) == "true",
	}
	limits := o.section("limits")
	h.Limits = Limits{
		FrameBytesMax:    uint32(limits.integer("frame_bytes_max", frameBytesLeast, FrameBytesMax, math.MaxUint32)),
		CreditBytes:      limits.integer("credit_bytes", HeaderBytes, CreditBytes, CreditBytesMax),
		CallsMax:         int(limits.integer("calls_max", 1, CallsMax, math.MaxInt32)),
		SegmentFromBytes: int(limits.integer("segment_from_bytes", 1, SegmentFromBytes, math.MaxInt32)),
	}
	if o.fault == nil {
		o.fault = limits.fault
	}
	o.versions(&h.Versions)
	return h, o.fault
}

func (o *object) versions(to *[2]int64) {
	var raw []json.Number
	if o.fault != nil {
		return
	}
	list := bytes.TrimSpace(o.keys["versions"])
	if len(list) == 0 || list[0] != '[' || bytes.ContainsAny(list, `".eE`) || json.Unmarshal(list, &raw) != nil || len(raw) != 2 {
		o.fail("handshake", "`versions` must be [lowest, highest]")
		return
	}
	for i, number := range raw {
		to[i], _ = number.Int64()
	}
	switch {
	case to[0] < 1 || to[1] < to[0]:
		o.fail("handshake", "`versions` %v is not a range from 1 up", *to)
	case to[0] > Version:
		o.fail("handshake", "no common version: the host speaks %d to %d, this library %d", to[0], to[1], Version)
	}
}

// ReadReady reads the body of READY, which must choose a version that was offered.
func ReadReady(body []byte, versions [2]int64) (ReadyBody, *ProtocolFault) {
	o := readObject(body, "READY")
	r := ReadyBody{
		Token: o.text("token", false), Language: o.text("language", true), Library: o.text("library", false),
		LanguageVersion: o.text("language_version", false), Features: o.texts("features"),
	}
	if _, ok := o.keys["version"]; !ok {
		o.fail("json", "`version` is missing")
	}
	r.Version = o.integer("version", 1, 1, math.MaxInt32)
	if o.fault == nil && (r.Version < versions[0] || r.Version > versions[1]) {
		o.fail("handshake", "chose version %d; offered were %v", r.Version, versions)
	}
	o.read("functions", "[", "a list of objects", &r.Functions)
	if len(r.Functions) > FunctionsMax {
		o.fail("handshake", "%d functions; at most %d are taken", len(r.Functions), FunctionsMax)
	}
	for _, function := range r.Functions {
		if function = bytes.TrimSpace(function); len(function) == 0 || function[0] != '{' {
			o.fail("json", "each of `functions` must be an object")
		}
	}
	return r, o.fault
}

// ReadFault reads the body of FAULT; a code or a state that is not known is UNKNOWN.
func ReadFault(body []byte) (FaultBody, *ProtocolFault) {
	o := readObject(body, "FAULT")
	f := FaultBody{
		Code: o.text("code", true), Detail: o.text("detail", false), Started: o.text("started", false),
		Traceback: o.text("traceback", false),
	}
	if !Codes[f.Code] {
		f.Code = "UNKNOWN"
	}
	if f.Started != "yes" && f.Started != "no" {
		f.Started = "unknown"
	}
	var retry float64
	if o.read("retry_after_s", "-0123456789", "a number", &retry) {
		f.RetryAfterS = &retry
	}
	var errors []json.RawMessage
	o.read("errors", "[", "a list of objects", &errors)
	for _, raw := range errors[:min(len(errors), errorsMax)] {
		breach := &object{what: "FAULT", fault: o.fault}
		if raw = bytes.TrimSpace(raw); len(raw) == 0 || raw[0] != '{' || json.Unmarshal(raw, &breach.keys) != nil {
			o.fail("json", "each of `errors` must be an object")
			break
		}
		f.Errors = append(f.Errors, Breach{breach.text("path", false), breach.text("message", false)})
		o.fault = breach.fault
	}
	return f, o.fault
}

// CheckEvent reads the body of EVENT as a host does.
func CheckEvent(body []byte) *ProtocolFault {
	o := readObject(body, "EVENT")
	if _, ok := o.keys["log"]; ok {
		log := o.section("log")
		log.text("message", true)
		log.text("level", false)
		log.text("stream", false)
		return log.section("fields").fault
	}
	if _, ok := o.keys["progress"]; ok {
		progress, share := o.section("progress"), 0.0
		if !progress.read("share", "-0123456789", "a number", &share) {
			progress.fail("json", "`share` is missing")
		}
		progress.text("message", false)
		return progress.fault
	}
	return o.fault
}

// Append appends the body of READY.
func (r *ReadyBody) Append(to []byte) []byte { return appendJSON(to, r) }
