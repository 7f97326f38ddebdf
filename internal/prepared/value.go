package prepared

import (
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go"

	"fhirsynapse/internal/flatparquet"
	"fhirsynapse/internal/sof"
)

// put gives a column the value of a cell; it is false when the text is no value of
// the column's type, which makes it NULL.
func put(to *flatparquet.Values, row int, c *sof.Column, cell []byte) (fits bool) {
	switch c.Kind {
	case sof.Boolean:
		fits = string(cell) == "true" || string(cell) == "false"
		if fits {
			to.Boolean(row, cell[0] == 't')
		}
	case sof.Integer:
		n, err := strconv.ParseInt(string(cell), 10, 32)
		if fits = err == nil; fits {
			to.Int32(row, int32(n))
		}
	case sof.BigInt:
		n, err := strconv.ParseInt(string(cell), 10, 64)
		if fits = err == nil; fits {
			to.Int64(row, n)
		}
	case sof.Decimal:
		var n [decimalSize]byte
		precision, scale := DecimalSize(*c)
		if n, fits = parseDecimal(cell, precision, scale); fits {
			to.Decimal(row, n)
		}
	case sof.Date:
		if fits = isDay(cell); fits {
			year, month, day, _ := parseDay(cell)
			days := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC).Unix() / secondsPerDay
			to.Int32(row, int32(days)) //nolint:gosec // the days of four-digit years fit
		}
	case sof.Timestamp:
		t, ok := parseInstant(cell)
		if fits = ok && t.Year() > 0; fits {
			to.Int64(row, t.UnixMilli())
		}
	case sof.Text:
		to.Text(row, cell)
		fits = true
	}
	return fits
}

// isDay says whether a text is a day, or begins with one: of a dateTime it is the
// day as it is written, which is what SQL's CAST gives.
func isDay(text []byte) bool {
	year, _, _, ok := parseDay(text)
	return ok && year != 0 && (len(text) == len("2006-01-02") || text[len("2006-01-02")] == 'T')
}

const secondsPerDay = 24 * 60 * 60

// text is the canonical text of a value: the same for the same value, whichever
// engine it comes from. It is nil for NULL.
func text(c *sof.Column, v parquet.Value) []byte {
	if v.IsNull() {
		return nil
	}
	switch c.Kind {
	case sof.Boolean:
		return strconv.AppendBool(nil, v.Boolean())
	case sof.Integer:
		return strconv.AppendInt(nil, int64(v.Int32()), 10)
	case sof.BigInt:
		return strconv.AppendInt(nil, v.Int64(), 10)
	case sof.Decimal:
		_, scale := DecimalSize(*c)
		return decimalText(v.ByteArray(), scale)
	case sof.Date:
		return time.Unix(int64(v.Int32())*secondsPerDay, 0).UTC().AppendFormat(nil, time.DateOnly)
	case sof.Timestamp:
		return time.UnixMilli(v.Int64()).UTC().AppendFormat(nil, shownLayout)
	case sof.Text:
	}
	return append([]byte{}, v.ByteArray()...)
}
