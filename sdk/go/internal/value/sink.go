package value

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// errNeedsJSON says that MessagePack cannot say a value and JSON can: an integer past 64 bits.
var errNeedsJSON = errors.New("an integer past 64 bits")

// Unsayable is a value that cannot be encoded; Path is a JSON Pointer.
type Unsayable struct{ Path, Message string }

func (u *Unsayable) Error() string {
	if u.Path == "" {
		return u.Message
	}
	return u.Path + ": " + u.Message
}

func unsayable(format string, args ...any) error {
	return &Unsayable{"", fmt.Sprintf(format, args...)}
}

// within puts an error below a key.
func within(err error, key string) error {
	var u *Unsayable
	if errors.As(err, &u) {
		u.Path = "/" + escape(key) + u.Path
	}
	return err
}

// sink writes one body.
type sink struct {
	buf   []byte
	json  bool
	depth int
}

func (k *sink) null() {
	if k.json {
		k.buf = append(k.buf, "null"...)
	} else {
		k.buf = append(k.buf, 0xc0)
	}
}

func (k *sink) boolean(value bool) {
	switch {
	case k.json:
		k.buf = strconv.AppendBool(k.buf, value)
	case value:
		k.buf = append(k.buf, 0xc3)
	default:
		k.buf = append(k.buf, 0xc2)
	}
}

func (k *sink) int(value int64) {
	switch {
	case k.json:
		k.buf = strconv.AppendInt(k.buf, value, 10)
	case value >= 0:
		k.uint(uint64(value))
	case value >= -32:
		k.buf = append(k.buf, byte(value))
	case value >= math.MinInt8:
		k.buf = append(k.buf, 0xd0, byte(value))
	case value >= math.MinInt16:
		k.buf = binary.BigEndian.AppendUint16(append(k.buf, 0xd1), uint16(value))
	case value >= math.MinInt32:
		k.buf = binary.BigEndian.AppendUint32(append(k.buf, 0xd2), uint32(value))
	default:
		k.buf = binary.BigEndian.AppendUint64(append(k.buf, 0xd3), uint64(value))
	}
}

func (k *sink) uint(value uint64) {
	switch {
	case k.json:
		k.buf = strconv.AppendUint(k.buf, value, 10)
	case value < 128:
		k.buf = append(k.buf, byte(value))
	case value <= math.MaxUint8:
		k.buf = append(k.buf, 0xcc, byte(value))
	case value <= math.MaxUint16:
		k.buf = binary.BigEndian.AppendUint16(append(k.buf, 0xcd), uint16(value))
	case value <= math.MaxUint32:
		k.buf = binary.BigEndian.AppendUint32(append(k.buf, 0xce), uint32(value))
	default:
		k.buf = binary.BigEndian.AppendUint64(append(k.buf, 0xcf), value)
	}
}

func (k *sink) float(value float64, bits int) error {
	if !k.json {
		k.buf = binary.BigEndian.AppendUint64(append(k.buf, 0xcb), math.Float64bits(value))
		return nil
	}
	buf, ok := appendFloat(k.buf, value, bits)
	if !ok {
		return unsayable("%v cannot be said in JSON", value)
	}
	k.buf = buf
	return nil
}

const hexDigits = "0123456789abcdef"

func (k *sink) text(value string) error {
	if !utf8.ValidString(value) {
		return unsayable("a string that is not UTF-8")
	}
	if !k.json {
		k.size(len(value), 0xa0, 31, 0xd9)
		k.buf = append(k.buf, value...)
		return nil
	}
	buf, from := append(k.buf, '"'), 0
	for i := range len(value) {
		c := value[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		buf = append(buf, value[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			buf = append(buf, '\\', c)
		case '\n':
			buf = append(buf, '\\', 'n')
		case '\t':
			buf = append(buf, '\\', 't')
		case '\r':
			buf = append(buf, '\\', 'r')
		default:
			buf = append(buf, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	k.buf = append(append(buf, value[from:]...), '"')
	return nil
}

// size appends a MessagePack type with its length: in the type byte up to `tiny`, else in 1 (if there is such a type),
// 2 or 4 bytes.
func (k *sink) size(n int, fix byte, tiny int, first byte) {
	switch {
	case n <= tiny:
		k.buf = append(k.buf, fix|byte(n))
	case n <= math.MaxUint8 && first < 0xdc:
		k.buf = append(k.buf, first, byte(n))
	case n <= math.MaxUint16:
		k.buf = binary.BigEndian.AppendUint16(append(k.buf, long(first, 0)), uint16(n))
	default:
		k.buf = binary.BigEndian.AppendUint32(append(k.buf, long(first, 1)), uint32(n))
	}
}

// long is the type byte with a length of 2 (0) or 4 (1) bytes: arrays and maps have none of 1 byte.
func long(first, which byte) byte {
	if first < 0xdc {
		return first + 1 + which
	}
	return first + which
}

func (k *sink) bytes(value []byte) {
	if !k.json {
		k.size(len(value), 0, -1, 0xc4)
		k.buf = append(k.buf, value...)
		return
	}
	k.buf = append(k.buf, '"')
	k.buf = base64.StdEncoding.AppendEncode(k.buf, value)
	k.buf = append(k.buf, '"')
}

func (k *sink) openArray(n int) error {
	if k.json {
		k.buf = append(k.buf, '[')
	} else {
		k.size(n, 0x90, 15, 0xdc)
	}
	return k.enter()
}

func (k *sink) openObject(n int) error {
	if k.json {
		k.buf = append(k.buf, '{')
	} else {
		k.size(n, 0x80, 15, 0xde)
	}
	return k.enter()
}

func (k *sink) enter() error {
	if k.depth++; k.depth > DepthMax {
		return unsayable("nested more than %d deep, or in a circle", DepthMax)
	}
	return nil
}

// next comes before every member, by its position.
func (k *sink) next(i int) {
	if k.json && i > 0 {
		k.buf = append(k.buf, ',')
	}
}

func (k *sink) key(i int, key string) error {
	k.next(i)
	if err := k.text(key); err != nil {
		return unsayable("a key that is not UTF-8")
	}
	if k.json {
		k.buf = append(k.buf, ':')
	}
	return nil
}

func (k *sink) close(end byte) {
	k.depth--
	if k.json {
		k.buf = append(k.buf, end)
	}
}
