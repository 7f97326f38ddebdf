package fhirpath

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Error is a syntax error with its position.
type Error struct {
	Pos int // byte offset
	Msg string
}

// Error returns the reason only. Callers that know the file add the place.
func (e *Error) Error() string { return e.Msg }

type tokenKind int

const (
	tokEOF      tokenKind = iota
	tokName               // identifier or keyword
	tokQuoted             // `identifier`
	tokString             // text is decoded
	tokNumber             // text of an integer or decimal
	tokDate               // after the @
	tokTime               // after the @T
	tokExternal           // after the %
	tokDollar             // after the $
	tokOp                 // operators and punctuation
)

type token struct {
	kind tokenKind
	pos  int
	text string
}

// lex splits src into tokens. The last one is tokEOF.
func lex(src string) ([]token, error) {
	if !utf8.ValidString(src) {
		return nil, &Error{0, "the expression is not valid UTF-8"}
	}
	l := &lexer{src: src}
	var out []token
	for {
		t, err := l.next()
		if err != nil {
			return nil, err
		}
		out = append(out, t)
		if t.kind == tokEOF {
			return out, nil
		}
	}
}

type lexer struct {
	src string
	i   int
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

func (l *lexer) peek(n int) byte {
	if l.i+n < len(l.src) {
		return l.src[l.i+n]
	}
	return 0
}

func (l *lexer) space() error {
	for l.i < len(l.src) {
		switch c := l.src[l.i]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			l.i++
		case c == '/' && l.peek(1) == '/':
			for l.i < len(l.src) && l.src[l.i] != '\n' && l.src[l.i] != '\r' {
				l.i++
			}
		case c == '/' && l.peek(1) == '*':
			end := strings.Index(l.src[l.i+2:], "*/")
			if end < 0 {
				return &Error{l.i, "the comment has no end: close it with */"}
			}
			l.i += end + 4
		default:
			return nil
		}
	}
	return nil
}

func (l *lexer) run(ok func(byte) bool) string {
	start := l.i
	for l.i < len(l.src) && ok(l.src[l.i]) {
		l.i++
	}
	return l.src[start:l.i]
}

func isWord(c byte) bool { return isLetter(c) || isDigit(c) }

func (l *lexer) next() (token, error) {
	if err := l.space(); err != nil {
		return token{}, err
	}
	start := l.i
	if l.i >= len(l.src) {
		return token{kind: tokEOF, pos: start}, nil
	}
	c := l.src[l.i]
	switch {
	case isLetter(c):
		return token{tokName, start, l.run(isWord)}, nil
	case isDigit(c):
		l.run(isDigit)
		if l.peek(0) == '.' && isDigit(l.peek(1)) {
			l.i++
			l.run(isDigit)
		}
		if isLetter(l.peek(0)) {
			return token{}, &Error{l.i, "a name cannot start with a digit"}
		}
		return token{tokNumber, start, l.src[start:l.i]}, nil
	case c == '\'':
		text, err := l.quoted('\'')
		return token{tokString, start, text}, err
	case c == '`':
		text, err := l.quoted('`')
		if err == nil && text == "" {
			err = &Error{start, "the name between the backquotes is empty"}
		}
		return token{tokQuoted, start, text}, err
	case c == '"':
		return token{}, &Error{start, "strings are written in single quotes: 'text'"}
	case c == '@':
		return l.temporal()
	case c == '%':
		l.i++
		if q := l.peek(0); q == '`' || q == '\'' {
			text, err := l.quoted(q)
			if err == nil && text == "" {
				err = &Error{start, "% needs the name of a constant"}
			}
			return token{tokExternal, start, text}, err
		}
		name := l.run(func(c byte) bool { return isWord(c) })
		if name == "" {
			return token{}, &Error{start, "% needs the name of a constant"}
		}
		return token{tokExternal, start, name}, nil
	case c == '$':
		l.i++
		return token{tokDollar, start, l.run(isWord)}, nil
	}
	if l.i+1 < len(l.src) {
		switch op := l.src[l.i : l.i+2]; op {
		case "<=", ">=", "!=", "!~":
			l.i += 2
			return token{tokOp, start, op}, nil
		}
	}
	if strings.IndexByte("+-*/&|<>=~().,[]{}", c) >= 0 {
		l.i++
		return token{tokOp, start, string(c)}, nil
	}
	r, _ := utf8.DecodeRuneInString(l.src[l.i:])
	return token{}, &Error{start, fmt.Sprintf("unexpected character %q", r)}
}

