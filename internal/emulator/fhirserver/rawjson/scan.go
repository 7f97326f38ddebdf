package rawjson

import (
	"bytes"
	"encoding/json"
)

// Elements gives the elements of an array, or the value itself when it is none:
// FHIR's paths do not tell a single value from a list of one.
func Elements(value []byte) [][]byte {
	i := space(value, 0)
	if i >= len(value) || value[i] != '[' {
		return [][]byte{value}
	}
	var out [][]byte
	for i = space(value, i+1); i < len(value) && value[i] != ']'; {
		end := skip(value, i)
		if end < 0 {
			return out
		}
		out = append(out, value[i:end])
		if i = space(value, end); i < len(value) && value[i] == ',' {
			i = space(value, i+1)
		}
	}
	return out
}

// At follows member names from a value down, through lists, and gives the text
// of everything it reaches.
func At(value []byte, path ...string) [][]byte {
	if len(path) == 0 {
		return Elements(value)
	}
	var out [][]byte
	for _, e := range Elements(value) {
		o, err := Parse(e)
		if err != nil {
			continue
		}
		if v := o.Get(path[0]); v != nil {
			out = append(out, At(v, path[1:]...)...)
		}
	}
	return out
}

func scan(text []byte) ([]Member, error) {
	i := space(text, 0)
	if i >= len(text) || text[i] != '{' {
		return nil, ErrSyntax
	}
	var members []Member
	i = space(text, i+1)
	if i < len(text) && text[i] == '}' {
		return nil, nil
	}
	for {
		if i >= len(text) || text[i] != '"' {
			return nil, ErrSyntax
		}
		m := Member{Start: i}
		end := skip(text, i)
		if end < 0 {
			return nil, ErrSyntax
		}
		var ok bool
		if m.Key, ok = unquote(text[i:end]); !ok {
			return nil, ErrSyntax
		}
		if i = space(text, end); i >= len(text) || text[i] != ':' {
			return nil, ErrSyntax
		}
		m.ValueStart = space(text, i+1)
		if m.End = skip(text, m.ValueStart); m.End < 0 {
			return nil, ErrSyntax
		}
		members = append(members, m)
		i = space(text, m.End)
		if i >= len(text) {
			return nil, ErrSyntax
		}
		switch text[i] {
		case '}':
			return members, nil
		case ',':
			i = space(text, i+1)
		default:
			return nil, ErrSyntax
		}
	}
}

func unquote(quoted []byte) (string, bool) {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1]), true
	}
	var s string
	err := json.Unmarshal(quoted, &s)
	return s, err == nil
}

func space(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r') {
		i++
	}
	return i
}

// skip is the place behind the value that starts at i, or -1.
func skip(text []byte, i int) int {
	if i >= len(text) {
		return -1
	}
	switch text[i] {
	case '"':
		return skipString(text, i)
	case '{', '[':
		depth := 0
		for i < len(text) {
			switch text[i] {
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			case '"':
				if i = skipString(text, i); i < 0 {
					return -1
				}
				continue
			}
			i++
		}
		return -1
	}
	start := i
	for i < len(text) && bytes.IndexByte([]byte(",]} \t\r\n:"), text[i]) < 0 {
		i++
	}
	if i == start {
		return -1
	}
	return i
}

func skipString(text []byte, i int) int {
	for i++; i < len(text); i++ {
		switch text[i] {
		case '"':
			return i + 1
		case '\\':
			i++ // the escaped byte
		}
	}
	return -1
}
