package native

import (
	"bytes"

	"fhirsynapse/internal/sof/decimal"
)

// equalJSON compares two JSON texts, both valid, by value: the order of members
// does not count, numbers compare as numbers. With loose set, strings compare as
// the operator ~ does.
func equalJSON(a, b []byte, loose bool) bool {
	x, _ := parseJSON(a, 0)
	y, _ := parseJSON(b, 0)
	return x.equal(y, loose)
}

// jsonValue is a decoded value; only comparisons of whole objects need one.
type jsonValue struct {
	kind    byte // first character of the text: { [ " t f n, or 0 for a number
	text    []byte
	names   [][]byte
	members []jsonValue
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

func stringEnd(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// parseJSON decodes the valid value at i and gives the offset behind it.
func parseJSON(b []byte, i int) (jsonValue, int) {
	i = skipSpace(b, i)
	v := jsonValue{kind: b[i]}
	switch b[i] {
	case '"':
		end := stringEnd(b, i)
		v.text = appendUnescaped(nil, b[i+1:end-1])
		return v, end
	case '{', '[':
		closing := byte('}')
		if b[i] == '[' {
			closing = ']'
		}
		for i = skipSpace(b, i+1); b[i] != closing; {
			if v.kind == '{' {
				end := stringEnd(b, i)
				v.names = append(v.names, appendUnescaped(nil, b[i+1:end-1]))
				i = skipSpace(b, end) + 1
			}
			var m jsonValue
			m, i = parseJSON(b, i)
			v.members = append(v.members, m)
			if i = skipSpace(b, i); b[i] == ',' {
				i = skipSpace(b, i+1)
			}
		}
		return v, i + 1
	}
	start := i
	for i < len(b) && bytes.IndexByte([]byte(",]} \t\r\n"), b[i]) < 0 {
		i++
	}
	v.text = b[start:i]
	if v.kind != 't' && v.kind != 'f' && v.kind != 'n' {
		v.kind = 0
	}
	return v, i
}

func (v jsonValue) equal(w jsonValue, loose bool) bool {
	if v.kind != w.kind || len(v.members) != len(w.members) {
		return false
	}
	switch v.kind {
	case '"':
		if loose {
			return bytes.Equal(normal(v.text), normal(w.text))
		}
		return bytes.Equal(v.text, w.text)
	case 0:
		x, ok := decimal.Parse(v.text)
		y, ok2 := decimal.Parse(w.text)
		return ok && ok2 && x.Cmp(y) == 0
	case '[':
		for i := range v.members {
			if !v.members[i].equal(w.members[i], loose) {
				return false
			}
		}
	case '{':
		for i, name := range v.names {
			j := 0
			for j < len(w.names) && !bytes.Equal(w.names[j], name) {
				j++
			}
			if j == len(w.names) || !v.members[i].equal(w.members[j], loose) {
				return false
			}
		}
	}
	return true
}

// normal is a string as ~ sees it: without regard to case, every white space
// character like every other (N1, 6.1.2).
func normal(s []byte) []byte {
	return bytes.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || r == '\r' {
			return ' '
		}
		return r
	}, bytes.ToLower(s))
}
