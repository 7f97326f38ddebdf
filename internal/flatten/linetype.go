package flatten

import (
	"bytes"
	"strings"
	"sync"

	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/sof/schema"
)

// LineType returns the resourceType at the top level of a line, which may be incomplete. It returns
// "" if there is none or if it cannot be a resource type.
func LineType(line []byte) string {
	rest := skipSpace(line)
	if len(rest) == 0 || rest[0] != '{' {
		return ""
	}
	for rest = skipSpace(rest[1:]); len(rest) > 0 && rest[0] == '"'; {
		name, after, ok := cutString(rest)
		after = skipSpace(after)
		if !ok || len(after) == 0 || after[0] != ':' {
			return ""
		}
		after = skipSpace(after[1:])
		if string(name) == "resourceType" {
			value, _, ok := cutString(after)
			if !ok || !IsResourceType(string(value)) {
				return ""
			}
			return string(value)
		}
		if rest, ok = skipValue(after); !ok {
			return ""
		}
	}
	return ""
}

// IsResourceType reports whether a name can be a resource type. A name that differs from a FHIR
// type only in case cannot, because databases would use the same tables.
func IsResourceType(name string) bool {
	if !records.IsTypeName(name) {
		return false
	}
	known, ok := typesByFoldedName()[strings.ToLower(name)]
	return !ok || known == name
}

var typesByFoldedName = sync.OnceValue(func() map[string]string {
	known := map[string]string{}
	for _, name := range schema.R4().Names(schema.Resource) {
		known[strings.ToLower(name)] = name
	}
	return known
})

func skipSpace(b []byte) []byte { return bytes.TrimLeft(b, " \t\r\n") }

// cutString splits b after the string at its start. Escapes are not decoded.
func cutString(b []byte) (value, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '"' {
		return nil, nil, false
	}
	for at := 1; ; {
		i := bytes.IndexByte(b[at:], '"')
		if i < 0 {
			return nil, nil, false
		}
		end := at + i
		slashes := 0
		for b[end-1-slashes] == '\\' { // stops at the opening quote at the latest
			slashes++
		}
		if slashes%2 == 0 {
			return b[1:end], b[end+1:], true
		}
		at = end + 1
	}
}

// skipValue skips a value and the comma after it.
func skipValue(b []byte) (rest []byte, ok bool) {
	for depth := 0; ; {
		i := bytes.IndexAny(b, `"{}[],`)
		if i < 0 {
			return nil, false
		}
		switch c := b[i]; c {
		case '"':
			if _, b, ok = cutString(b[i:]); !ok {
				return nil, false
			}
			continue
		case '{', '[':
			depth++
		case ',':
			if depth == 0 {
				return skipSpace(b[i+1:]), true
			}
		default:
			if depth--; depth < 0 {
				return nil, false // end of the line's object
			}
		}
		b = b[i+1:]
	}
}
