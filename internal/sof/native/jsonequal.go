package native

import (
	"bytes"
	"encoding/binary"
	"slices"

	"fhirsynapse/internal/sof/decimal"
	"fhirsynapse/internal/sof/native/jsontape"
)

// equalJSON compares two valid JSON texts by value: member order does not count, and numbers
// compare as numbers. With loose set, strings compare as with the operator ~.
func (v *values) equalJSON(a, b []byte, loose bool) bool {
	if bytes.Equal(a, b) {
		return true
	}
	before := v.budget.made
	same := bytes.Equal(v.canonical(0, a, loose), v.canonical(1, b, loose))
	v.budget.made = before
	return same
}

// canonical returns a form of a JSON value that is the same for equal values. It is valid until the
// next call with the same buffer number.
func (v *values) canonical(buffer int, raw []byte, loose bool) []byte {
	// An item of a list takes two bytes, and three in the canonical form.
	v.charge(2 * len(raw))
	c := canon{v: v, raw: raw, out: v.canons[buffer][:0], loose: loose}
	c.value(0)
	if v.canons[buffer] = c.out; cap(c.out) > arenaSize {
		v.canons[buffer] = nil
	}
	return c.out
}

// canon writes the canonical form of a valid JSON text: unescaped strings with length prefixes,
// numbers without trailing zeros, members ordered by name.
type canon struct {
	v       *values
	raw     []byte
	out     []byte
	sorted  []byte // an object during the sorting of its members
	members []span // of all open objects
	loose   bool
}

// span is a member in out.
type span struct{ start, end int32 }

func (c *canon) space(i int) int {
	for c.raw[i] == ' ' || c.raw[i] == '\t' || c.raw[i] == '\n' || c.raw[i] == '\r' {
		i++
	}
	return i
}

// value writes the value at i and returns the offset after it.
func (c *canon) value(i int) int {
	i = c.space(i)
	switch c.raw[i] {
	case '"':
		return c.text(i, c.loose)
	case '[':
		c.out = append(c.out, '[')
		for i = c.space(i + 1); c.raw[i] != ']'; {
			i = c.separator(c.value(i))
		}
		c.out = append(c.out, ']')
		return i + 1
	case '{':
		return c.object(i)
	}
	start := i
	for i < len(c.raw) && bytes.IndexByte([]byte(",]} \t\r\n"), c.raw[i]) < 0 {
		i++
	}
	word := c.raw[start:i]
	if d, ok := decimal.Parse(word); ok {
		c.out = d.Trim().Append(append(c.out, 'n'))
	} else {
		c.out = append(c.out, word...)
	}
	c.out = append(c.out, ';')
	return i
}

// separator skips the comma after a value.
func (c *canon) separator(i int) int {
	if i = c.space(i); c.raw[i] == ',' {
		i = c.space(i + 1)
	}
	return i
}

// text writes a string after its length.
func (c *canon) text(i int, loose bool) int {
	end := i + 1
	for c.raw[end] != '"' {
		if c.raw[end] == '\\' {
			end++
		}
		end++
	}
	c.out = append(c.out, '"', 0, 0, 0, 0)
	from := len(c.out)
	c.out = jsontape.AppendUnescaped(c.out, c.raw[i+1:end])
	if loose {
		c.out = append(c.out[:from], normal(c.out[from:])...)
	}
	binary.BigEndian.PutUint32(c.out[from-4:], uint32(len(c.out)-from))
	return end + 1
}

func (c *canon) object(i int) int {
	c.out = append(c.out, '{')
	start, first := len(c.out), len(c.members)
	for i = c.space(i + 1); c.raw[i] != '}'; {
		c.v.charge(16)
		from := len(c.out)
		i = c.space(c.text(i, false)) + 1 // after the colon
		i = c.separator(c.value(i))
		c.members = append(c.members, span{int32(from), int32(len(c.out))})
	}
	members := c.members[first:]
	order := func(a, b span) int {
		return bytes.Compare(c.out[a.start:a.end], c.out[b.start:b.end])
	}
	if !slices.IsSortedFunc(members, order) {
		c.v.step((len(c.out) - start) >> 3)
		slices.SortFunc(members, order)
		c.sorted = c.sorted[:0]
		for _, m := range members {
			c.sorted = append(c.sorted, c.out[m.start:m.end]...)
		}
		copy(c.out[start:], c.sorted)
	}
	c.members = c.members[:first]
	c.out = append(c.out, '}')
	return i + 1
}

// normal returns a string in the form that ~ compares: case is ignored, and all white space
// characters are equal (N1, 6.1.2).
func normal(s []byte) []byte {
	return bytes.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || r == '\r' {
			return ' '
		}
		return r
	}, bytes.ToLower(s))
}
