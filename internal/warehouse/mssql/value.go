package mssql

import (
	"encoding/binary"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/sof"
)

// convert returns a function from Parquet values to values for the driver's bulk copy. Decimals are
// passed as text, because the driver does not scale integers.
func convert(c sof.Column) func(parquet.Value) any {
	switch c.Kind {
	case sof.Boolean:
		return func(v parquet.Value) any { return v.Boolean() }
	case sof.Integer:
		return func(v parquet.Value) any { return int64(v.Int32()) }
	case sof.BigInt:
		return func(v parquet.Value) any { return v.Int64() }
	case sof.Decimal:
		_, scale := flatten.DecimalSize(c)
		return func(v parquet.Value) any { return decimalText(v.ByteArray(), scale) }
	case sof.Date:
		return func(v parquet.Value) any {
			return time.Unix(int64(v.Int32())*secondsPerDay, 0).UTC()
		}
	case sof.Timestamp:
		return func(v parquet.Value) any { return time.UnixMilli(v.Int64()).UTC() }
	case sof.Text:
	}
	return func(v parquet.Value) any { return string(v.ByteArray()) }
}

// forBulk is convert for a column type on the wire. Texts are passed as wire bytes, because the
// driver copies a string three times. A value is valid until the next one of the column.
func forBulk(c sof.Column, typ string) func(parquet.Value) any {
	switch {
	case c.Kind != sof.Text:
		return convert(c)
	case !strings.HasPrefix(typ, "n"):
		return func(v parquet.Value) any { return v.ByteArray() }
	}
	var wide []byte
	return func(v parquet.Value) any {
		wide = appendUTF16(wide[:0], v.ByteArray())
		return wide
	}
}

// appendUTF16 appends UTF-8 text in nvarchar's encoding. The result is never nil, which would be
// NULL.
func appendUTF16(out, text []byte) []byte {
	out = slices.Grow(out, 2*len(text)+1)
	for i := 0; i < len(text); {
		if text[i] < utf8.RuneSelf {
			out = append(out, text[i], 0)
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		i += size
		if first, second := utf16.EncodeRune(r); first != utf8.RuneError {
			out = binary.LittleEndian.AppendUint16(out, uint16(first))
			r = second
		}
		out = binary.LittleEndian.AppendUint16(out, uint16(r))
	}
	return out
}

const secondsPerDay = 24 * 60 * 60

// decimalText formats a decimal of sixteen bytes in big-endian two's complement.
func decimalText(raw []byte, scale int) string {
	digits, negative := digitsOf(raw)
	if missing := scale + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	whole, fraction := digits[:len(digits)-scale], digits[len(digits)-scale:]
	text := whole
	if fraction != "" {
		text += "." + fraction
	}
	if negative {
		return "-" + text
	}
	return text
}

func digitsOf(raw []byte) (digits string, negative bool) {
	hi, lo := int64(binary.BigEndian.Uint64(raw)), int64(binary.BigEndian.Uint64(raw[8:]))
	if hi == lo>>63 {
		text := strconv.FormatInt(lo, 10)
		digits, negative = strings.CutPrefix(text, "-")
		return digits, negative
	}
	n := new(big.Int).SetBytes(raw)
	if negative = hi < 0; negative {
		n.Sub(new(big.Int).Lsh(big.NewInt(1), uint(8*len(raw))), n)
	}
	return n.String(), negative
}
