package value

import (
	"fmt"
	"math/big"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"time"
)

func fillTime(t *Type) {
	t.schema = plainSchema("string", "format", "date-time")
	t.read = func(s *source, v reflect.Value) error {
		found, err := s.peek()
		if err != nil {
			return err
		}
		if found == moment {
			seconds, nanos, err := s.moment()
			v.Set(reflect.ValueOf(time.Unix(seconds, int64(nanos)).UTC()))
			return err
		}
		if found != text {
			return s.mismatch("a moment such as \"2026-01-31T23:59:59Z\"")
		}
		raw, err := s.text()
		if err != nil {
			return err
		}
		value, err := parseTime(string(raw))
		if err != nil {
			s.breach("%v", err)
		}
		v.Set(reflect.ValueOf(value))
		return nil
	}
	t.write = func(k *sink, v reflect.Value) error {
		value := v.Interface().(time.Time)
		if _, offset := value.Zone(); offset%60 != 0 {
			value = value.UTC() // RFC 3339 has no seconds in an offset
		}
		if year := value.Year(); year < 0 || year > 9999 {
			return unsayable("the year %d cannot be said in RFC 3339", year)
		}
		return k.text(value.Format(time.RFC3339Nano))
	}
}

// Patterns are compiled when they are first needed: together they would take a third of a worker's start.
var rfc3339 = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$`)
})

func parseTime(text string) (time.Time, error) {
	if !rfc3339().MatchString(text) {
		return time.Time{}, fmt.Errorf("must be a moment with an offset and at most 9 digits of fraction, such as \"2026-01-31T23:59:59Z\"")
	}
	value, err := time.Parse(time.RFC3339Nano, strings.ToUpper(strings.Replace(text, " ", "T", 1)))
	if err != nil {
		return time.Time{}, fmt.Errorf("must be a moment that exists")
	}
	if value.Location() == time.Local {
		value = value.In(time.FixedZone("", offsetOf(value)))
	}
	return value, nil
}

func offsetOf(value time.Time) int {
	_, offset := value.Zone()
	return offset
}

func fillDuration(t *Type) {
	t.schema = plainSchema("string", "format", "duration")
	t.read = func(s *source, v reflect.Value) error {
		ok, err := readScalar(s, text, "a duration such as \"PT1.5S\"")
		if err != nil || !ok {
			return err
		}
		raw, err := s.text()
		if err != nil {
			return err
		}
		value, err := ParseDuration(string(raw))
		if err != nil {
			s.breach("%v", err)
		}
		v.SetInt(int64(value))
		return nil
	}
	t.write = func(k *sink, v reflect.Value) error { return k.text(FormatDuration(time.Duration(v.Int()))) }
}

var iso8601 = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^([+-]?)P(?:(\d{1,18})D)?(T(?:(\d{1,18})H)?(?:(\d{1,18})M)?(?:(\d{1,18})(?:\.(\d{1,9}))?S)?)?$`)
})

// ParseDuration reads an ISO 8601 duration of days, hours, minutes and seconds.
func ParseDuration(text string) (time.Duration, error) {
	parts := iso8601().FindStringSubmatch(text)
	if parts == nil || parts[3] == "T" || text[len(text)-1] == 'P' {
		return 0, fmt.Errorf("must be a duration of days, hours, minutes and seconds, such as \"P1DT2H30M0.5S\"")
	}
	total := new(big.Int)
	for i, unit := range map[int]time.Duration{2: 24 * time.Hour, 4: time.Hour, 5: time.Minute, 6: time.Second} {
		if parts[i] != "" {
			count, _ := new(big.Int).SetString(parts[i], 10)
			total.Add(total, count.Mul(count, big.NewInt(int64(unit))))
		}
	}
	if fraction := parts[7]; fraction != "" {
		nanos, _ := new(big.Int).SetString(fraction+strings.Repeat("0", 9-len(fraction)), 10)
		total.Add(total, nanos)
	}
	if parts[1] == "-" {
		total.Neg(total)
	}
	if !total.IsInt64() {
		return 0, fmt.Errorf("must be a duration of at most 292 years")
	}
	return time.Duration(total.Int64()), nil
}

// FormatDuration writes an ISO 8601 duration.
func FormatDuration(value time.Duration) string {
	sign, left := "", uint64(value)
	if value < 0 {
		sign, left = "-", -left
	}
	day := uint64(24 * time.Hour)
	var b strings.Builder
	b.WriteString(sign + "P")
	if days := left / day; days > 0 {
		fmt.Fprintf(&b, "%dD", days)
	}
	seconds, nanos := left%day/1e9, left%1e9
	if seconds == 0 && nanos == 0 && b.Len() > len(sign)+1 {
		return b.String()
	}
	b.WriteByte('T')
	if hours := seconds / 3600; hours > 0 {
		fmt.Fprintf(&b, "%dH", hours)
	}
	if minutes := seconds % 3600 / 60; minutes > 0 {
		fmt.Fprintf(&b, "%dM", minutes)
	}
	switch rest := seconds % 60; {
	case nanos > 0:
		b.WriteString(strings.TrimRight(fmt.Sprintf("%d.%09d", rest, nanos), "0") + "S")
	case rest > 0 || seconds == 0:
		fmt.Fprintf(&b, "%dS", rest)
	}
	return b.String()
}

var decimalText = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^-?\d+(\.\d+)?([eE][+-]?\d{1,4})?$`)
})

// CheckDecimal refuses what is no decimal number.
func CheckDecimal(text string) error {
	if len(text) > bigDigitsMax || !decimalText().MatchString(text) {
		return fmt.Errorf("must be a decimal number such as \"12.50\"")
	}
	return nil
}

func fillRat(t *Type) {
	t.schema = plainSchema("string", "format", "decimal")
	t.read = func(s *source, v reflect.Value) error {
		ok, err := readScalar(s, text, "a decimal number such as \"12.50\"")
		if err != nil || !ok {
			return err
		}
		raw, err := s.text()
		if err != nil {
			return err
		}
		if err := CheckDecimal(string(raw)); err != nil {
			s.breach("%v", err)
			return nil
		}
		v.Addr().Interface().(*big.Rat).SetString(string(raw))
		return nil
	}
	t.write = func(k *sink, v reflect.Value) error {
		value := addressable(v).Interface().(*big.Rat)
		digits, exact := value.FloatPrec()
		if !exact || digits > bigDigitsMax {
			return unsayable("%.64s is no decimal number of finite digits", value.RatString())
		}
		return k.text(value.FloatString(digits))
	}
}
