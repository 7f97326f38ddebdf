package eval

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// longestShredded is the most characters that OPENJSON WITH returns on such a server.
const longestShredded = 4000

// jsonb returns JSON text in the form of PostgreSQL's type jsonb: the last of the members with one
// name, ordered by length and then by bytes; a blank after every colon and comma; numbers without
// exponents.
func jsonb(raw []byte) ([]byte, error) {
	if !json.Valid(raw) {
		return nil, errJSON
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err := appendJsonb(&out, v)
	return out.Bytes(), err
}

func appendJsonb(out *bytes.Buffer, v any) error {
	list := func(ends string, n int, item func(i int) error) error {
		out.WriteByte(ends[0])
		for i := range n {
			if i > 0 {
				out.WriteString(", ")
			}
			if err := item(i); err != nil {
				return err
			}
		}
		out.WriteByte(ends[1])
		return nil
	}
	switch v := v.(type) {
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.SortFunc(
			names,
			func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) },
		)
		return list("{}", len(names), func(i int) error {
			if err := appendText(out, names[i]); err != nil {
				return err
			}
			out.WriteString(": ")
			return appendJsonb(out, v[names[i]])
		})
	case []any:
		return list("[]", len(v), func(i int) error { return appendJsonb(out, v[i]) })
	case json.Number:
		return appendNumber(out, v.String())
	case string:
		return appendText(out, v)
	case nil, bool:
		b, err := json.Marshal(v)
		out.Write(b)
		return err
	}
	return refuse("a value of %T", v)
}

func appendText(out *bytes.Buffer, s string) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return err
	}
	out.Truncate(out.Len() - 1) // the encoder's line feed
	return nil
}

func appendNumber(out *bytes.Buffer, s string) error {
	digits, exponent, _ := strings.Cut(strings.ToLower(s), "e")
	if exponent == "" {
		out.WriteString(s)
		return nil
	}
	n, ok := new(big.Rat).SetString(s)
	if !ok {
		return refuse("no number: %s", s)
	}
	_, fraction, _ := strings.Cut(digits, ".")
	var e int
	if _, err := fmt.Sscan(exponent, &e); err != nil {
		return refuse("no exponent: %s", exponent)
	}
	out.WriteString(n.FloatString(max(0, len(fraction)-e)))
	return nil
}

// undecoded returns a text as such a server reads it from a document: the text between its quotes.
// A quote after a backslash at the end is also taken for the closing quote.
func undecoded(raw string) string { return strings.Trim(raw, `"`) }
