package tsql

import (
	"fmt"
	"strings"

	"fhirsynapse/internal/sof"
)

// Quote writes a name as an identifier.
func Quote(name string) string { return "[" + strings.ReplaceAll(name, "]", "]]") + "]" }

// Literal writes a text as a literal of the engine.
func Literal(text string, e Engine) string { return literal(text, e.Facts()) }

func literal(text string, f Facts) string {
	quoted := func(part string) string {
		part = "'" + strings.ReplaceAll(part, "'", "''") + "'"
		if f.National {
			return "N" + part
		}
		return part
	}
	// a backslash at the end of a line continues the literal, and is dropped together with the line
	// break
	parts := strings.SplitAfter(text, `\`)
	for i := len(parts) - 1; i > 0; i-- {
		if !strings.HasPrefix(parts[i], "\n") && !strings.HasPrefix(parts[i], "\r") {
			parts[i-1] += parts[i]
			parts = append(parts[:i], parts[i+1:]...)
		}
	}
	if len(parts) == 1 {
		return quoted(text)
	}
	for i, part := range parts {
		parts[i] = quoted(part)
	}
	return "CONCAT(" + strings.Join(parts, ", ") + ")"
}

// columnType returns the type of a column in a body, where a text has any length: a cast would cut
// it without an error.
func columnType(c sof.Column, f Facts) string {
	switch c.Kind {
	case sof.Boolean:
		return "bit"
	case sof.Integer:
		return "int"
	case sof.BigInt:
		return "bigint"
	case sof.Decimal:
		return fmt.Sprintf("decimal(%d, %d)", c.Precision, c.Scale)
	case sof.Date:
		return "date"
	case sof.Timestamp:
		return f.Timestamp
	case sof.Text:
	}
	return f.Text
}

// ParseName reads the name of a table, with or without schema and database, and returns it with
// every part quoted.
func ParseName(name string) (string, error) {
	var parts []string
	for rest := name; ; {
		var part string
		if strings.HasPrefix(rest, "[") {
			end := strings.Index(rest, "]")
			if end < 0 {
				return "", fmt.Errorf("%q is no name of a table: a bracket is not closed", name)
			}
			part, rest = rest[1:end], rest[end+1:]
			if rest != "" && rest[0] != '.' {
				return "", fmt.Errorf("%q is no name of a table", name)
			}
		} else {
			end := strings.IndexByte(rest+".", '.')
			part, rest = rest[:end], rest[end:]
		}
		if part == "" || len(part) > 128 || strings.ContainsFunc(part, func(r rune) bool {
			return r < ' ' || r == '[' || r == ']'
		}) {
			return "", fmt.Errorf("%q is no name of a table", name)
		}
		parts = append(parts, Quote(part))
		if rest == "" {
			break
		}
		rest = rest[1:]
	}
	if len(parts) > 3 {
		return "", fmt.Errorf("%q is no name of a table: it has %d parts", name, len(parts))
	}
	return strings.Join(parts, "."), nil
}
