// Package value turns Go values into JSON and MessagePack and back, strictly, and Go types into JSON Schema
// (SPEC.md §18): nothing is rounded, every breach is named by its path, and every depth and size is bounded.
package value

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// DepthMax is how deep values may nest (SPEC.md §18).
const DepthMax = 500

// breachesMax is how many breaches are named: nobody mends more at a time.
const breachesMax = 100

// Breach is one way in which a value breaks its type; Path is a JSON Pointer.
type Breach struct{ Path, Message string }

// Malformed is a body that is no value of its codec at all.
type Malformed struct{ Message string }

func (m *Malformed) Error() string { return m.Message }

type kind uint8

const (
	null kind = iota
	boolean
	number
	text
	binaryBytes
	array
	object
	moment
)

var kindNames = [...]string{"null", "a boolean", "a number", "a string", "bytes", "an array", "an object", "a moment"}

func (k kind) String() string { return kindNames[k] }

// source reads one body. What breaks a type is collected in breaches, and reading goes on behind it.
type source struct {
	data     []byte
	at       int
	json     bool
	depth    int
	breaches []Breach
	scratch  []byte
}

// members is where the reader is inside an array or object.
type members struct {
	left  int // of MessagePack
	first bool
	close byte
}

func (s *source) malformed(format string, args ...any) error {
	codec := "MessagePack"
	if s.json {
		codec = "JSON"
	}
	return &Malformed{fmt.Sprintf("not %s: %s at byte %d", codec, fmt.Sprintf(format, args...), s.at)}
}

func (s *source) breach(format string, args ...any) {
	s.breachAt("", format, args...)
}

func (s *source) breachAt(path, format string, args ...any) {
	if len(s.breaches) < breachesMax {
		s.breaches = append(s.breaches, Breach{path, fmt.Sprintf(format, args...)})
	}
}

// under puts breaches found since `from` below a key.
func (s *source) under(from int, key string) {
	for i := from; i < len(s.breaches); i++ {
		s.breaches[i].Path = "/" + escape(key) + s.breaches[i].Path
	}
}

var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")

func escape(key string) string {
	const shown = 64 // characters of a key that are told; a longer one is a caller's data
	if len(key) > shown {
		key = strings.ToValidUTF8(key[:shown], "") + "…"
	}
	return pointerEscape.Replace(key)
}

// mismatch says that a value is of another kind than its type, and skips it.
func (s *source) mismatch(wanted string) error {
	found, err := s.peek()
	if err != nil {
		return err
	}
	s.breach("must be %s, not %v", wanted, found)
	return s.skip()
}

func (s *source) end() error {
	if s.json {
		s.space()
	}
	if s.at < len(s.data) {
		return s.malformed("%d more bytes after the value", len(s.data)-s.at)
	}
	return nil
}

func (s *source) space() {
	for s.at < len(s.data) {
		switch s.data[s.at] {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return
		}
	}
}

// peek says what comes next, without taking it.
func (s *source) peek() (kind, error) {
	if s.json {
		s.space()
	}
	if s.at >= len(s.data) {
		return null, s.malformed("the body ends inside a value")
	}
	if s.json {
		return s.peekJSON()
	}
	return s.peekPack()
}

func (s *source) peekJSON() (kind, error) {
	switch c := s.data[s.at]; c {
	case '{':
		return object, nil
	case '[':
		return array, nil
	case '"':
		return text, nil
	case 't', 'f':
		return boolean, nil
	case 'n':
		return null, nil
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return number, nil
	default:
		return null, s.malformed("unexpected %q", c)
	}
}

func (s *source) peekPack() (kind, error) {
	switch c := s.data[s.at]; {
	case c <= 0x7f || c >= 0xe0 || c >= 0xca && c <= 0xd3:
		return number, nil
	case c <= 0x8f || c == 0xde || c == 0xdf:
		return object, nil
	case c <= 0x9f || c == 0xdc || c == 0xdd:
		return array, nil
	case c <= 0xbf || c >= 0xd9 && c <= 0xdb:
		return text, nil
	case c == 0xc0:
		return null, nil
	case c == 0xc2 || c == 0xc3:
		return boolean, nil
	case c >= 0xc4 && c <= 0xc6:
		return binaryBytes, nil
	case c == 0xc7 || c == 0xd6 || c == 0xd7:
		return moment, nil
	default:
		return null, s.malformed("a value of type %#02x, which is not spoken here", c)
	}
}

