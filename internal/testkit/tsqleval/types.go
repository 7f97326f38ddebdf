package tsqleval

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

// sqlType is a type with its facets.
type sqlType struct {
	base             string // nvarchar, varchar, int, bigint, bit, decimal, date, datetime2, datetimeoffset, varbinary; null for NULL
	max              bool
	size             int // characters
	precision, scale int
	collation        string // of a text; empty for the default
	explicit         bool   // the collation is written out
}

func (t *sqlType) set(args []string) error {
	number := func(i int) int {
		n, err := strconv.Atoi(args[i])
		if err != nil {
			return -1
		}
		return n
	}
	switch t.base {
	case "nvarchar", "varchar", "varbinary":
		if len(args) != 1 {
			return fmt.Errorf("%s needs a size", t.base)
		}
		if args[0] == "max" {
			t.max = true
			return nil
		}
		if t.size = number(0); t.size < 1 || t.size > 8000 || t.base == "nvarchar" && t.size > 4000 {
			return fmt.Errorf("the size %s of %s", args[0], t.base)
		}
		return nil
	case "decimal":
		if len(args) != 2 {
			return fmt.Errorf("decimal needs precision and scale")
		}
		if t.precision, t.scale = number(0), number(1); t.precision < 1 || t.precision > 38 || t.scale < 0 || t.scale > t.precision {
			return fmt.Errorf("decimal(%s)", strings.Join(args, ", "))
		}
		return nil
	case "datetime2":
		t.scale = 7
		if len(args) == 1 {
			t.scale = number(0)
		}
		if t.scale < 0 || t.scale > 7 {
			return fmt.Errorf("datetime2(%s)", args[0])
		}
		return nil
	case "int", "bigint", "bit", "date", "datetimeoffset":
		if len(args) > 0 {
			return fmt.Errorf("%s with %v", t.base, args)
		}
		return nil
	}
	return fmt.Errorf("the type %s", t.base)
}

func (t sqlType) String() string { return t.base }

// spelt returns the type as a definition writes it.
func (t sqlType) spelt() string {
	switch {
	case t.max:
		return t.base + "(max)"
	case t.text() || t.base == "varbinary":
		return fmt.Sprintf("%s(%d)", t.base, t.size)
	case t.base == "decimal":
		return fmt.Sprintf("decimal(%d, %d)", t.precision, t.scale)
	case t.base == "datetime2":
		return fmt.Sprintf("datetime2(%d)", t.scale)
	}
	return t.base
}

func (t sqlType) text() bool { return t.base == "nvarchar" || t.base == "varchar" }

func (t sqlType) number() bool {
	return t.base == "int" || t.base == "bigint" || t.base == "bit" || t.base == "decimal"
}

func intType() sqlType { return sqlType{base: "int"} }

func textType(n int) sqlType { return sqlType{base: "nvarchar", size: max(1, n), max: n > 4000} }

var maxText = sqlType{base: "nvarchar", max: true}

// value is a value of the type that its expression has.
type value struct {
	null bool
	s    string    // of text, varbinary
	n    *big.Int  // of int, bigint, bit; the unscaled value of decimal
	t    time.Time // of date, datetime2, datetimeoffset
}

var null = value{null: true}

func textValue(s string) value { return value{s: s} }

func intValue(n int64) value { return value{n: big.NewInt(n)} }

func units(s string) []uint16 { return utf16.Encode([]rune(s)) }

func fromUnits(u []uint16) string { return string(utf16.Decode(u)) }

// precedence returns the rank of a type. The greater one wins in CASE, COALESCE and UNION.
func precedence(t sqlType) int {
	for i, base := range []string{"null", "varbinary", "varchar", "nvarchar", "bit", "int", "bigint", "decimal", "date", "datetime2", "datetimeoffset"} {
		if base == t.base {
			return i
		}
	}
	return -1
}

