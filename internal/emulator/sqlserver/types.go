package sqlserver

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Column is a column of a result or of a table.
type Column struct {
	Name string
	// Type is written as in SQL: bigint, int, bit, date, datetime2(p),
	// decimal(p, s), char(n), varchar(n), varchar(max), nvarchar(n), nvarchar(max).
	Type string
}

// The ids of types on the wire, MS-TDS 2.2.5.4.
const (
	typeNull      = 0x1F
	typeInt1      = 0x30
	typeInt2      = 0x34
	typeInt4      = 0x38
	typeInt8      = 0x7F
	typeBit       = 0x32
	typeIntN      = 0x26
	typeBitN      = 0x68
	typeDecimalN  = 0x6A
	typeNumericN  = 0x6C
	typeFloatN    = 0x6D
	typeDate      = 0x28
	typeDateTime2 = 0x2A
	typeVarBinary = 0xA5
	typeVarChar   = 0xA7
	typeChar      = 0xAF
	typeNVarChar  = 0xE7
	typeNChar     = 0xEF
)

const (
	maxLength   = 0xFFFF // of a type without a bound: its values are chunked
	nullLength  = 0xFFFF
	nullChunked = ^uint64(0)
)

// collation is Latin1_General. The driver uses it to decode ASCII only.
var collation = []byte{9, 4, 0xd0, 0, 0x34}

// wireType describes a type in the format of the protocol.
type wireType struct {
	id               byte
	size             int
	precision, scale byte
}

var typeText = regexp.MustCompile(`^([a-z0-9]+)(?:\((max|\d+)(?:, ?(\d+))?\))?$`)

func parseType(text string) (wireType, error) {
	m := typeText.FindStringSubmatch(text)
	if m == nil {
		return wireType{}, fmt.Errorf("no type: %q", text)
	}
	n, _ := strconv.Atoi(m[2]) // max is 0
	scale, _ := strconv.Atoi(m[3])
	length := func(unit int) int {
		if n == 0 {
			return maxLength
		}
		return n * unit
	}
	switch m[1] {
	case "bigint":
		return wireType{id: typeIntN, size: 8}, nil
	case "int":
		return wireType{id: typeIntN, size: 4}, nil
	case "bit":
		return wireType{id: typeBitN, size: 1}, nil
	case "date":
		return wireType{id: typeDate}, nil
	case "datetime2":
		return wireType{id: typeDateTime2, scale: byte(n)}, nil
	case "decimal":
		return wireType{id: typeDecimalN, size: 17, precision: byte(n), scale: byte(scale)}, nil
	case "char":
		return wireType{id: typeChar, size: length(1)}, nil
	case "varchar":
		return wireType{id: typeVarChar, size: length(1)}, nil
	case "nvarchar":
		return wireType{id: typeNVarChar, size: length(2)}, nil
	}
	return wireType{}, fmt.Errorf("no type of this server: %q", text)
}

func (t wireType) appendInfo(b []byte) []byte {
	b = append(b, t.id)
	switch t.id {
	case typeIntN, typeBitN:
		return append(b, byte(t.size))
	case typeDecimalN:
		return append(b, byte(t.size), t.precision, t.scale)
	case typeDateTime2:
		return append(b, t.scale)
	case typeChar, typeVarChar, typeNVarChar:
		return append(binary.LittleEndian.AppendUint16(b, uint16(t.size)), collation...)
	}
	return b
}

// appendValue encodes the value of a Session: int64, int, bool, string, time.Time or nil. Decimals
// are texts.
func (t wireType) appendValue(b []byte, v any) ([]byte, error) {
	if v == nil {
		return t.appendNull(b), nil
	}
	switch t.id {
	case typeIntN:
		n, ok := v.(int64)
		if i, isInt := v.(int); isInt {
			n, ok = int64(i), true
		}
		if ok {
			raw := binary.LittleEndian.AppendUint64(nil, uint64(n))
			return append(append(b, byte(t.size)), raw[:t.size]...), nil
		}
	case typeBitN:
		if is, ok := v.(bool); ok {
			return append(b, 1, map[bool]byte{true: 1}[is]), nil
		}
	case typeDecimalN:
		if s, ok := v.(string); ok {
			return t.appendDecimal(b, s)
		}
	case typeDate:
		if at, ok := v.(time.Time); ok {
			raw := binary.LittleEndian.AppendUint32(nil, uint32(days(at)))
			return append(append(b, 3), raw[:3]...), nil
		}
	case typeDateTime2:
		if at, ok := v.(time.Time); ok {
			return t.appendInstant(b, at), nil
		}
	case typeChar, typeVarChar, typeNVarChar:
		if s, ok := v.(string); ok {
			return t.appendText(b, s), nil
		}
	}
	return b, fmt.Errorf("a %T does not go into type %#x", v, t.id)
}

func (t wireType) appendNull(b []byte) []byte {
	switch {
	case t.size == maxLength:
		return binary.LittleEndian.AppendUint64(b, nullChunked)
	case t.id == typeChar, t.id == typeVarChar, t.id == typeNVarChar:
		return binary.LittleEndian.AppendUint16(b, nullLength)
	}
	return append(b, 0)
}

func (t wireType) appendText(b []byte, s string) []byte {
	raw := []byte(s)
	if t.id == typeNVarChar {
		raw = ucs2(s)
	}
	if t.size != maxLength {
		return append(binary.LittleEndian.AppendUint16(b, uint16(len(raw))), raw...)
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(len(raw)))
	if len(raw) > 0 {
		b = append(binary.LittleEndian.AppendUint32(b, uint32(len(raw))), raw...)
	}
	return binary.LittleEndian.AppendUint32(b, 0)
}

var yearOne = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)

const secondsPerDay = 24 * 60 * 60

