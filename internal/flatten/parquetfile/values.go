package parquetfile

import "encoding/binary"

// Values are the values of one column for a run of rows, numbered from 0. They are added in row
// order; a row without a value is NULL.
type Values struct {
	width int
	rows  []int32
	ends  []int  // of texts, in data
	data  []byte // length-prefixed texts, as in pages
}

// NewValues returns an empty run of values of a type.
func NewValues(t Type) *Values { return &Values{width: t.width()} }

// Text adds a copy of a text.
func (v *Values) Text(row int, text []byte) {
	v.data = binary.LittleEndian.AppendUint32(v.data, uint32(len(text)))
	v.data = append(v.data, text...)
	v.ends = append(v.ends, len(v.data))
	v.rows = append(v.rows, int32(row))
}

// Boolean adds a boolean.
func (v *Values) Boolean(row int, b bool) {
	var bit byte
	if b {
		bit = 1
	}
	v.data = append(v.data, bit)
	v.rows = append(v.rows, int32(row))
}

// Int32 adds a number, or the days of a Date.
func (v *Values) Int32(row int, n int32) {
	v.data = binary.LittleEndian.AppendUint32(v.data, uint32(n))
	v.rows = append(v.rows, int32(row))
}

// Int64 adds a number, or the milliseconds of a Timestamp.
func (v *Values) Int64(row int, n int64) {
	v.data = binary.LittleEndian.AppendUint64(v.data, uint64(n))
	v.rows = append(v.rows, int32(row))
}

// Decimal adds an unscaled number.
func (v *Values) Decimal(row int, n [16]byte) {
	v.data = append(v.data, n[:]...)
	v.rows = append(v.rows, int32(row))
}

// Truncate removes the values of row and all later ones.
func (v *Values) Truncate(row int) {
	n := len(v.rows)
	for n > 0 && int(v.rows[n-1]) >= row {
		n--
	}
	v.rows = v.rows[:n]
	if v.width > 0 {
		v.data = v.data[:n*v.width]
		return
	}
	v.ends = v.ends[:n]
	v.data = v.data[:v.start(n)]
}

// kept bounds the memory that a reused run keeps. A single line may have needed far more.
const kept = 1 << 20

// Reset removes all values.
func (v *Values) Reset() {
	v.rows, v.ends, v.data = v.rows[:0], v.ends[:0], v.data[:0]
	if cap(v.data) > kept {
		v.data = nil
	}
	if cap(v.rows) > kept/4 {
		v.rows, v.ends = nil, nil
	}
}

// start returns the offset of the i-th text's length.
func (v *Values) start(i int) int {
	if i == 0 {
		return 0
	}
	return v.ends[i-1]
}

// Extent is the longest text of a column.
type Extent struct {
	// Characters counts UTF-16 units, Bytes counts UTF-8.
	Characters, Bytes int
	// Wide is set if a text has characters that ASCII lacks. It is known of short columns only.
	Wide bool
}

// Longest returns e with the longest of the texts. short columns are checked for Wide too.
func (v *Values) Longest(e Extent, short bool) Extent {
	from := 0
	for _, end := range v.ends {
		text := v.data[from+4 : end]
		from = end
		e.Bytes = max(e.Bytes, len(text))
		if len(text) > e.Characters {
			e.Characters = max(e.Characters, characters(text))
		}
		if short && !e.Wide {
			e.Wide = !IsASCII(text)
		}
	}
	return e
}

// characters returns the length of a UTF-8 text in UTF-16 units.
func characters(text []byte) int {
	n := 0
	for _, b := range text {
		switch {
		case b < 0x80, b >= 0xC0 && b < 0xF0:
			n++
		case b >= 0xF0:
			n += 2
		}
	}
	return n
}

// IsASCII reports whether a text has only ASCII characters.
func IsASCII(text []byte) bool {
	const high = 0x8080808080808080
	for ; len(text) >= 8; text = text[8:] {
		if binary.LittleEndian.Uint64(text)&high != 0 {
			return false
		}
	}
	for _, b := range text {
		if b >= 0x80 {
			return false
		}
	}
	return true
}
