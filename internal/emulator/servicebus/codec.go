package servicebus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Values of AMQP frames as Go values: nil, bool, the integers, float64, []byte, string, []any,
// map[any]any, and the three types below. Types that no performative needs (chars, decimals,
// arrays, ...) are decoded as encoded. go-amqp decodes messages.
type (
	symbol    string
	encoded   []byte // a value in its encoding, passed on unchanged
	described struct {
		code uint64
		val  any
	}
)

// maxDepth bounds the recursion. Real performatives nest to a depth of five.
const maxDepth = 32

var (
	errShort = errors.New("amqp value: cut short")
	errDepth = fmt.Errorf("amqp value: nested deeper than %d", maxDepth)
)

var be = binary.BigEndian

// appendValue appends v in AMQP 1.0 encoding (part 1, section 1.6). It panics on a Go type that is
// not listed above: only literals of this package are passed to it.

func appendValue(b []byte, v any) []byte {
	switch x := v.(type) {
	case nil:
		return append(b, 0x40)
	case bool:
		if x {
			return append(b, 0x41)
		}
		return append(b, 0x42)
	case uint8:
		return append(b, 0x50, x)
	case uint16:
		return be.AppendUint16(append(b, 0x60), x)
	case uint32:
		return be.AppendUint32(append(b, 0x70), x)
	case uint64:
		return be.AppendUint64(append(b, 0x80), x)
	case int8:
		return append(b, 0x51, byte(x))
	case int32:
		return be.AppendUint32(append(b, 0x71), uint32(x))
	case int64:
		return be.AppendUint64(append(b, 0x81), uint64(x))
	case float64:
		return be.AppendUint64(append(b, 0x82), math.Float64bits(x))
	case []byte:
		return append(be.AppendUint32(append(b, 0xb0), uint32(len(x))), x...)
	case string:
		return append(be.AppendUint32(append(b, 0xb1), uint32(len(x))), x...)
	case symbol:
		return append(be.AppendUint32(append(b, 0xb3), uint32(len(x))), x...)
	case encoded:
		return append(b, x...)
	case described:
		if x.code < 256 { // the SDK recognizes performatives only in this short form
			return appendValue(append(b, 0x00, 0x53, byte(x.code)), x.val)
		}
		return appendValue(be.AppendUint64(append(b, 0x00, 0x80), x.code), x.val)
	case []any:
		if len(x) == 0 {
			return append(b, 0x45)
		}
		var in []byte
		for _, e := range x {
			in = appendValue(in, e)
		}
		return appendCompound(b, 0xd0, len(x), in)
	case map[any]any:
		var in []byte
		for k, e := range x {
			in = appendValue(appendValue(in, k), e)
		}
		return appendCompound(b, 0xd1, 2*len(x), in)
	}
	panic(fmt.Sprintf("servicebus: no AMQP encoding for %T", v))
}

func appendCompound(b []byte, constructor byte, count int, elements []byte) []byte {
	b = be.AppendUint32(append(b, constructor), uint32(len(elements)+4))
	return append(be.AppendUint32(b, uint32(count)), elements...)
}

// symbols encodes an array of symbols.
func symbols(names ...string) encoded {
	in := []byte{0xa3} // the constructor of the elements occurs once
	for _, name := range names {
		in = append(append(in, byte(len(name))), name...)
	}
	return encoded(append([]byte{0xe0, byte(len(in) + 1), byte(len(names))}, in...))
}

// decodeValue reads one value and returns the bytes that follow it. For any input, it allocates at
// most a small multiple of the input's length.
func decodeValue(b []byte) (v any, rest []byte, err error) { return decode(b, 0) }

func decode(b []byte, depth int) (v any, rest []byte, err error) {
	if depth > maxDepth {
		return nil, nil, errDepth
	}
	if len(b) == 0 {
		return nil, nil, errShort
	}
	c, p := b[0], b[1:]
	switch c {
	case 0x00:
		return decodeDescribed(b, depth)
	case 0x40:
		return nil, p, nil
	case 0x41:
		return true, p, nil
	case 0x42:
		return false, p, nil
	case 0x43:
		return uint32(0), p, nil
	case 0x44:
		return uint64(0), p, nil
	case 0x45:
		return []any{}, p, nil
	}
	d, p, err := body(c, p)
	if err != nil {
		return nil, nil, err
	}
	switch c {
	case 0xc0, 0xd0, 0xc1, 0xd1:
		v, err = decodeCompound(c, d, depth)
		return v, p, err
	}
	if v, ok := decodePrimitive(c, d); ok {
		return v, p, nil
	}
	return encoded(b[:len(b)-len(p)]), p, nil
}