func (s *source) literal(word string) error {
	if len(s.data)-s.at < len(word) || string(s.data[s.at:s.at+len(word)]) != word {
		return s.malformed("%q expected", word)
	}
	s.at += len(word)
	return nil
}

// null takes a null that peek has seen.
func (s *source) null() error {
	if s.json {
		return s.literal("null")
	}
	s.at++
	return nil
}

func (s *source) boolean() (bool, error) {
	c := s.data[s.at]
	if !s.json {
		s.at++
		return c == 0xc3, nil
	}
	if c == 't' {
		return true, s.literal("true")
	}
	return false, s.literal("false")
}

// numeral is a number as it was written: a JSON literal, or one of MessagePack's forms.
type numeral struct {
	literal []byte
	signed  int64
	big     uint64 // where form is 'u'
	float   float64
	form    byte // 'j'son, 'i'nt, 'u'int past int64, 'f'loat
}

func (s *source) number() (numeral, error) {
	if s.json {
		return s.jsonNumber()
	}
	c := s.data[s.at]
	s.at++
	switch {
	case c <= 0x7f:
		return numeral{signed: int64(c), form: 'i'}, nil
	case c >= 0xe0:
		return numeral{signed: int64(int8(c)), form: 'i'}, nil
	}
	size := [...]int{4, 8, 1, 2, 4, 8, 1, 2, 4, 8}[c-0xca]
	raw, err := s.take(size)
	if err != nil {
		return numeral{}, err
	}
	var bits uint64
	for _, b := range raw {
		bits = bits<<8 | uint64(b)
	}
	switch {
	case c == 0xca:
		return numeral{float: float64(math.Float32frombits(uint32(bits))), form: 'f'}, nil
	case c == 0xcb:
		return numeral{float: math.Float64frombits(bits), form: 'f'}, nil
	case c >= 0xd0:
		shift := 64 - 8*size
		return numeral{signed: int64(bits<<shift) >> shift, form: 'i'}, nil
	case bits > math.MaxInt64:
		return numeral{big: bits, form: 'u'}, nil
	}
	return numeral{signed: int64(bits), form: 'i'}, nil
}

func (s *source) jsonNumber() (numeral, error) {
	from := s.at
	if s.data[s.at] == '-' {
		s.at++
	}
	whole := s.digits()
	if whole == 0 || whole > 1 && s.data[s.at-whole] == '0' {
		return numeral{}, s.malformed("a malformed number")
	}
	if s.at < len(s.data) && s.data[s.at] == '.' {
		s.at++
		if s.digits() == 0 {
			return numeral{}, s.malformed("a malformed number")
		}
	}
	if s.at < len(s.data) && s.data[s.at]|0x20 == 'e' {
		s.at++
		if s.at < len(s.data) && (s.data[s.at] == '+' || s.data[s.at] == '-') {
			s.at++
		}
		if s.digits() == 0 {
			return numeral{}, s.malformed("a malformed number")
		}
	}
	return numeral{literal: s.data[from:s.at], form: 'j'}, nil
}

func (s *source) digits() (n int) {
	for s.at < len(s.data) && s.data[s.at]-'0' <= 9 {
		s.at++
		n++
	}
	return n
}

func (s *source) take(size int) ([]byte, error) {
	if size > len(s.data)-s.at {
		return nil, s.malformed("%d bytes are promised and %d left", size, len(s.data)-s.at)
	}
	raw := s.data[s.at : s.at+size]
	s.at += size
	return raw, nil
}

// length takes the size that follows a type byte, of 1, 2 or 4 bytes.
func (s *source) length(bytes int) (int, error) {
	raw, err := s.take(bytes)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, b := range raw {
		n = n<<8 | int(b)
	}
	return n, nil
}

// text takes a string; it is valid until the next one is taken.
func (s *source) text() ([]byte, error) {
	if s.json {
		return s.jsonText()
	}
	c := s.data[s.at]
	s.at++
	size, err := int(c&0x1f), error(nil)
	if c > 0xbf {
		size, err = s.length(1 << (c - 0xd9))
	}
	if err != nil {
		return nil, err
	}
	raw, err := s.take(size)
	if err == nil && !utf8.Valid(raw) {
		return nil, s.malformed("a string that is not UTF-8")
	}
	return raw, err
}