// temporal reads the text after an @: digits, signs and a T in the form of a date, a dateTime or a
// time. The digits are validated later.
func (l *lexer) temporal() (token, error) {
	start := l.i
	l.i++
	isTime := l.peek(0) == 'T'
	if !isTime && !isDigit(l.peek(0)) {
		return token{},
			&Error{start, "@ starts a date or a time, for example @2024-01-31 or @T08:00"}
	}
	if isTime {
		l.i++
		if l.clock() {
			return token{tokTime, start, l.src[start+2 : l.i]}, nil
		}
	} else if l.day() && l.dayTime() {
		return token{tokDate, start, l.src[start+1 : l.i]}, nil
	}
	return token{},
		&Error{
			start, "this is no date or time; write @2024, @2024-01, @2024-01-31, @2024-01-31T08:00:00Z or @T08:00",
		}
}

// digits reads n digits; false if there are fewer.
func (l *lexer) digits(n int) bool {
	for k := range n {
		if !isDigit(l.peek(k)) {
			return false
		}
	}
	l.i += n
	return true
}

// day reads a year, and a month and a day if they follow.
func (l *lexer) day() bool {
	if !l.digits(4) {
		return false
	}
	for range 2 {
		if l.peek(0) == '-' && isDigit(l.peek(1)) {
			l.i++
			if !l.digits(2) {
				return false
			}
		}
	}
	return true
}

// dayTime reads the T behind a day, and the time and the zone if they follow.
func (l *lexer) dayTime() bool {
	if l.peek(0) != 'T' {
		return true
	}
	l.i++
	if !isDigit(l.peek(0)) {
		return true
	}
	if !l.clock() {
		return false
	}
	switch c := l.peek(0); {
	case c == 'Z':
		l.i++
	case (c == '+' || c == '-') && isDigit(l.peek(1)) && isDigit(l.peek(2)) && l.peek(3) == ':':
		l.i += 4
		return l.digits(2)
	}
	return true
}

// clock reads hours, and minutes, seconds and their fraction if they follow.
func (l *lexer) clock() bool {
	if !l.digits(2) {
		return false
	}
	for range 2 {
		if l.peek(0) != ':' {
			return true
		}
		l.i++
		if !l.digits(2) {
			return false
		}
	}
	if l.peek(0) == '.' && isDigit(l.peek(1)) {
		l.i++
		l.run(isDigit)
	}
	return true
}

// quoted reads to the closing quote and decodes the escapes.
func (l *lexer) quoted(quote byte) (string, error) {
	start := l.i
	l.i++
	var b strings.Builder
	for l.i < len(l.src) {
		switch c := l.src[l.i]; c {
		case quote:
			l.i++
			return b.String(), nil
		case '\\':
			if err := l.escape(&b); err != nil {
				return "", err
			}
		default:
			b.WriteByte(c)
			l.i++
		}
	}
	return "", &Error{start, fmt.Sprintf("the text has no end: close it with %c", quote)}
}

func (l *lexer) escape(b *strings.Builder) error {
	at := l.i
	c := l.peek(1)
	l.i += 2
	switch c {
	case '\'', '"', '`', '\\', '/':
		b.WriteByte(c)
	case 'n':
		b.WriteByte('\n')
	case 'r':
		b.WriteByte('\r')
	case 't':
		b.WriteByte('\t')
	case 'f':
		b.WriteByte('\f')
	case 'u':
		r, err := l.hex(at)
		if err != nil {
			return err
		}
		if utf16.IsSurrogate(r) {
			if l.peek(0) != '\\' || l.peek(1) != 'u' {
				return &Error{at, "half of a surrogate pair"}
			}
			l.i += 2
			low, err := l.hex(at)
			if err != nil {
				return err
			}
			if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
				return &Error{at, "half of a surrogate pair"}
			}
		}
		b.WriteRune(r)
	default:
		return &Error{at, `unknown escape; known are \' \" \` + "`" + ` \\ \/ \n \r \t \f \uXXXX`}
	}
	return nil
}

func (l *lexer) hex(at int) (rune, error) {
	if l.i+4 > len(l.src) {
		return 0, &Error{at, `\u needs four hexadecimal digits`}
	}
	n, err := strconv.ParseUint(l.src[l.i:l.i+4], 16, 16)
	if err != nil {
		return 0, &Error{at, `\u needs four hexadecimal digits`}
	}
	l.i += 4
	return rune(n), nil
}
