package flatten

import (
	"bytes"
	"strconv"

	"fhirsynapse/internal/sof"
)

// textRows are rows as text: CSV or NDJSON.
type textRows struct {
	table   *Table
	members [][]byte // NDJSON: the text before each value; nil for CSV
	buf     []byte
	rows    int
}

func newTextRows(t *Table, format Format) *textRows {
	r := &textRows{table: t}
	if format == NDJSON {
		for i, c := range t.Columns {
			before := byte(',')
			if i == 0 {
				before = '{'
			}
			r.members = append(r.members,
				append(appendJSONText([]byte{before}, []byte(c.Name)), ':'))
		}
	}
	return r
}

func (r *textRows) mark() mark      { return mark{r.rows, len(r.buf)} }
func (r *textRows) truncate(m mark) { r.rows, r.buf = m.rows, r.buf[:m.size] }

// keptText bounds the text memory that a reused run keeps. A single line may have needed far more.
const keptText = 8 << 20

func (r *textRows) reset() {
	r.truncate(mark{})
	if cap(r.buf) > keptText {
		r.buf = nil
	}
}

func (r *textRows) add(_ int64, cells [][]byte, told func(column int, f fit)) {
	if r.members != nil {
		r.addObject(cells, told)
	} else {
		r.addRecord(cells, told)
	}
	r.buf = append(r.buf, '\n')
	r.rows++
}

// addObject writes a JSON object with a member for every column.
func (r *textRows) addObject(cells [][]byte, told func(column int, f fit)) {
	for i, cell := range cells {
		r.buf = append(r.buf, r.members[i]...)
		c, null := &r.table.Columns[i], cell == nil
		switch {
		case null:
		case c.Kind == sof.Text && c.Collection:
			r.buf = append(r.buf, cell...)
		case c.Kind == sof.Text:
			r.buf = appendJSONText(r.buf, cell)
		default:
			quoted := c.Kind == sof.Date || c.Kind == sof.Timestamp
			start := len(r.buf)
			if quoted {
				r.buf = append(r.buf, '"')
			}
			var f fit
			r.buf, f = appendValue(r.buf, c, cell)
			if f != fits {
				told(i, f)
			}
			if null = f.null(); null {
				r.buf = r.buf[:start]
			} else if quoted {
				r.buf = append(r.buf, '"')
			}
		}
		if null {
			r.buf = append(r.buf, "null"...)
		}
	}
	r.buf = append(r.buf, '}')
}

// addRecord writes a record as in RFC 4180: NULL is an empty field, the empty text a quoted one. A
// single NULL is quoted too, because an empty line is not a record.
func (r *textRows) addRecord(cells [][]byte, told func(column int, f fit)) {
	for i, cell := range cells {
		if i > 0 {
			r.buf = append(r.buf, ',')
		}
		c, null := &r.table.Columns[i], cell == nil
		switch {
		case null:
		case c.Kind == sof.Text:
			r.buf = appendField(r.buf, cell)
		default:
			start := len(r.buf)
			var f fit
			r.buf, f = appendValue(r.buf, c, cell)
			if f != fits {
				told(i, f)
			}
			if null = f.null(); null {
				r.buf = r.buf[:start]
			}
		}
		if null && len(cells) == 1 {
			r.buf = append(r.buf, `""`...)
		}
	}
}

// header returns the first line of a CSV file.
func header(t Table) []byte {
	var b []byte
	for i, c := range t.Columns {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendField(b, []byte(c.Name))
	}
	return append(b, '\n')
}

func appendField(to, text []byte) []byte {
	if len(text) > 0 && text[0] != ' ' && text[len(text)-1] != ' ' &&
		!bytes.ContainsAny(text, ",\"\r\n") {
		return append(to, text...)
	}
	to = append(to, '"')
	for {
		i := bytes.IndexByte(text, '"')
		if i < 0 {
			return append(append(to, text...), '"')
		}
		to = append(append(to, text[:i]...), `""`...)
		text = text[i+1:]
	}
}

// appendJSONText writes a JSON string. The text is valid UTF-8, because other lines are
// quarantined.
func appendJSONText(to, text []byte) []byte {
	const hex = "0123456789abcdef"
	to = append(to, '"')
	from := 0
	for i, c := range text {
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		to = append(to, text[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			to = append(to, '\\', c)
		case '\n':
			to = append(to, `\n`...)
		case '\r':
			to = append(to, `\r`...)
		case '\t':
			to = append(to, `\t`...)
		default:
			to = append(to, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(to, text[from:]...), '"')
}

// appendValue writes the text of a value whose column is not Text. It fits as in put, except that a
// decimal keeps all digits and is not rounded.
func appendValue(to []byte, c *sof.Column, cell []byte) ([]byte, fit) {
	switch c.Kind {
	case sof.Boolean:
		return append(to, cell...), fitsIf(string(cell) == "true" || string(cell) == "false")
	case sof.Integer:
		n, err := strconv.ParseInt(string(cell), 10, 32)
		return strconv.AppendInt(to, n, 10), fitsIf(err == nil)
	case sof.BigInt:
		n, err := strconv.ParseInt(string(cell), 10, 64)
		return strconv.AppendInt(to, n, 10), fitsIf(err == nil)
	case sof.Decimal:
		precision, scale := DecimalSize(*c)
		_, f := parseDecimal(cell, precision, scale)
		return appendNumber(to, cell), fitsIf(f != nulled)
	case sof.Date:
		return append(to, cell[:min(len(cell), len("2006-01-02"))]...), fitsDay(cell)
	case sof.Timestamp:
		t, f := fitsInstant(cell)
		return t.UTC().AppendFormat(to, shownLayout), f
	case sof.Text:
	}
	return append(to, cell...), fits
}

// appendNumber writes a decimal without the leading zeros that JSON forbids.
func appendNumber(to, text []byte) []byte {
	if len(text) > 0 && text[0] == '-' {
		to, text = append(to, '-'), text[1:]
	}
	for len(text) > 1 && text[0] == '0' && text[1] >= '0' && text[1] <= '9' {
		text = text[1:]
	}
	return append(to, text...)
}