// unify returns the type of an expression with values of either type.
func unify(a, b sqlType) (sqlType, error) {
	if a.base == "null" {
		return b, nil
	}
	if b.base == "null" {
		return a, nil
	}
	if precedence(a) < precedence(b) {
		a, b = b, a
	}
	switch {
	case a.text() && b.text():
		c, err := collationOf(a, b)
		if err != nil {
			return a, err
		}
		a.max = a.max || b.max
		a.size = max(a.size, b.size)
		a.collation, a.explicit = c.collation, c.explicit
	case a.base == "decimal" && b.number():
		d := asDecimal(b)
		whole := max(a.precision-a.scale, d.precision-d.scale)
		a.scale = max(a.scale, d.scale)
		a.precision = min(38, whole+a.scale)
		if whole+a.scale > 38 {
			a.scale = 38 - whole
		}
	}
	return a, nil
}

func asDecimal(t sqlType) sqlType {
	switch t.base {
	case "bit":
		return sqlType{base: "decimal", precision: 1}
	case "int":
		return sqlType{base: "decimal", precision: 10}
	case "bigint":
		return sqlType{base: "decimal", precision: 19}
	}
	return t
}

// collationOf follows the rules of collation precedence. An explicit collation wins, and two
// different explicit ones are an error.
func collationOf(a, b sqlType) (sqlType, error) {
	switch {
	case a.explicit && b.explicit && a.collation != b.collation:
		return a, fmt.Errorf("error 468: cannot resolve the collation conflict between %s and %s", a.collation, b.collation)
	case a.explicit:
		return a, nil
	case b.explicit:
		return b, nil
	case a.collation != b.collation && a.collation != "" && b.collation != "":
		return a, fmt.Errorf("error 468: cannot resolve the collation conflict between %s and %s", a.collation, b.collation)
	case a.collation != "":
		return a, nil
	}
	return b, nil
}

// conversionError is an error that TRY_CAST turns into NULL.
type conversionError struct{ msg string }

func (e conversionError) Error() string { return e.msg }

func cannot(v value, from, to sqlType) error {
	if from.text() {
		return conversionError{fmt.Sprintf("error 245: conversion failed when converting the %s value '%s' to data type %s", from.base, v.s, to.base)}
	}
	return conversionError{fmt.Sprintf("error 8115: arithmetic overflow error converting %s to data type %s", from.base, to.base)}
}

// convert implements CAST.
func convert(v value, from, to sqlType) (value, error) {
	if v.null {
		return null, nil
	}
	switch {
	case from.base == to.base && !to.text() && to.base != "decimal" && to.base != "datetime2":
		return v, nil
	case to.text() && from.text():
		return cut(v.s, to), nil
	case to.text() && (from.base == "int" || from.base == "bigint" || from.base == "bit"):
		return cutNumber(v.n.String(), from, to)
	case to.text() && from.base == "decimal":
		return cutNumber(decimalString(v.n, from.scale), from, to)
	case to.base == "varbinary" && from.base == "nvarchar":
		var b strings.Builder
		for _, u := range units(v.s) {
			b.WriteByte(byte(u & 0xff))
			b.WriteByte(byte(u >> 8))
		}
		return value{s: b.String()}, nil
	case to.base == "varbinary" && from.base == "varchar":
		return value{s: v.s}, nil
	case to.number():
		return toNumber(v, from, to)
	case to.base == "date" || to.base == "datetime2" || to.base == "datetimeoffset":
		return toMoment(v, from, to)
	}
	return null, fmt.Errorf("CAST of %s to %s is not known here", from.base, to.base)
}

func cut(s string, to sqlType) value {
	if !to.max {
		if u := units(s); len(u) > to.size {
			s = fromUnits(u[:to.size])
		}
	}
	return textValue(s)
}

func cutNumber(s string, from, to sqlType) (value, error) {
	if !to.max && len(s) > to.size {
		return null, cannot(value{}, from, to)
	}
	return textValue(s), nil
}

