package jsontape

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// lexer validates the parts of one line: strings, numbers, words and white space.
type lexer struct {
	Line []byte
	// allocated is called with the bytes allocated for a large line.
	allocated func(bytes int)

	// set by survey:
	quotes []uint64 // by block, one bit per quote
	odd    []uint64 // by block, one bit per backslash or control character
	plain  bool     // no bit of odd is set

	failedAt int
	reason   string
}

// fail records the first fault and returns -1.
func (t *lexer) fail(at int, reason string) int {
	if t.reason == "" {
		t.failedAt, t.reason = at, reason
	}
	return -1
}

func (t *lexer) space(i int) int {
	b := t.Line
	for i < len(b) && b[i] <= ' ' && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

func (t *lexer) tooShort() int { return t.fail(len(t.Line), "the line ends too early") }

// text reads a string after its opening quote and returns the offset after the closing one.
func (t *lexer) text(i int) (int, bool) {
	end := t.quote(i)
	if !t.plain && t.oddIn(i, end) {
		return t.oddText(i)
	}
	if end >= len(t.Line) {
		return t.tooShort(), false
	}
	return end + 1, false
}

// oddText is text for strings that may have backslashes or control characters. It searches eight
// bytes at a time.
func (t *lexer) oddText(i int) (int, bool) {
	b := t.Line
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

// escape validates the escape sequence at i and returns the offset after it.
func (t *lexer) escape(i int) int {
	b := t.Line
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

func (t *lexer) word(i int, w string) int {
	if len(t.Line)-i < len(w) || string(t.Line[i:i+len(w)]) != w {
		return t.fail(i, "expected a JSON value")
	}
	return i + len(w)
}

func (t *lexer) colon(i int) int {
	if i = t.space(i); i >= len(t.Line) {
		return t.tooShort()
	}
	if t.Line[i] != ':' {
		return t.fail(i, "expected a colon")
	}
	if i++; i < len(t.Line) && t.Line[i] > ' ' {
		return i
	}
	if i = t.space(i); i >= len(t.Line) {
		return t.tooShort()
	}
	return i
}

// number validates a number as in RFC 8259, section 6.
func (t *lexer) number(i int) int {
	b := t.Line
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

// AppendUnescaped decodes the inside of a valid JSON string.
func AppendUnescaped(out, raw []byte) []byte {
	for i := 0; i < len(raw); {
		c := raw[i]
		if c != '\\' {
			out = append(out, c)
			i++
			continue
		}
		c = raw[i+1]
		i += 2
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r, _ := hex4(raw, i)
			i += 4
			if r >= 0xd800 && r < 0xdc00 {
				next, _ := hex4(raw, i+2)
				i += 6
				r = (r-0xd800)<<10 | (next - 0xdc00) + 0x10000
			}
			out = utf8.AppendRune(out, r)
			continue
		}
		out = append(out, c)
	}
	return out
}

func invalidUTF8(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(b)
}
