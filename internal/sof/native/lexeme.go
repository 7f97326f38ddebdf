package native

import (
	"encoding/binary"
	"math/bits"
)

// One byte in each of eight.
const (
	low  = 0x0101010101010101
	high = 0x8080808080808080
)

// blockSize is how much of a line survey takes at a time: a bit of a word for
// each byte.
const blockSize = 64

// special marks, by its high bit, the first byte of w that is a quote, a
// backslash or a control character; bytes behind that one may be marked too.
func special(w uint64) uint64 {
	q := w ^ 0x22*low
	return ((q-low)&^q)&high | odd(w)
}

// odd is special without the quotes.
func odd(w uint64) uint64 {
	s := w ^ 0x5c*low
	return (((s - low) &^ s) | ((w - 0x20*low) &^ w)) & high
}

// quotes has bit k set where byte k of w is a quote.
func quotes(w uint64) uint64 {
	q := w ^ 0x22*low
	q = ^((q&^high + ^uint64(high)) | q | ^uint64(high)) // the high bits of the bytes that are 0
	return q >> 7 * 0x0102040810204080 >> 56
}

// surveyBlock looks over one block: where its quotes are, all of its bits, and
// whether it has anything odd.
func surveyBlock(b *[blockSize]byte) (at, all, strange uint64) {
	w0, w1 := binary.LittleEndian.Uint64(b[0:]), binary.LittleEndian.Uint64(b[8:])
	w2, w3 := binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:])
	at = quotes(w0) | quotes(w1)<<8 | quotes(w2)<<16 | quotes(w3)<<24
	all = w0 | w1 | w2 | w3
	strange = odd(w0) | odd(w1) | odd(w2) | odd(w3)
	w0, w1 = binary.LittleEndian.Uint64(b[32:]), binary.LittleEndian.Uint64(b[40:])
	w2, w3 = binary.LittleEndian.Uint64(b[48:]), binary.LittleEndian.Uint64(b[56:])
	at |= quotes(w0)<<32 | quotes(w1)<<40 | quotes(w2)<<48 | quotes(w3)<<56
	all |= w0 | w1 | w2 | w3
	strange |= odd(w0) | odd(w1) | odd(w2) | odd(w3)
	return at, all, strange
}

// survey looks over the whole line before it is read: it notes where the quotes
// are, so that most strings are read by one look, and which blocks have a
// backslash or a control character. It gives whether the line is ASCII.
func (t *tape) survey() (ascii bool) {
	t.quotes, t.odd, t.plain = t.quotes[:0], t.odd[:0], true
	var all uint64
	b := t.line
	for len(b) >= blockSize {
		all |= t.surveyed((*[blockSize]byte)(b))
		b = b[blockSize:]
	}
	// one word more than there are bytes, so that a look behind the end finds one
	var last [blockSize]byte
	for i := copy(last[:], b); i < len(last); i++ {
		last[i] = ' '
	}
	all |= t.surveyed(&last)
	return all&high == 0
}

func (t *tape) surveyed(b *[blockSize]byte) uint64 {
	at, all, strange := surveyBlock(b)
	t.quotes = append(t.quotes, at)
	if strange != 0 {
		t.plain = false
		// blocks without are left out until the first one has come
		for len(t.odd) < len(t.quotes)-1 {
			t.odd = append(t.odd, false)
		}
		t.odd = append(t.odd, true)
	} else if !t.plain {
		t.odd = append(t.odd, false)
	}
	return all
}

// quote is the offset of the next quote from i on, or the length of the line.
func (t *tape) quote(i int) int {
	k := i / blockSize
	if w := t.quotes[k] >> (i % blockSize); w != 0 {
		return i + bits.TrailingZeros64(w)
	}
	for k++; k < len(t.quotes); k++ {
		if w := t.quotes[k]; w != 0 {
			return k*blockSize + bits.TrailingZeros64(w)
		}
	}
	return len(t.line)
}

// oddIn says that there may be something odd in the line from i to end.
func (t *tape) oddIn(i, end int) bool {
	for k := i / blockSize; k <= end/blockSize && k < len(t.odd); k++ {
		if t.odd[k] {
			return true
		}
	}
	return false
}

// text reads a string behind its opening quote and gives the offset behind the
// closing one.
func (t *tape) text(i int) (int, bool) {
	end := t.quote(i)
	if !t.plain && t.oddIn(i, end) {
		return t.oddText(i)
	}
	if end >= len(t.line) {
		return t.tooShort(), false
	}
	return end + 1, false
}

// oddText is text where backslashes or control characters may be. Eight bytes at
// a time are searched for one of them or a quote.
func (t *tape) oddText(i int) (int, bool) {
	b := t.line
	escaped := false
	for {
		for i+8 <= len(b) {
			if m := special(binary.LittleEndian.Uint64(b[i:])); m != 0 {
				i += bits.TrailingZeros64(m) >> 3
				break
			}
			i += 8
		}
		if i >= len(b) {
			return t.tooShort(), false
		}
		switch c := b[i]; {
		case c == '"':
			return i + 1, escaped
		case c == '\\':
			escaped = true
			if i = t.escape(i); i < 0 {
				return -1, false
			}
		case c < ' ':
			return t.fail(i, "a control character in a string"), false
		default:
			i++
		}
	}
}

// escape validates the escape sequence at i and gives the offset behind it.
func (t *tape) escape(i int) int {
	b := t.line
	if i+1 >= len(b) {
		return t.tooShort()
	}
	switch b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		r, ok := hex4(b, i+2)
		if !ok {
			return t.fail(i, `\u needs four hexadecimal digits`)
		}
		switch {
		case r >= 0xdc00 && r < 0xe000:
			return t.fail(i, "half of a surrogate pair")
		case r >= 0xd800 && r < 0xdc00:
			next, ok := hex4(b, i+8)
			if !ok || b[i+6] != '\\' || b[i+7] != 'u' || next < 0xdc00 || next >= 0xe000 {
				return t.fail(i, "half of a surrogate pair")
			}
			return i + 12
		}
		return i + 6
	}
	return t.fail(i, "unknown escape sequence")
}

func hex4(b []byte, i int) (rune, bool) {
	if i+4 > len(b) {
		return 0, false
	}
	var r rune
	for _, c := range b[i : i+4] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

func (t *tape) word(i int, w string) int {
	if len(t.line)-i < len(w) || string(t.line[i:i+len(w)]) != w {
		return t.fail(i, "expected a JSON value")
	}
	return i + len(w)
}

// number validates a number after RFC 8259, section 6.
func (t *tape) number(i int) int {
	b := t.line
	start := i
	if i < len(b) && b[i] == '-' {
		i++
	}
	switch {
	case i < len(b) && b[i] == '0':
		i++
	case i < len(b) && b[i] >= '1' && b[i] <= '9':
		for i < len(b) && b[i] >= '0' && b[i] <= '9' {
			i++
		}
	default:
		if i >= len(b) {
			return t.tooShort()
		}
		return t.fail(start, "expected a JSON value")
	}
	if i < len(b) && b[i] == '.' {
		i++
		from := i
		for i < len(b) && b[i] >= '0' && b[i] <= '9' {
			i++
		}
		if i == from {
			return t.fail(i, "expected a digit after the decimal point")
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		from := i
		for i < len(b) && b[i] >= '0' && b[i] <= '9' {
			i++
		}
		if i == from {
			return t.fail(i, "expected a digit in the exponent")
		}
	}
	return i
}