func toNumber(v value, from, to sqlType) (value, error) {
	var unscaled *big.Int
	scale := 0
	switch {
	case from.text():
		s := strings.Trim(v.s, " ")
		if s == "" && to.base != "decimal" {
			return intValue(0), nil
		}
		var ok bool
		if unscaled, scale, ok = parseDecimal(s); !ok || to.base != "decimal" && strings.Contains(s, ".") {
			return null, cannot(v, from, to)
		}
	case from.number():
		unscaled, scale = v.n, from.scale
	default:
		return null, fmt.Errorf("CAST of %s to %s is not known here", from.base, to.base)
	}
	switch to.base {
	case "bit":
		return intValue(int64(min(1, unscaled.CmpAbs(big.NewInt(0))))), nil
	case "int", "bigint":
		n := new(big.Int).Quo(unscaled, pow10(scale))
		bits := 31
		if to.base == "bigint" {
			bits = 63
		}
		limit := new(big.Int).Lsh(big.NewInt(1), uint(bits))
		if n.Cmp(limit) >= 0 || n.Cmp(new(big.Int).Neg(limit)) < 0 {
			return null, cannot(v, from, to)
		}
		return value{n: n}, nil
	}
	n := rescale(unscaled, scale, to.scale)
	if n.CmpAbs(pow10(to.precision)) >= 0 {
		return null, cannot(v, from, to)
	}
	return value{n: n}, nil
}

func pow10(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// rescale rounds half away from zero.
func rescale(n *big.Int, from, to int) *big.Int {
	if to >= from {
		return new(big.Int).Mul(n, pow10(to-from))
	}
	den := pow10(from - to)
	q, r := new(big.Int).QuoRem(n, den, new(big.Int))
	if r.Lsh(r, 1).CmpAbs(den) >= 0 {
		q.Add(q, big.NewInt(int64(n.Sign())))
	}
	return q
}

func parseDecimal(s string) (n *big.Int, scale int, ok bool) {
	whole, frac, _ := strings.Cut(s, ".")
	digits := strings.TrimLeft(whole, "+-") + frac
	if digits == "" || strings.Trim(digits, "0123456789") != "" || len(whole)-len(strings.TrimLeft(whole, "+-")) > 1 {
		return nil, 0, false
	}
	n, ok = new(big.Int).SetString(digits, 10)
	if strings.HasPrefix(whole, "-") && ok {
		n.Neg(n)
	}
	return n, len(frac), ok
}

func decimalString(n *big.Int, scale int) string {
	s := new(big.Int).Abs(n).String()
	for len(s) <= scale {
		s = "0" + s
	}
	if scale > 0 {
		s = s[:len(s)-scale] + "." + s[len(s)-scale:]
	}
	if n.Sign() < 0 {
		s = "-" + s
	}
	return s
}

// toMoment converts a value to a date and time, as CAST does.
func toMoment(v value, from, to sqlType) (value, error) {
	var t time.Time
	switch {
	case from.text():
		var ok bool
		if t, ok = parseMoment(v.s, to.base == "datetimeoffset"); !ok {
			return null, conversionError{"error 241: conversion failed when converting date and/or time from character string"}
		}
	case from.base == "datetimeoffset" && to.base == "datetime2":
		// the local time, without its offset
		t = time.Date(v.t.Year(), v.t.Month(), v.t.Day(), v.t.Hour(), v.t.Minute(), v.t.Second(), v.t.Nanosecond(), time.UTC)
	case from.base == "datetime2" && to.base == "datetime2":
		t = v.t
	default:
		return null, fmt.Errorf("CAST of %s to %s is not known here", from.base, to.base)
	}
	switch to.base {
	case "date":
		t = time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	case "datetime2":
		t = t.Round(time.Second / time.Duration(pow10(to.scale).Int64()))
	}
	if year := t.UTC().Year(); year < 1 || year > 9999 {
		return null, conversionError{"error 517: a date out of range"}
	}
	return value{t: t}, nil
}

func parseMoment(s string, zoned bool) (time.Time, bool) {
	s = strings.Trim(s, " ")
	if _, frac, ok := strings.Cut(s, "."); ok {
		if digits := len(frac) - len(strings.TrimLeft(frac, "0123456789")); digits == 0 || digits > 7 {
			return time.Time{}, false
		}
	}
	layouts := []string{"2006", "2006-01-02", "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04"}
	if zoned {
		layouts = append(layouts, "2006-01-02T15:04:05Z07:00", "2006-01-02T15:04Z07:00")
	}
	for _, l := range layouts {
		if t, err := time.Parse(l, s); err == nil {
			_, offset := t.Zone()
			return t, offset <= 14*3600 && offset >= -14*3600
		}
	}
	return time.Time{}, false
}
