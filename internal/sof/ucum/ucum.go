// Package ucum parses units of measure and converts between them.
//
// A unit is a case-sensitive code of the Unified Code for Units of Measure. Factors are exact
// fractions. The table holds the metric units and the customary ones of health care; an unknown
// code compares only with itself. Units on scales that are not proportional (Cel, [pH]) and
// arbitrary units ([IU]) also compare only with themselves.
package ucum

import (
	"math/big"
	"strconv"
	"strings"
)

// Unit is a multiple of a product of base units. The zero value is invalid.
type Unit struct {
	factor *big.Rat
	dims   dims
}

// dims maps base units to exponents, without zeros.
type dims map[string]int

// Limits for a code.
const (
	maxCode     = 100
	maxExponent = 60
	maxNesting  = 10 // of parentheses
)

// Parse parses a code. ok is false if it is invalid or has a unit that is not in the table.
func Parse(code string) (u Unit, ok bool) {
	if code == "" || len(code) > maxCode {
		return Unit{}, false
	}
	return parse(code)
}

// Ratio returns how many v make one u. ok is false if they measure different things.
func Ratio(u, v Unit) (r *big.Rat, ok bool) {
	if u.factor == nil || v.factor == nil || !u.dims.equal(v.dims) {
		return nil, false
	}
	return new(big.Rat).Quo(u.factor, v.factor), true
}

func (d dims) equal(e dims) bool {
	if len(d) != len(e) {
		return false
	}
	for name, n := range d {
		if e[name] != n {
			return false
		}
	}
	return true
}

// times returns u * v^n. ok is false if the result is out of bounds.
func (u Unit) times(v Unit, n int) (out Unit, ok bool) {
	out = Unit{new(big.Rat).Set(u.factor), dims{}}
	for name, k := range u.dims {
		out.dims[name] = k
	}
	for name, k := range v.dims {
		if k = out.dims[name] + k*n; k == 0 {
			delete(out.dims, name)
		} else {
			out.dims[name] = k
		}
		if k > maxExponent || k < -maxExponent {
			return Unit{}, false
		}
	}
	for range max(n, -n) {
		if n < 0 {
			out.factor.Quo(out.factor, v.factor)
		} else {
			out.factor.Mul(out.factor, v.factor)
		}
	}
	const most = 4096 // bits
	return out, out.factor.Num().BitLen() < most && out.factor.Denom().BitLen() < most
}

func one() Unit { return Unit{big.NewRat(1, 1), dims{}} }

// reader parses the grammar of UCUM, section 2.1.
type reader struct {
	rest  string
	depth int
}

func parse(code string) (Unit, bool) {
	r := reader{rest: code}
	u, ok := r.term()
	return u, ok && r.rest == ""
}

func (r *reader) sign(c byte) bool {
	if r.rest != "" && r.rest[0] == c {
		r.rest = r.rest[1:]
		return true
	}
	return false
}

func (r *reader) term() (u Unit, ok bool) {
	if r.depth++; r.depth > maxNesting {
		return Unit{}, false
	}
	defer func() { r.depth-- }()
	u, n := one(), 1
	if r.sign('/') {
		n = -1
	}
	for {
		next, ok := r.component()
		if !ok {
			return Unit{}, false
		}
		if u, ok = u.times(next, n); !ok {
			return Unit{}, false
		}
		switch {
		case r.sign('.'):
			n = 1
		case r.sign('/'):
			n = -1
		default:
			return u, true
		}
	}
}

func (r *reader) component() (u Unit, ok bool) {
	switch {
	case r.sign('('):
		u, ok = r.term()
		return u, ok && r.sign(')')
	case strings.HasPrefix(r.rest, "{"):
		return one(), r.annotation()
	}
	if u, ok = r.simple(); !ok {
		return u, false
	}
	if strings.HasPrefix(r.rest, "{") {
		return u, r.annotation()
	}
	return u, true
}

// annotation skips a remark in braces, which has no effect.
func (r *reader) annotation() bool {
	end := strings.IndexByte(r.rest, '}')
	if end < 0 || strings.IndexByte(r.rest[1:end], '{') >= 0 {
		return false
	}
	r.rest = r.rest[end+1:]
	return true
}

// simple parses a number, or a unit with its exponent.
func (r *reader) simple() (Unit, bool) {
	symbol := r.symbol()
	if symbol == "" {
		digits := leading(r.rest)
		r.rest = r.rest[len(digits):]
		n, err := strconv.Atoi(digits)
		if err != nil || n == 0 {
			return Unit{}, false
		}
		return Unit{big.NewRat(int64(n), 1), dims{}}, true
	}
	sign, exponent := 1, 1
	switch {
	case r.sign('-'):
		sign = -1
		fallthrough
	case r.sign('+'), leading(r.rest) != "":
		digits := leading(r.rest)
		r.rest = r.rest[len(digits):]
		n, err := strconv.Atoi(digits)
		if err != nil || n > maxExponent {
			return Unit{}, false
		}
		exponent = sign * n
	}
	u, ok := atom(symbol)
	if !ok {
		return Unit{}, false
	}
	return one().times(u, exponent)
}

func leading(s string) string {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return s[:n]
}

// symbol reads the characters of a unit. Digits belong to it only inside brackets, except in the
// units 10* and 10^.
func (r *reader) symbol() string {
	if strings.HasPrefix(r.rest, "10*") || strings.HasPrefix(r.rest, "10^") {
		symbol := r.rest[:3]
		r.rest = r.rest[3:]
		return symbol
	}
	n := 0
	inside := false
	for n < len(r.rest) {
		c := r.rest[n]
		if !inside && (strings.IndexByte("./(){}+-", c) >= 0 || c >= '0' && c <= '9') {
			break
		}
		if c <= ' ' || c > '~' {
			break
		}
		switch c {
		case '[':
			inside = true
		case ']':
			inside = false
		}
		n++
	}
	symbol := r.rest[:n]
	r.rest = r.rest[n:]
	return symbol
}

// atom returns a unit of the table, with or without a prefix.
func atom(symbol string) (Unit, bool) {
	if d, ok := table[symbol]; ok {
		return d.unit(symbol)
	}
	for _, n := range []int{2, 1} {
		if len(symbol) <= n {
			continue
		}
		factor, ok := prefixes[symbol[:n]]
		d, known := table[symbol[n:]]
		if !ok || !known || !d.metric {
			continue
		}
		u, ok := d.unit(symbol[n:])
		if !ok {
			return Unit{}, false
		}
		return u.times(Unit{rat(factor), dims{}}, 1)
	}
	return Unit{}, false
}

// definition is a unit of the table: a multiple of another unit, or a base unit if that is empty.
type definition struct {
	factor, of string
	metric     bool // takes prefixes
}

func (d definition) unit(symbol string) (Unit, bool) {
	if d.of == "" {
		return Unit{rat(d.factor), dims{symbol: 1}}, true
	}
	u, ok := parse(d.of)
	if !ok {
		return Unit{}, false
	}
	return u.times(Unit{rat(d.factor), dims{}}, 1)
}

func rat(text string) *big.Rat {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		panic("the table of units has no number: " + text)
	}
	return r
}
