package value

import (
	"bytes"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// bigDigitsMax bounds the digits of a number of any size: reading and writing them takes quadratic time.
const bigDigitsMax = 10_000

// int64 is the exact whole number, where it is one that fits; 1.0 and 1e3 are whole too.
func (n *numeral) int64() (int64, bool) {
	switch n.form {
	case 'i':
		return n.signed, true
	case 'u':
		return 0, false
	case 'f':
		if n.float == math.Trunc(n.float) && n.float >= -(1<<63) && n.float < 1<<63 {
			return int64(n.float), true
		}
		return 0, false
	}
	if value, err := strconv.ParseInt(string(n.literal), 10, 64); err == nil {
		return value, true
	}
	if whole := n.whole(); whole != nil && whole.IsInt64() {
		return whole.Int64(), true
	}
	return 0, false
}

func (n *numeral) uint64() (uint64, bool) {
	if n.form == 'u' {
		return n.big, true
	}
	if value, ok := n.int64(); ok {
		return uint64(value), value >= 0
	}
	if whole := n.whole(); whole != nil && whole.IsUint64() {
		return whole.Uint64(), true
	}
	return 0, false
}

// integral says whether the number is written as digits only.
func (n *numeral) integral() bool {
	return n.form == 'i' || n.form == 'u' || n.form == 'j' && !bytes.ContainsAny(n.literal, ".eE")
}

// whole is the exact whole number of any size, nil where it has a fraction or far too many digits.
func (n *numeral) whole() *big.Int {
	switch n.form {
	case 'i':
		return big.NewInt(n.signed)
	case 'u':
		return new(big.Int).SetUint64(n.big)
	case 'f':
		if n.float != math.Trunc(n.float) || math.IsInf(n.float, 0) {
			return nil
		}
		whole, _ := big.NewFloat(n.float).Int(nil)
		return whole
	}
	if len(n.literal) > bigDigitsMax {
		return nil
	}
	if n.integral() {
		whole, _ := new(big.Int).SetString(string(n.literal), 10)
		return whole
	}
	exponent := bytes.IndexAny(n.literal, "eE")
	if exponent >= 0 {
		// A large exponent is a number of its own making; nobody means it as a whole one.
		if power, err := strconv.Atoi(string(n.literal[exponent+1:])); err != nil || power > 400 || power < -400 {
			return nil
		}
	}
	if exact, ok := new(big.Rat).SetString(string(n.literal)); ok && exact.IsInt() {
		return exact.Num()
	}
	return nil
}

// float64 is the number as a float: false where it is past the largest, or whole and not exactly a float. A whole one
// that is the shortest form of a float counts as exact, since that is how some languages write floats.
func (n *numeral) float64() (float64, bool) {
	switch n.form {
	case 'f':
		return n.float, true
	case 'i':
		value := float64(n.signed)
		return value, value < 1<<63 && int64(value) == n.signed
	case 'u':
		value := float64(n.big)
		return value, value < 1<<64 && uint64(value) == n.big
	}
	literal := string(n.literal)
	value, err := strconv.ParseFloat(literal, 64)
	if err != nil {
		return 0, false
	}
	if len(literal) > 15 && n.integral() {
		if exact, accuracy := big.NewFloat(value).Int(nil); accuracy != big.Exact || !sameDigits(exact.String(), literal) {
			return value, strconv.FormatFloat(value, 'f', -1, 64) == literal
		}
	}
	return value, true
}

func sameDigits(a, b string) bool { return a == b || a == "0" && strings.Trim(b, "-0") == "" }

// any is the number in the first of int64, uint64, *big.Int and float64 that holds it exactly.
func (n *numeral) any() any {
	if n.form == 'f' {
		return n.float
	}
	if n.integral() {
		if value, ok := n.int64(); ok {
			return value
		}
		if value, ok := n.uint64(); ok {
			return value
		}
		if whole := n.whole(); whole != nil {
			return whole
		}
		return nil
	}
	value, ok := n.float64()
	if !ok {
		return nil
	}
	return value
}

// appendTo appends the number as a JSON literal; false where JSON has none (NaN).
func (n *numeral) appendTo(to []byte) ([]byte, bool) {
	switch n.form {
	case 'i':
		return strconv.AppendInt(to, n.signed, 10), true
	case 'u':
		return strconv.AppendUint(to, n.big, 10), true
	case 'f':
		return appendFloat(to, n.float, 64)
	}
	return append(to, n.literal...), true
}

// appendFloat appends the shortest form that reads back the same, and that looks like a float; false for NaN and
// infinities, which JSON does not have.
func appendFloat(to []byte, value float64, bits int) ([]byte, bool) {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return to, false
	}
	if size := math.Abs(value); size != 0 && (size < 1e-6 || size >= 1e21) {
		return strconv.AppendFloat(to, value, 'e', -1, bits), true
	}
	from := len(to)
	to = strconv.AppendFloat(to, value, 'f', -1, bits)
	if !bytes.Contains(to[from:], []byte{'.'}) {
		to = append(to, ".0"...)
	}
	return to, true
}
