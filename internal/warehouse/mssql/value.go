package mssql

import (
	"encoding/binary"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"

	"fhirsynapse/internal/prepared"
	"fhirsynapse/internal/sof"
)

// convert makes of a Parquet value what the driver's bulk copy takes for a column
// of the kind: decimals as text, which it scales; it would not scale an integer.
func convert(c sof.Column) func(parquet.Value) any {
	switch c.Kind {
	case sof.Boolean:
		return func(v parquet.Value) any { return v.Boolean() }
	case sof.Integer:
		return func(v parquet.Value) any { return int64(v.Int32()) }
	case sof.BigInt:
		return func(v parquet.Value) any { return v.Int64() }
	case sof.Decimal:
		_, scale := prepared.DecimalSize(c)
		return func(v parquet.Value) any { return decimalText(v.ByteArray(), scale) }
	case sof.Date:
		return func(v parquet.Value) any { return time.Unix(int64(v.Int32())*secondsPerDay, 0).UTC() }
	case sof.Timestamp:
		return func(v parquet.Value) any { return time.UnixMilli(v.Int64()).UTC() }
	case sof.Text:
	}
	return func(v parquet.Value) any { return string(v.ByteArray()) }
}

const secondsPerDay = 24 * 60 * 60

// decimalText writes a decimal of sixteen bytes, in big-endian two's complement.
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
	hi, lo := int64(binary.BigEndian.Uint64(raw)), int64(binary.BigEndian.Uint64(raw[8:])) //nolint:gosec // two's complement
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
