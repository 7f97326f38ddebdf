package native

import (
	"bytes"
	"regexp"
)

// quotedSize returns the maximum number of bytes that appendQuoted writes.
func quotedSize(s []byte) int {
	n := len(s) + 2
	for _, c := range s {
		switch {
		case c < ' ':
			n += 5
		case c == '"' || c == '\\':
			n++
		}
	}
	return n
}

// appendQuoted writes s as a JSON string with only the necessary escapes.
func appendQuoted(out, s []byte) []byte {
	const hexDigits = "0123456789abcdef"
	out = append(out, '"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c == '\n':
			out = append(out, '\\', 'n')
		case c == '\r':
			out = append(out, '\\', 'r')
		case c == '\t':
			out = append(out, '\\', 't')
		case c < ' ':
			out = append(out, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			out = append(out, c)
		}
	}
	return append(out, '"')
}

// appendCompact writes JSON text without space between its tokens.
func appendCompact(out, raw []byte) []byte {
	inString := false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case inString && c == '\\':
			out = append(out, c, raw[i+1])
			i++
		case c == '"':
			inString = !inString
			out = append(out, c)
		case !inString && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
		default:
			out = append(out, c)
		}
	}
	return out
}

// replacedSize returns an upper bound of the bytes after replacing every match of a pattern in s by
// the template. It ends the evaluation if that is too large.
func (v *values) replacedSize(pattern *regexp.Regexp, s, template []byte) int {
	groups := bytes.Count(template, []byte{'$'})
	size := len(s)
	made := v.budget.made
	v.charge(len(s))
	pattern.ReplaceAllFunc(s, func(match []byte) []byte {
		v.step(1)
		if size += len(template) + groups*len(match); size > v.budget.limits.Text {
			v.chargeText(size)
		}
		return nil
	})
	v.budget.made = made
	return size
}
