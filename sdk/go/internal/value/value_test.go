package value

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"testing/quick"
	"time"
)

type color string

func (color) Enum() []color { return []color{"red", "green"} }

type shape interface{ area() float64 }
type circle struct {
	R float64 `json:"r"`
}
type square struct {
	Side float64 `json:"side"`
	Kids []shape `json:"kids,omitempty"`
}

func (circle) area() float64  { return 0 }
func (*square) area() float64 { return 0 }

func init() {
	err := RegisterUnion(reflect.TypeFor[shape](), "kind", []string{"circle", "square"},
		[]reflect.Type{reflect.TypeFor[circle](), reflect.TypeFor[*square]()})
	if err != nil {
		panic(err)
	}
}

type base struct {
	ID int64 `json:"id"`
}

type tree struct {
	Value int64   `json:"value"`
	Kids  []*tree `json:"kids,omitempty"`
}

type all struct {
	base
	I8     int8             `json:"i8"`
	U64    uint64           `json:"u64"`
	F      float64          `json:"f"`
	F32    float32          `json:"f32"`
	Text   string           `json:"text"`
	Bytes  []byte           `json:"bytes"`
	At     time.Time        `json:"at"`
	For    time.Duration    `json:"for"`
	Big    *big.Int         `json:"big"`
	Money  *big.Rat         `json:"money"`
	Color  color            `json:"color"`
	Shape  shape            `json:"shape"`
	Tree   tree             `json:"tree"`
	Map    map[string][]int `json:"map"`
	Any    any              `json:"any"`
	Pair   [2]int16         `json:"pair"`
	Maybe  *string          `json:"maybe,omitempty"`
	Three  **int            `json:"three,omitempty"`
	Number json.Number      `json:"number"`
	Raw    json.RawMessage  `json:"raw"`
	Hidden string           `json:"-"`
}

func sample() all {
	whole, _ := new(big.Int).SetString("123456789012345678901234567890", 10)
	var none *int
	return all{
		base: base{math.MaxInt64}, I8: -128, U64: math.MaxUint64, F: 0.1, F32: 0.1, Text: "a\"\\\n\x00é😀",
		Bytes: []byte{0, 255}, At: time.Date(2026, 1, 31, 23, 59, 59, 500, time.UTC), For: -90 * time.Minute,
		Big: whole, Money: big.NewRat(25, 2), Color: "red", Shape: &square{2, []shape{circle{1}}},
		Tree: tree{1, []*tree{{2, nil}}}, Map: map[string][]int{"a": {1}, "b": {}},
		Any: map[string]any{"x": int64(math.MaxInt64), "y": []any{1.5, nil, true, "t"}}, Pair: [2]int16{1, -1},
		Three: &none, Number: "12.50", Raw: json.RawMessage(`{"a":[1,2.5]}`),
	}
}