// body splits off the bytes of a value. The high nibble of the constructor determines how the
// length is encoded (part 1, section 1.2).
func body(c byte, p []byte) (d, rest []byte, err error) {
	var n int
	switch c >> 4 {
	case 0x4:
	case 0x5:
		n = 1
	case 0x6:
		n = 2
	case 0x7:
		n = 4
	case 0x8:
		n = 8
	case 0x9:
		n = 16
	case 0xa, 0xc, 0xe:
		if len(p) < 1 {
			return nil, nil, errShort
		}
		n, p = int(p[0]), p[1:]
	case 0xb, 0xd, 0xf:
		if len(p) < 4 {
			return nil, nil, errShort
		}
		n, p = int(be.Uint32(p)), p[4:]
	default:
		return nil, nil, fmt.Errorf("amqp value: no constructor 0x%02x", c)
	}
	if n > len(p) {
		return nil, nil, errShort
	}
	return p[:n], p[n:], nil
}

func decodePrimitive(c byte, d []byte) (any, bool) {
	switch c {
	case 0x50:
		return d[0], true
	case 0x51:
		return int8(d[0]), true
	case 0x52:
		return uint32(d[0]), true
	case 0x53:
		return uint64(d[0]), true
	case 0x54:
		return int32(int8(d[0])), true
	case 0x55:
		return int64(int8(d[0])), true
	case 0x56:
		return d[0] != 0, true
	case 0x60:
		return be.Uint16(d), true
	case 0x70:
		return be.Uint32(d), true
	case 0x71:
		return int32(be.Uint32(d)), true
	case 0x80:
		return be.Uint64(d), true
	case 0x81:
		return int64(be.Uint64(d)), true
	case 0x82:
		return math.Float64frombits(be.Uint64(d)), true
	case 0xa0, 0xb0:
		return d, true
	case 0xa1, 0xb1:
		return string(d), true
	case 0xa3, 0xb3:
		return symbol(d), true
	}
	return nil, false
}

func decodeDescribed(b []byte, depth int) (any, []byte, error) {
	d, r, err := decode(b[1:], depth+1)
	if err != nil {
		return nil, nil, err
	}
	val, r, err := decode(r, depth+1)
	if err != nil {
		return nil, nil, err
	}
	if code, ok := d.(uint64); ok {
		return described{code, val}, r, nil
	}
	return encoded(b[:len(b)-len(r)]), r, nil
}

// decodeCompound decodes a list or a map. It skips map entries whose key is not a string, a symbol
// or a number: no performative has such an entry.
func decodeCompound(c byte, d []byte, depth int) (any, error) {
	width := 1
	if c >= 0xd0 {
		width = 4
	}
	if len(d) < width {
		return nil, errShort
	}
	count := int(d[0])
	if width == 4 {
		count = int(be.Uint32(d))
	}
	d = d[width:]
	if count > len(d) { // every element has a constructor of at least one byte
		return nil, errShort
	}
	list := make([]any, 0, min(count, 16)) // claimed by the peer: grow by real elements
	for range count {
		e, rest, err := decode(d, depth+1)
		if err != nil {
			return nil, err
		}
		list, d = append(list, e), rest
	}
	if c&0xf == 0 {
		return list, nil
	}
	m := make(map[any]any, len(list)/2)
	for i := 0; i+1 < len(list); i += 2 {
		switch list[i].(type) {
		case string, symbol, uint8, uint16, uint32, uint64, int32, int64:
			m[list[i]] = list[i+1]
		}
	}
	return m, nil
}

// fields holds the members of a performative. A missing or mistyped member reads as its zero value,
// which is AMQP's default with few exceptions.
type fields []any

func (f fields) at(i int) any {
	if i < len(f) {
		return f[i]
	}
	return nil
}

func (f fields) uint32(i int) uint32 { x, _ := f.at(i).(uint32); return x }
func (f fields) bool(i int) bool     { x, _ := f.at(i).(bool); return x }
func (f fields) string(i int) string { x, _ := f.at(i).(string); return x }

// list returns the fields of a described list, such as a source, a target or an error.
func list(v any) fields {
	d, _ := v.(described)
	l, _ := d.val.([]any)
	return l
}
