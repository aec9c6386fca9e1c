package dragoman

import (
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"time"

	"github.com/dragoman/dragoman/sdk/go/internal/value"
)

// Arrow is an Apache Arrow IPC stream, handed over as it is: read it with your own Arrow library. As the whole input of
// a function it may lie in memory that is shared with the host: it is valid until the function returns, and must not
// be written to.
type Arrow []byte

// Lent is raw bytes, as []byte is, without the copy: as the whole input of a function they may lie in memory that is
// shared with the host. They are valid until the function returns, and must not be written to.
type Lent []byte

// Decimal is a decimal number as it was written, such as "12.50": no digit of it is lost.
type Decimal string

// SchemaFormat is the JSON Schema format of a decimal.
func (Decimal) SchemaFormat() string { return "decimal" }

// MarshalText refuses what is no decimal number.
func (d Decimal) MarshalText() ([]byte, error) { return []byte(d), value.CheckDecimal(string(d)) }

// UnmarshalText refuses what is no decimal number.
func (d *Decimal) UnmarshalText(text []byte) error {
	*d = Decimal(text)
	return value.CheckDecimal(string(text))
}

// Rat is the exact number.
func (d Decimal) Rat() (*big.Rat, error) {
	if err := value.CheckDecimal(string(d)); err != nil {
		return nil, err
	}
	rat, _ := new(big.Rat).SetString(string(d))
	return rat, nil
}

// Date is a day of the calendar.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// DateOf is the day of a moment, where it is.
func DateOf(t time.Time) Date {
	year, month, day := t.Date()
	return Date{year, month, day}
}

// SchemaFormat is the JSON Schema format of a date.
func (Date) SchemaFormat() string { return "date" }

func (d Date) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day) }

// MarshalText refuses a date that does not exist.
func (d Date) MarshalText() ([]byte, error) {
	text := d.String()
	_, err := time.Parse(time.DateOnly, text)
	return []byte(text), err
}

// UnmarshalText reads a date such as "2026-01-31".
func (d *Date) UnmarshalText(text []byte) error {
	t, err := time.Parse(time.DateOnly, string(text))
	if err != nil {
		return fmt.Errorf("must be a date such as \"2026-01-31\"")
	}
	*d = DateOf(t)
	return nil
}

// TimeOfDay is a time without a day, since midnight.
type TimeOfDay time.Duration

// SchemaFormat is the JSON Schema format of a time of day.
func (TimeOfDay) SchemaFormat() string { return "time" }

func (t TimeOfDay) String() string {
	return time.Unix(0, 0).UTC().Add(time.Duration(t)).Format("15:04:05.999999999")
}

// MarshalText refuses what is not within one day.
func (t TimeOfDay) MarshalText() ([]byte, error) {
	if t < 0 || time.Duration(t) >= 24*time.Hour {
		return nil, fmt.Errorf("%v is not a time of day", time.Duration(t))
	}
	return []byte(t.String()), nil
}

// UnmarshalText reads a time such as "23:59:59.5".
func (t *TimeOfDay) UnmarshalText(text []byte) error {
	at, err := time.Parse("15:04:05", string(text))
	if err != nil || len(text) > len("23:59:59.123456789") || len(text) < len("23:59:59") {
		return fmt.Errorf("must be a time of day such as \"23:59:59.5\"")
	}
	*t = TimeOfDay(at.Sub(at.Truncate(24 * time.Hour)))
	return nil
}

// UUID is a universally unique identifier. Other types that marshal themselves as text work as well.
type UUID [16]byte

// SchemaFormat is the JSON Schema format of a UUID.
func (UUID) SchemaFormat() string { return "uuid" }

func (u UUID) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// MarshalText writes its 36 characters.
func (u UUID) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText reads its 36 characters.
func (u *UUID) UnmarshalText(text []byte) error {
	var parts [5][]byte
	if len(text) == 36 {
		if n, _ := fmt.Sscanf(string(text), "%8x-%4x-%4x-%4x-%12x", &parts[0], &parts[1], &parts[2], &parts[3], &parts[4]); n == 5 {
			if all := slices.Concat(parts[:]...); len(all) == len(u) {
				copy(u[:], all)
				return nil
			}
		}
	}
	return fmt.Errorf("must be a UUID of 36 characters")
}

// RegisterUnion makes the interface T a tagged union: an object whose property `tag` names one of the cases, which are
// structs or pointers to structs. It panics where that cannot be.
//
//	dragoman.RegisterUnion("kind", map[string]Shape{"circle": Circle{}, "square": Square{}})
func RegisterUnion[T any](tag string, cases map[string]T) {
	names := make([]string, 0, len(cases))
	for name := range cases {
		names = append(names, name)
	}
	slices.Sort(names)
	types := make([]reflect.Type, len(names))
	for i, name := range names {
		types[i] = reflect.TypeOf(cases[name])
	}
	if err := value.RegisterUnion(reflect.TypeFor[T](), tag, names, types); err != nil {
		panic("dragoman: " + err.Error())
	}
}