func typeOf[T any](t testing.TB) *Type {
	t.Helper()
	made, err := Of(reflect.TypeFor[T]())
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func encode[T any](t testing.TB, codec Codec, v T) ([]byte, Codec, error) {
	t.Helper()
	return typeOf[T](t).Encode(nil, codec, reflect.ValueOf(&v).Elem())
}

func decode[T any](t testing.TB, codec Codec, body []byte) (T, error) {
	t.Helper()
	var v T
	err := typeOf[T](t).Decode(codec, body, reflect.ValueOf(&v).Elem(), false)
	return v, err
}

func TestAValueOfEveryKindSurvives(t *testing.T) {
	for _, codec := range []Codec{JSON, MessagePack} {
		want := sample()
		if codec == MessagePack {
			want.Big = big.NewInt(-5)
			want.Number = "12.5"
		}
		body, used, err := encode(t, codec, want)
		if err != nil || used != codec {
			t.Fatalf("%v in codec %d, used %d", err, codec, used)
		}
		got, err := decode[all](t, codec, body)
		if err != nil {
			t.Fatalf("%v of %q", err, body)
		}
		if !got.At.Equal(want.At) || got.Money.Cmp(want.Money) != 0 || got.Big.Cmp(want.Big) != 0 {
			t.Fatalf("got %+v", got)
		}
		got.At, got.Money, got.Big = want.At, want.Money, want.Big
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
	}
}

func TestAnIntegerPast64BitsMakesTheBodyJSON(t *testing.T) {
	body, used, err := encode(t, MessagePack, sample())
	if err != nil || used != JSON || !bytes.Contains(body, []byte("123456789012345678901234567890")) {
		t.Fatalf("%d %v %s", used, err, body)
	}
}

func refusedAt(t *testing.T, err error) map[string]string {
	t.Helper()
	var refused *Refused
	if !errors.As(err, &refused) {
		t.Fatalf("not refused: %v", err)
	}
	found := map[string]string{}
	for _, breach := range refused.Breaches {
		found[breach.Path] = breach.Message
	}
	return found
}

func TestEveryBreachIsNamedByItsPath(t *testing.T) {
	type in struct {
		A    int8             `json:"a"`
		B    []color          `json:"b"`
		Tree tree             `json:"tree"`
		S    shape            `json:"s"`
		M    map[string]int64 `json:"m"`
		D    time.Duration    `json:"d"`
		Need string           `json:"need"`
		Opt  *int             `json:"opt"`
	}
	_, err := decode[in](t, JSON, []byte(`{"a": 128, "b": ["red", "blue", 1], "tree": {"value": "x", "kids": [{"value": 1}, {}]},
		"s": {"kind": "hexagon"}, "m": {"x/y~": 1.5}, "d": "1s", "opt": null, "more": 1}`))
	found := refusedAt(t, err)
	for _, path := range []string{"/a", "/b/1", "/b/2", "/tree/value", "/tree/kids/1/value", "/s/kind", "/m/x~1y~0", "/d", "/need"} {
		if found[path] == "" {
			t.Errorf("no breach at %s in %v", path, found)
		}
	}
	if len(found) != 9 {
		t.Errorf("%d breaches: %v", len(found), found)
	}
}

func TestAStrictRecordKnowsItsKeys(t *testing.T) {
	var v tree
	err := typeOf[tree](t).Decode(JSON, []byte(`{"value": 1, "valeu": 2}`), reflect.ValueOf(&v).Elem(), true)
	if found := refusedAt(t, err); !strings.Contains(found["/valeu"], "value") {
		t.Fatal(found)
	}
}

func TestNumbersAreExactOrRefused(t *testing.T) {
	for literal, want := range map[string]any{
		"9007199254740993": int64(9007199254740993), "18446744073709551615": uint64(math.MaxUint64), "1.5": 1.5,
		"-0": int64(0), "1e2": 100.0, "-9223372036854775808": int64(math.MinInt64),
	} {
		if got, err := decode[any](t, JSON, []byte(literal)); err != nil || got != want {
			t.Errorf("%s: %T %v %v", literal, got, got, err)
		}
	}
	for _, literal := range []string{"9007199254740993", "1e999", "123456789012345678901"} {
		if _, err := decode[float64](t, JSON, []byte(literal)); err == nil {
			t.Errorf("%s was taken for a float", literal)
		}
	}
	for _, literal := range []string{"9007199254740992", "100000000000000000000", "123456789012345680000", "0.1"} {
		if _, err := decode[float64](t, JSON, []byte(literal)); err != nil {
			t.Errorf("%s: %v", literal, err)
		}
	}
	for literal, ok := range map[string]bool{"1.0": true, "1e3": true, "1.5": false, "9223372036854775808": false, "true": false, `"1"`: false, "1e400": false, "1e999999999": false} {
		if _, err := decode[int64](t, JSON, []byte(literal)); (err == nil) != ok {
			t.Errorf("%s: %v", literal, err)
		}
	}
	for _, literal := range []string{"01", "1.", ".5", "+1", "--1", "1e", "NaN", "Infinity", "0x10"} {
		if _, err := decode[any](t, JSON, []byte(literal)); err == nil {
			t.Errorf("%s was taken", literal)
		}
	}
}

func TestWhatJSONCannotSayIsRefusedByItsPath(t *testing.T) {
	type out struct {
		List []any `json:"list"`
	}
	for _, bad := range []any{math.NaN(), math.Inf(-1), "\xff", func() {}, make(chan int), map[int]int{}, struct{ C complex64 }{}} {
		_, _, err := encode(t, JSON, out{[]any{1, bad}})
		var u *Unsayable
		if !errors.As(err, &u) || u.Path != "/list/1" {
			t.Errorf("%T: %v", bad, err)
		}
	}
	type loop struct {
		Next *loop `json:"next"`
	}
	circle := &loop{}
	circle.Next = circle
	if _, _, err := encode(t, JSON, circle); err == nil {
		t.Error("a circle was encoded")
	}
	if _, used, err := encode(t, MessagePack, out{[]any{math.NaN()}}); err != nil || used != MessagePack {
		t.Errorf("MessagePack says NaN: %v", err)
	}
}

func TestNilSlicesAndMapsAreEmptyAndNotNull(t *testing.T) {
	type out struct {
		S []int          `json:"s"`
		M map[string]int `json:"m"`
		P *int           `json:"p"`
		B []byte         `json:"b"`
		O []int          `json:"o,omitempty"`
	}
	body, _, err := encode(t, JSON, out{})
	if err != nil || string(body) != `{"s":[],"m":{},"p":null,"b":""}` {
		t.Fatalf("%s %v", body, err)
	}
}

func TestTextIsStrict(t *testing.T) {
	for body, want := range map[string]string{`"\ud83d\ude00"`: "😀", `"\u00e9\/\b\f\n\r\t\"\\"`: "é/\b\f\n\r\t\"\\", `"e\u0301"`: "e\u0301"} {
		if got, err := decode[string](t, JSON, []byte(body)); err != nil || got != want {
			t.Errorf("%s: %q %v", body, got, err)
		}
	}
	for _, body := range []string{`"\ud800"`, `"\ud800\u0041"`, `"\udc00"`, "\"\xff\"", "\"a\nb\"", `"\x41"`, `"\u12g4"`, `"abc`, `"\`, `"\u00`, `'a'`} {
		if _, err := decode[string](t, JSON, []byte(body)); err == nil {
			t.Errorf("%q was taken", body)
		}
	}
	if _, err := decode[string](t, MessagePack, []byte{0xa1, 0xff}); err == nil {
		t.Error("a str that is not UTF-8 was taken")
	}
}

func TestMalformedBodiesAreRefused(t *testing.T) {
	for _, body := range []string{"", "{", "[1,]", `{"a" 1}`, `{"a":1,}`, "[1 2]", "{} {}", "nul", "[", `{a:1}`, "\xef\xbb\xbf1", strings.Repeat("[", 600)} {
		if _, err := decode[any](t, JSON, []byte(body)); err == nil {
			t.Errorf("%.20q was taken", body)
		}
	}
	for _, body := range [][]byte{{}, {0xc1}, {0xdd, 255, 255, 255, 255}, {0xdf, 255, 255, 255, 255}, {0xc6, 255, 255, 255, 255, 1}, {0x81, 1, 1}, {0xd4, 1, 1}, {0xcb, 1}, {1, 1}, bytes.Repeat([]byte{0x91}, 600)} {
		if _, err := decode[any](t, MessagePack, body); err == nil {
			t.Errorf("%x was taken", body[:min(len(body), 9)])
		}
	}
}

func TestMoments(t *testing.T) {
	for text, ok := range map[string]bool{
		"2026-01-31T23:59:59Z": true, "2026-01-31t23:59:59.123456789z": true, "2026-01-31T23:59:59+02:00": true,
		"2026-01-31T23:59:59.1234567891Z": false, "2026-02-30T00:00:00Z": false, "2026-01-31": false, "2026-01-31T23:59:59": false,
	} {
		body, _ := json.Marshal(text)
		if _, err := decode[time.Time](t, JSON, body); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, body := range [][]byte{{0xd6, 0xff, 0, 0, 0, 1}, {0xd7, 0xff, 0, 0, 0, 4, 0, 0, 0, 1}, {0xc7, 12, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1}} {
		if got, err := decode[time.Time](t, MessagePack, body); err != nil || got.Unix() != 1 {
			t.Errorf("%x: %v %v", body, got, err)
		}
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"P1DT2H30M0.5S": 26*time.Hour + 30*time.Minute + 500*time.Millisecond, "-PT1S": -time.Second, "P2D": 48 * time.Hour,
		"PT0S": 0, "PT90M": 90 * time.Minute, "PT0.000000001S": 1,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
	for _, text := range []string{"", "P", "PT", "1s", "P1Y", "P1M", "PT1.S", "P106752D", "PT1S ", "P1DT"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q was taken: %v", text, got)
		}
	}
	survives := func(n int64) bool {
		got, err := ParseDuration(FormatDuration(time.Duration(n)))
		return err == nil && got == time.Duration(n)
	}
	if !survives(math.MinInt64+1) || !survives(math.MaxInt64) {
		t.Error("the extremes do not survive")
	}
	if err := quick.Check(survives, nil); err != nil {
		t.Error(err)
	}
}

func TestBase64IsStrict(t *testing.T) {
	for text, ok := range map[string]bool{`"AP8="`: true, `""`: true, `"AP8"`: false, `"AP9="`: false, `"AP-="`: false, `"AP8=\n"`: false, `"A\nP8\n\n\n="`: false, `" AP8="`: false} {
		if _, err := decode[[]byte](t, JSON, []byte(text)); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestTypesThatCannotBeContractsAreNamed(t *testing.T) {
	type X struct{ A int }
	type Y struct{ A int }
	type clash struct {
		X
		Y
	}
	for _, rt := range []reflect.Type{
		reflect.TypeFor[chan int](), reflect.TypeFor[func()](), reflect.TypeFor[complex128](), reflect.TypeFor[error](),
		reflect.TypeFor[map[int]string](), reflect.TypeFor[clash](), reflect.TypeFor[struct{ F uintptr }](),
		reflect.TypeFor[big.Float](), reflect.TypeFor[struct {
			A int `json:",string"`
		}](),
	} {
		if _, err := Of(rt); err == nil || !strings.Contains(err.Error(), "contract") && !strings.Contains(err.Error(), "field") && !strings.Contains(err.Error(), "option") {
			t.Errorf("%v: %v", rt, err)
		}
	}
}

func TestSchemas(t *testing.T) {
	schema, _, err := typeOf[all](t).Schema(true)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(schema)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`"id":{"maximum":9223372036854775807,"minimum":-9223372036854775808,"type":"integer"}`, `"$ref":"#/$defs/tree"`,
		`"kids":{"items":{"anyOf":[{"$ref":"#/$defs/tree"},{"type":"null"}]},"type":"array"}`, `"color":{"enum":["red","green"]}`,
		`"contentEncoding":"base64"`, `"format":"duration"`, `"format":"decimal"`, `"const":"circle"`, `"additionalProperties":false`,
		`"pair":{"items":{"maximum":32767,"minimum":-32768,"type":"integer"},"maxItems":2,"minItems":2,"type":"array"}`,
	} {
		if !bytes.Contains(body, []byte(part)) {
			t.Errorf("no %s in %s", part, body)
		}
	}
	for _, name := range []string{"maybe", "three", "Hidden", "big"} {
		if bytes.Contains(body, []byte(`"required":[`)) && strings.Contains(requiredOf(schema), " "+name+" ") {
			t.Errorf("%s is required", name)
		}
	}
}

func requiredOf(schema map[string]any) string {
	var b strings.Builder
	for _, name := range schema["required"].([]any) {
		b.WriteString(" " + name.(string) + " ")
	}
	return b.String()
}

func TestTheLastOfTwoKeysCounts(t *testing.T) {
	got, err := decode[struct{ A []int }](t, JSON, []byte(`{"A": [1,2,3], "A": [4]}`))
	if err != nil || len(got.A) != 1 || got.A[0] != 4 {
		t.Fatal(got, err)
	}
}

func TestJSONAgreesWithTheStandardLibrary(t *testing.T) {
	same := func(f float64, i int64, s string, b []byte) bool {
		type v struct {
			F float64
			I int64
			S string
			B []byte
		}
		s = strings.ToValidUTF8(s, "?")
		in := v{f, i, s, append([]byte{}, b...)}
		body, _, err := encode(t, JSON, in)
		if err != nil {
			return false
		}
		var std v
		if json.Unmarshal(body, &std) != nil || !reflect.DeepEqual(std, in) {
			return false
		}
		got, err := decode[v](t, JSON, body)
		return err == nil && reflect.DeepEqual(got, in)
	}
	if err := quick.Check(same, nil); err != nil {
		t.Error(err)
	}
}

func TestMessagePackIntegersAreShortestAndSurvive(t *testing.T) {
	survives := func(i int64) bool {
		body, _, err := encode(t, MessagePack, i)
		got, err2 := decode[int64](t, MessagePack, body)
		return err == nil && err2 == nil && got == i
	}
	for _, i := range []int64{0, 127, 128, 255, 256, 65535, 65536, 1 << 32, -1, -32, -33, -128, -129, -32769, math.MinInt32 - 1, math.MinInt64, math.MaxInt64} {
		if !survives(i) {
			t.Error(i)
		}
	}
	if err := quick.Check(survives, nil); err != nil {
		t.Error(err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, codec := range []Codec{JSON, MessagePack} {
		body, _, _ := encode(f, codec, sample())
		f.Add(body, codec == JSON)
	}
	f.Fuzz(func(t *testing.T, body []byte, isJSON bool) {
		codec := MessagePack
		if isJSON {
			codec = JSON
		}
		_, _ = decode[all](t, codec, body)
		value, err := decode[any](t, codec, body)
		if err != nil {
			return
		}
		if isJSON && !json.Valid(body) {
			t.Fatalf("took %q, which is not JSON", body)
		}
		again, used, err := encode(t, codec, value)
		if err != nil {
			return // NaN in MessagePack cannot come here; a moment past 9999 can
		}
		back, err := decode[any](t, used, again)
		if err != nil {
			t.Fatalf("%q became %q: %v", body, again, err)
		}
		third, _, err := encode(t, codec, back)
		if err != nil || !bytes.Equal(again, third) {
			t.Fatalf("%q became %q, then %q: %v", body, again, third, err)
		}
	})
}