func days(t time.Time) int64 { return (t.Unix() - yearOne.Unix()) / secondsPerDay }

// timeSize returns the number of bytes of a time of day with this number of fractional digits.
func timeSize(scale byte) int {
	switch {
	case scale <= 2:
		return 3
	case scale <= 4:
		return 4
	}
	return 5
}

// unit returns the nanoseconds of the last fractional digit of a second.
func unit(scale byte) int64 {
	u := int64(time.Second)
	for range scale {
		u /= 10
	}
	return u
}

func (t wireType) appendInstant(b []byte, at time.Time) []byte {
	at = at.UTC()
	n := timeSize(t.scale)
	units := (at.Unix()-yearOne.Unix())%secondsPerDay*(int64(time.Second)/unit(t.scale)) +
		int64(at.Nanosecond())/unit(t.scale)
	b = append(b, byte(n+3))
	b = append(b, binary.LittleEndian.AppendUint64(nil, uint64(units))[:n]...)
	return append(b, binary.LittleEndian.AppendUint32(nil, uint32(days(at)))[:3]...)
}

func (t wireType) appendDecimal(b []byte, s string) ([]byte, error) {
	whole, fraction, _ := strings.Cut(s, ".")
	if len(fraction) > int(t.scale) {
		return b, fmt.Errorf("%d digits behind the point, %d fit", len(fraction), t.scale)
	}
	n, ok := new(big.Int).SetString(whole+fraction+strings.Repeat("0", int(t.scale)-len(fraction)),
		10)
	if !ok {
		return b, fmt.Errorf("no decimal: %q", s)
	}
	raw := make([]byte, 16)
	new(big.Int).Abs(n).FillBytes(raw)
	b = append(b, 17, map[bool]byte{true: 1}[n.Sign() >= 0])
	for i := len(raw) - 1; i >= 0; i-- {
		b = append(b, raw[i])
	}
	return b, nil
}

// typeInfo reads a type in the form of parameters and bulk rows.
func (r *reader) typeInfo() wireType {
	t := wireType{id: r.byte()}
	switch t.id {
	case typeInt1, typeBit:
		t.size = 1
	case typeInt2:
		t.size = 2
	case typeInt4:
		t.size = 4
	case typeInt8:
		t.size = 8
	case typeIntN, typeBitN, typeFloatN:
		t.size = int(r.byte())
	case typeDecimalN, typeNumericN:
		t.size, t.precision, t.scale = int(r.byte()), r.byte(), r.byte()
	case typeDateTime2:
		t.scale = r.byte()
	case typeChar, typeVarChar, typeNVarChar, typeNChar:
		t.size = int(r.uint16())
		r.bytes(len(collation))
	case typeVarBinary:
		t.size = int(r.uint16())
	case typeDate, typeNull:
	default:
		if r.err == nil {
			r.err = fmt.Errorf("a type that this server does not know: %#x", t.id)
		}
	}
	return t
}

// value reads a value of the type: int64, bool, string, time.Time, []byte or nil.
func (r *reader) value(t wireType) any {
	switch t.id {
	case typeNull:
		return nil
	case typeInt1, typeInt2, typeInt4, typeInt8, typeBit:
		return t.decode(r.bytes(t.size))
	case typeChar, typeVarChar, typeNVarChar, typeNChar, typeVarBinary:
		if t.size == maxLength {
			return r.chunked(t)
		}
		n := r.uint16()
		if n == nullLength {
			return nil
		}
		return t.decode(r.bytes(int(n)))
	}
	n := r.byte()
	if n == 0 {
		return nil
	}
	return t.decode(r.bytes(int(n)))
}

func (r *reader) chunked(t wireType) any {
	if r.uint64() == nullChunked {
		return nil
	}
	raw := []byte{}
	for r.err == nil {
		n := int(r.uint32())
		if n == 0 {
			break
		}
		raw = append(raw, r.bytes(n)...)
		if len(raw) > longestMessage {
			r.err = fmt.Errorf("a value of more than %d bytes", longestMessage)
		}
	}
	return t.decode(raw)
}

func (t wireType) decode(raw []byte) any {
	switch t.id {
	case typeNVarChar, typeNChar:
		return fromUCS2(raw)
	case typeVarChar, typeChar:
		return string(raw)
	case typeBit, typeBitN:
		return raw[0] != 0
	case typeInt1, typeInt2, typeInt4, typeInt8, typeIntN:
		return signed(raw)
	case typeDecimalN, typeNumericN:
		return t.decimal(raw)
	case typeDate:
		return yearOne.AddDate(0, 0, int(signed(append(raw, 0))))
	case typeDateTime2:
		n := timeSize(t.scale)
		if len(raw) != n+3 {
			return nil
		}
		day := yearOne.AddDate(0, 0, int(signed(append(raw[n:n+3:n+3], 0))))
		return day.Add(time.Duration(signed(append(raw[:n:n], 0)) * unit(t.scale)))
	}
	return raw
}

// signed reads a little-endian integer of any width up to eight bytes.
func signed(raw []byte) int64 {
	var n uint64
	for i, b := range raw {
		n |= uint64(b) << (8 * i)
	}
	shift := 64 - 8*len(raw)
	return int64(n<<shift) >> shift
}

func (t wireType) decimal(raw []byte) string {
	n := new(big.Int)
	for i := len(raw) - 1; i >= 1; i-- {
		n.Or(n.Lsh(n, 8), big.NewInt(int64(raw[i])))
	}
	digits := n.String()
	if missing := int(t.scale) + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	if t.scale > 0 {
		digits = digits[:len(digits)-int(t.scale)] + "." + digits[len(digits)-int(t.scale):]
	}
	if raw[0] == 0 && n.Sign() != 0 {
		return "-" + digits
	}
	return digits
}
