package flatten

import (
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go"

	"fhirsynapse/internal/flatten/parquetfile"
	"fhirsynapse/internal/sof"
)

// put sets a column to the value of a cell and returns the fit.
func put(to *parquetfile.Values, row int, c *sof.Column, cell []byte) fit {
	switch c.Kind {
	case sof.Boolean:
		if string(cell) != "true" && string(cell) != "false" {
			return nulled
		}
		to.Boolean(row, cell[0] == 't')
	case sof.Integer:
		n, err := strconv.ParseInt(string(cell), 10, 32)
		if err != nil {
			return nulled
		}
		to.Int32(row, int32(n))
	case sof.BigInt:
		n, err := strconv.ParseInt(string(cell), 10, 64)
		if err != nil {
			return nulled
		}
		to.Int64(row, n)
	case sof.Decimal:
		precision, scale := DecimalSize(*c)
		n, f := parseDecimal(cell, precision, scale)
		if !f.null() {
			to.Decimal(row, n)
		}
		return f
	case sof.Date:
		f := fitsDay(cell)
		if f == fits {
			year, month, day, _ := parseDay(cell)
			days := time.Date(year, time.Month(month), day, 0, 0, 0, 0,
				time.UTC).Unix() / secondsPerDay
			to.Int32(row, int32(days))
		}
		return f
	case sof.Timestamp:
		t, f := fitsInstant(cell)
		if f == fits {
			to.Int64(row, t.UnixMilli())
		}
		return f
	case sof.Text:
		to.Text(row, cell)
	}
	return fits
}

func fitsIf(ok bool) fit {
	if ok {
		return fits
	}
	return nulled
}

// fitsDay returns how a text fits a column of days: as a day, or as a dateTime, whose day is used
// as written, like SQL's CAST.
func fitsDay(text []byte) fit {
	year, _, _, ok := parseDay(text)
	switch {
	case ok && year != 0 && (len(text) == len("2006-01-02") || text[len("2006-01-02")] == 'T'):
		return fits
	case len(text) < len("2006-01-02") && isPartialDate(text):
		return noDay
	}
	return nulled
}

// fitsInstant returns how a text fits a column of instants.
func fitsInstant(text []byte) (time.Time, fit) {
	t, ok := parseInstant(text)
	switch {
	case ok && t.Year() > 0:
		return t, fits
	case isPartialDate(text):
		return t, noTime
	}
	return t, nulled
}

// isPartialDate reports whether a text is a FHIR date of year, month or day.
func isPartialDate(text []byte) bool {
	const whole = "2006-01-02"
	if len(text) != len("2006") && len(text) != len("2006-01") && len(text) != len(whole) {
		return false
	}
	day := append(make([]byte, 0, len(whole)), text...)
	day = append(day, "0001-01-01"[len(text):]...)
	year, _, _, ok := parseDay(day)
	return ok && year != 0
}

const secondsPerDay = 24 * 60 * 60

// text returns the canonical text of a value, which is the same for all engines. It returns nil for
// NULL.
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
