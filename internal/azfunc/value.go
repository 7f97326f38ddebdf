package azfunc

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// Value is one member of an invocation's Data or Metadata, in the host's irregular form. Its
// methods interpret it and return zero if they cannot. The zero Value is an absent member.
type Value struct {
	raw     []byte
	skipped int64
}

// Present reports whether the member exists and is not null.
func (v Value) Present() bool {
	return v.skipped > 0 || len(v.raw) > 0 && !bytes.Equal(v.raw, []byte("null"))
}

// Skipped returns the size of a value that was too large to keep; 0 for others.
func (v Value) Skipped() int64 { return v.skipped }

// Text returns the text of a string, or the JSON of anything else. Strings of Metadata come as JSON
// in a string, which is decoded.
func (v Value) Text() string {
	s, ok := unquote(v.raw)
	if !ok {
		if !v.Present() {
			return ""
		}
		return string(v.raw)
	}
	if inner, ok := unquote([]byte(s)); ok {
		return inner
	}
	return s
}

// JSON returns the object or array in the value, even if strings are nested around it; nil if there
// is none.
func (v Value) JSON() []byte {
	raw := v.raw
	for range 3 {
		if isComposite(raw) {
			if !json.Valid(raw) {
				return nil
			}
			return raw
		}
		s, ok := unquote(raw)
		if !ok {
			return nil
		}
		raw = trim([]byte(s))
	}
	if isComposite(raw) && json.Valid(raw) {
		return raw
	}
	return nil
}

// Int returns the value of a number, or of a string that holds one.
func (v Value) Int() (int64, bool) {
	s := strings.TrimSpace(v.Text())
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<53 {
		return 0, false
	}
	return int64(f), true
}

// Bool returns the value of a boolean, or of a string that holds one.
func (v Value) Bool() bool {
	return strings.EqualFold(strings.TrimSpace(v.Text()), "true")
}

// layouts lists the time formats seen so far. A missing zone (azure-functions-host#6997 and #7391)
// means UTC.
var layouts = []string{
	time.RFC3339Nano,
	"2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04:05.999999999Z07:00",
	"2006-01-02 15:04:05.999999999",
	"01/02/2006 15:04:05 -07:00", // .NET's DateTimeOffset.ToString(), invariant culture
	"01/02/2006 15:04:05",
	time.RFC1123,
}

// Time returns the instant in UTC. The year 1, .NET's "never", and anything that is not a time
// return the zero time.
func (v Value) Time() time.Time {
	s := strings.TrimSpace(v.Text())
	for _, layout := range layouts {
		if t, err := time.Parse(layout, s); err == nil {
			if t = t.UTC(); t.Year() <= 1 {
				return time.Time{}
			}
			return t
		}
	}
	return time.Time{}
}

// member returns a member of the JSON object in v, ignoring case.
func (v Value) member(name string) Value {
	var m map[string]json.RawMessage
	if json.Unmarshal(v.JSON(), &m) != nil {
		return Value{}
	}
	if raw, ok := m[name]; ok {
		return Value{raw: raw}
	}
	for k, raw := range m {
		if strings.EqualFold(k, name) {
			return Value{raw: raw}
		}
	}
	return Value{}
}

// unquote returns the text of a JSON string.
func unquote(raw []byte) (string, bool) {
	raw = trim(raw)
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}

// trim removes white space and the byte order mark that some senders write.
func trim(b []byte) []byte {
	return bytes.TrimSpace(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")))
}

func isComposite(raw []byte) bool {
	raw = trim(raw)
	return len(raw) > 0 && (raw[0] == '{' || raw[0] == '[')
}
