package prepared

import (
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go"

	"fhirsynapse/internal/sof"
)

// arena keeps copies of bytes in few large pieces.
type arena struct {
	pieces [][]byte // all but the last are full
	free   [][]byte
}

const pieceSize = 256 << 10

// copy keeps b. The result never moves, and is never nil.
func (a *arena) copy(b []byte) []byte {
	n := len(a.pieces)
	if n == 0 || cap(a.pieces[n-1])-len(a.pieces[n-1]) < len(b) {
		a.pieces = append(a.pieces, a.piece(len(b)))
		n++
	}
	p := a.pieces[n-1]
	start := len(p)
	p = append(p, b...)
	a.pieces[n-1] = p
	return p[start:len(p):len(p)]
}

func (a *arena) piece(size int) []byte {
	if n := len(a.free); n > 0 && size <= pieceSize {
		p := a.free[n-1]
		a.free = a.free[:n-1]
		return p
	}
	return make([]byte, 0, max(size, pieceSize))
}

// reset forgets everything; pieces of the usual size are used again.
func (a *arena) reset() {
	for _, p := range a.pieces {
		if cap(p) == pieceSize {
			a.free = append(a.free, p[:0])
		}
	}
	a.pieces = a.pieces[:0]
}

// value turns a cell into a Parquet value of its column; fits is false when the
// text is no value of that type, which makes it NULL.
func value(c *sof.Column, cell []byte, a *arena) (v parquet.Value, fits bool) {
	switch c.Kind {
	case sof.Boolean:
		switch string(cell) {
		case "true":
			return parquet.BooleanValue(true), true
		case "false":
			return parquet.BooleanValue(false), true
		}
		return v, false
	case sof.Integer:
		n, err := strconv.ParseInt(string(cell), 10, 32)
		return parquet.Int32Value(int32(n)), err == nil
	case sof.BigInt:
		n, err := strconv.ParseInt(string(cell), 10, 64)
		return parquet.Int64Value(n), err == nil
	case sof.Decimal:
		precision, scale := DecimalSize(*c)
		n, ok := parseDecimal(cell, precision, scale)
		if !ok {
			return v, false
		}
		return parquet.FixedLenByteArrayValue(a.copy(n[:])), true
	case sof.Date:
		if !isDay(cell) {
			return v, false
		}
		year, month, day, _ := parseDay(cell)
		days := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC).Unix() / secondsPerDay
		return parquet.Int32Value(int32(days)), true //nolint:gosec // the days of four-digit years fit
	case sof.Timestamp:
		t, ok := parseInstant(cell)
		return parquet.Int64Value(t.UnixMilli()), ok && t.Year() > 0
	case sof.Text:
	}
	return parquet.ByteArrayValue(a.copy(cell)), true
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
