package tsqleval

import (
	"fmt"
	"strings"
)

type tokenKind int

const (
	word tokenKind = iota // a name or a keyword
	bracketed
	text
	nationalText
	number
	symbol
	end
)

type token struct {
	kind tokenKind
	text string
	at   int
}

func lex(s string) ([]token, error) {
	var out []token
	for i := 0; i < len(s); {
		c := s[i]
		start := i
		switch {
		case c == ' ' || c == '\n' || c == '\t' || c == '\r':
			i++
			continue
		case strings.HasPrefix(s[i:], "--"):
			for i < len(s) && s[i] != '\n' {
				i++
			}
			continue
		case c == '[':
			var b strings.Builder
			for i++; ; i++ {
				if i >= len(s) {
					return nil, fmt.Errorf("at %d: a bracket is not closed", start)
				}
				if s[i] == ']' {
					if i+1 < len(s) && s[i+1] == ']' {
						i++
					} else {
						break
					}
				}
				b.WriteByte(s[i])
			}
			i++
			out = append(out, token{bracketed, b.String(), start})
		case c == '\'' || c == 'N' && i+1 < len(s) && s[i+1] == '\'':
			kind := text
			if c == 'N' {
				kind = nationalText
				i++
			}
			var b strings.Builder
			for i++; ; i++ {
				if i >= len(s) {
					return nil, fmt.Errorf("at %d: a literal is not closed", start)
				}
				if s[i] == '\'' {
					if i+1 < len(s) && s[i+1] == '\'' {
						i++
					} else {
						break
					}
				}
				b.WriteByte(s[i])
			}
			i++
			out = append(out, token{kind, b.String(), start})
		case c >= '0' && c <= '9':
			for i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i] == '.') {
				i++
			}
			out = append(out, token{number, s[start:i], start})
		case letter(c):
			for i < len(s) && (letter(s[i]) || s[i] >= '0' && s[i] <= '9') {
				i++
			}
			out = append(out, token{word, s[start:i], start})
		default:
			i++
			if two := s[start:min(start+2, len(s))]; two == "<>" || two == "<=" || two == ">=" {
				i++
			} else if !strings.ContainsRune("().,=<>+-*/%", rune(c)) {
				return nil, fmt.Errorf("at %d: %q is not expected", start, c)
			}
			out = append(out, token{symbol, s[start:i], start})
		}
	}
	return append(out, token{end, "", len(s)}), nil
}

func letter(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_'
}