func (s *source) jsonText() ([]byte, error) {
	s.at++
	from, ascii := s.at, true
	for i, c := range s.data[from:] {
		switch {
		case c == '"':
			raw := s.data[from : from+i]
			s.at = from + i + 1
			if !ascii && !utf8.Valid(raw) {
				return nil, s.malformed("a string that is not UTF-8")
			}
			return raw, nil
		case c == '\\':
			s.at = from + i
			return s.escaped(s.data[from : from+i])
		case c < ' ':
			s.at = from + i
			return nil, s.malformed("a control character in a string")
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	s.at = len(s.data)
	return nil, s.malformed("a string without an end")
}

// escaped goes on with a string from its first backslash.
func (s *source) escaped(head []byte) ([]byte, error) {
	out := append(s.scratch[:0], head...)
	for s.at < len(s.data) {
		c := s.data[s.at]
		s.at++
		switch {
		case c == '"':
			s.scratch = out
			if !utf8.Valid(out) {
				return nil, s.malformed("a string that is not UTF-8")
			}
			return out, nil
		case c < ' ':
			return nil, s.malformed("a control character in a string")
		case c != '\\':
			out = append(out, c)
			continue
		}
		if s.at >= len(s.data) {
			break
		}
		c = s.data[s.at]
		s.at++
		if at := strings.IndexByte(`"\/bfnrt`, c); at >= 0 {
			out = append(out, "\"\\/\b\f\n\r\t"[at])
			continue
		}
		if c != 'u' {
			return nil, s.malformed("an unknown escape \\%c", c)
		}
		r, err := s.rune()
		if err != nil {
			return nil, err
		}
		out = utf8.AppendRune(out, r)
	}
	return nil, s.malformed("a string without an end")
}

func (s *source) rune() (rune, error) {
	high, err := s.hex4()
	if err != nil || high < 0xd800 || high > 0xdfff {
		return high, err
	}
	if high <= 0xdbff && s.at+1 < len(s.data) && s.data[s.at] == '\\' && s.data[s.at+1] == 'u' {
		s.at += 2
		low, err := s.hex4()
		if err != nil {
			return 0, err
		}
		if low >= 0xdc00 && low <= 0xdfff {
			return 0x10000 + (high-0xd800)<<10 + (low - 0xdc00), nil
		}
	}
	return 0, s.malformed("a lone surrogate in a string")
}

func (s *source) hex4() (r rune, err error) {
	raw, err := s.take(4)
	for _, c := range raw {
		digit := strings.IndexByte("0123456789abcdef", c|0x20)
		if c < '0' || c > '9' && c < 'A' || digit < 0 {
			return 0, s.malformed("a malformed \\u escape")
		}
		r = r<<4 | rune(digit)
	}
	return r, err
}

// bytes takes bytes: bin in MessagePack, base64 in a string in JSON. They are the caller's own.
func (s *source) bytes() ([]byte, bool, error) {
	found, err := s.peek()
	if err != nil {
		return nil, false, err
	}
	if found == binaryBytes {
		size, err := s.packed(0xc4)
		if err != nil {
			return nil, false, err
		}
		raw, err := s.take(size)
		return append([]byte{}, raw...), true, err
	}
	if found != text {
		return nil, false, s.mismatch("bytes")
	}
	raw, err := s.text()
	if err != nil {
		return nil, false, err
	}
	out := make([]byte, base64.StdEncoding.DecodedLen(len(raw)))
	n, err := base64.StdEncoding.Strict().Decode(out, raw)
	if err != nil || len(raw)%4 != 0 || n != decodedLen(raw) {
		s.breach("must be bytes in base64")
		return nil, false, nil
	}
	return out[:n], true, nil
}

// decodedLen is how many bytes base64 without any line break stands for; the decoder skips breaks, SPEC.md does not.
func decodedLen(raw []byte) int {
	n := len(raw) / 4 * 3
	for i := len(raw) - 1; i >= 0 && raw[i] == '=' && n > 0; i-- {
		n--
	}
	return n
}

// packed takes a type byte and its length, where `first` is the type with a length of one byte.
func (s *source) packed(first byte) (int, error) {
	c := s.data[s.at]
	s.at++
	return s.length(1 << (c - first))
}

// open enters an array or object that peek has seen.
func (s *source) open(of kind) (members, error) {
	if s.depth++; s.depth > DepthMax {
		return members{}, s.malformed("values nested more than %d deep", DepthMax)
	}
	if s.json {
		s.at++
		if of == array {
			return members{first: true, close: ']'}, nil
		}
		return members{first: true, close: '}'}, nil
	}
	c := s.data[s.at]
	s.at++
	if c <= 0x9f {
		return members{left: int(c & 15)}, nil
	}
	n, err := s.length(2 << (c & 1))
	each := 1
	if of == object {
		each = 2
	}
	// Every member takes a byte at least, so that a header cannot promise what has not come.
	if err == nil && n > (len(s.data)-s.at)/each {
		return members{}, s.malformed("%d members are promised in %d bytes", n, len(s.data)-s.at)
	}
	return members{left: n}, err
}

// more says whether there is another member; false leaves the array or object.
func (s *source) more(m *members) (bool, error) {
	if !s.json {
		if m.left == 0 {
			s.depth--
			return false, nil
		}
		m.left--
		return true, nil
	}
	s.space()
	if s.at >= len(s.data) {
		return false, s.malformed("the body ends inside a value")
	}
	c := s.data[s.at]
	if c == m.close {
		s.at++
		s.depth--
		return false, nil
	}
	if m.first {
		m.first = false
		return true, nil
	}
	if c != ',' {
		return false, s.malformed("',' or %q expected, not %q", m.close, c)
	}
	s.at++
	s.space()
	if s.at < len(s.data) && s.data[s.at] == m.close {
		return false, s.malformed("a comma before %q", m.close)
	}
	return true, nil
}

// key takes the key of a member of an object; it is valid until the next string is taken.
func (s *source) key() ([]byte, error) {
	found, err := s.peek()
	if err != nil {
		return nil, err
	}
	if found != text {
		return nil, s.malformed("a key must be a string, not %v", found)
	}
	key, err := s.text()
	if err != nil || !s.json {
		return key, err
	}
	s.space()
	if s.at >= len(s.data) || s.data[s.at] != ':' {
		return nil, s.malformed("':' expected")
	}
	s.at++
	return key, nil
}

// skip takes a whole value and checks only that it is one.
func (s *source) skip() error {
	found, err := s.peek()
	if err != nil {
		return err
	}
	switch found {
	case null:
		return s.null()
	case boolean:
		_, err = s.boolean()
	case number:
		_, err = s.number()
	case text:
		_, err = s.text()
	case binaryBytes:
		var size int
		if size, err = s.packed(0xc4); err == nil {
			_, err = s.take(size)
		}
	case moment:
		_, _, err = s.moment()
	default:
		return s.skipMembers(found)
	}
	return err
}

func (s *source) skipMembers(found kind) error {
	m, err := s.open(found)
	if err != nil {
		return err
	}
	for {
		ok, err := s.more(&m)
		if err != nil || !ok {
			return err
		}
		if found == object {
			if _, err := s.key(); err != nil {
				return err
			}
		}
		if err := s.skip(); err != nil {
			return err
		}
	}
}

// moment takes MessagePack's timestamp (ext −1) as seconds and nanoseconds.
func (s *source) moment() (seconds int64, nanos uint32, err error) {
	c := s.data[s.at]
	s.at++
	size := map[byte]int{0xd6: 4, 0xd7: 8}[c]
	if c == 0xc7 {
		if size, err = s.length(1); err != nil {
			return 0, 0, err
		}
	}
	kind, err := s.take(1)
	if err != nil {
		return 0, 0, err
	}
	if kind[0] != 0xff || size != 4 && size != 8 && size != 12 {
		return 0, 0, s.malformed("an extension of type %d, which is not spoken here", int8(kind[0]))
	}
	raw, err := s.take(size)
	if err != nil {
		return 0, 0, err
	}
	switch size {
	case 4:
		seconds = int64(binary.BigEndian.Uint32(raw))
	case 8:
		both := binary.BigEndian.Uint64(raw)
		seconds, nanos = int64(both&(1<<34-1)), uint32(both>>34)
	default:
		nanos, seconds = binary.BigEndian.Uint32(raw), int64(binary.BigEndian.Uint64(raw[4:]))
	}
	if nanos > 999_999_999 {
		return 0, 0, s.malformed("a timestamp with %d nanoseconds", nanos)
	}
	return seconds, nanos, nil
}
