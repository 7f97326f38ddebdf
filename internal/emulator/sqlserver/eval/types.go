package eval

import (
	"math/big"
	"strings"
	"time"
	"unicode/utf16"

	"fhirsynapse/internal/emulator/sqlserver/syntax"
)

func number(t syntax.Type) bool {
	return t.Base == "int" || t.Base == "bigint" || t.Base == "bit" || t.Base == "decimal"
}

func intType() syntax.Type { return syntax.Type{Base: "int"} }

func textType(n int) syntax.Type {
	return syntax.Type{Base: "nvarchar", Size: max(1, n), Max: n > 4000}
}

var maxText = syntax.Type{Base: "nvarchar", Max: true}

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
func precedence(t syntax.Type) int {
	for i, base := range []string{
		"null", "varbinary", "varchar", "nvarchar", "bit", "int", "bigint", "decimal", "date",
		"datetime2", "datetimeoffset",
	} {
		if base == t.Base {
			return i
		}
	}
	return -1
}

// unify returns the type of an expression with values of either type.
func unify(a, b syntax.Type) (syntax.Type, error) {
	if a.Base == "null" {
		return b, nil
	}
	if b.Base == "null" {
		return a, nil
	}
	if precedence(a) < precedence(b) {
		a, b = b, a
	}
	switch {
	case a.Text() && b.Text():
		c, err := collationOf(a, b)
		if err != nil {
			return a, err
		}
		a.Max = a.Max || b.Max
		a.Size = max(a.Size, b.Size)
		a.Collation, a.Explicit = c.Collation, c.Explicit
	case a.Base == "decimal" && number(b):
		d := asDecimal(b)
		whole := max(a.Precision-a.Scale, d.Precision-d.Scale)
		a.Scale = max(a.Scale, d.Scale)
		a.Precision = min(38, whole+a.Scale)
		if whole+a.Scale > 38 {
			a.Scale = 38 - whole
		}
	}
	return a, nil
}

func asDecimal(t syntax.Type) syntax.Type {
	switch t.Base {
	case "bit":
		return syntax.Type{Base: "decimal", Precision: 1}
	case "int":
		return syntax.Type{Base: "decimal", Precision: 10}
	case "bigint":
		return syntax.Type{Base: "decimal", Precision: 19}
	}
	return t
}

// collationOf follows the rules of collation precedence. An explicit collation wins, and two
// different explicit ones are an error.
func collationOf(a, b syntax.Type) (syntax.Type, error) {
	switch {
	case a.Explicit && b.Explicit && a.Collation != b.Collation:
		return a, fail(
			468,
			"cannot resolve the collation conflict between %s and %s",
			a.Collation,
			b.Collation,
		)
	case a.Explicit:
		return a, nil
	case b.Explicit:
		return b, nil
	case a.Collation != b.Collation && a.Collation != "" && b.Collation != "":
		return a, fail(
			468,
			"cannot resolve the collation conflict between %s and %s",
			a.Collation,
			b.Collation,
		)
	case a.Collation != "":
		return a, nil
	}
	return b, nil
}

func cannot(v value, from, to syntax.Type) error {
	if from.Text() {
		return dataError(
			245,
			"conversion failed when converting the %s value '%s' to data type %s",
			from.Base,
			v.s,
			to.Base,
		)
	}
	return dataError(
		8115, "arithmetic overflow error converting %s to data type %s", from.Base, to.Base,
	)
}

// convert implements CAST.
func convert(v value, from, to syntax.Type) (value, error) {
	if v.null {
		return null, nil
	}
	switch {
	case from.Base == to.Base && !to.Text() && to.Base != "decimal" && to.Base != "datetime2":
		return v, nil
	case to.Text() && from.Text():
		return cut(v.s, to), nil
	case to.Text() && (from.Base == "int" || from.Base == "bigint" || from.Base == "bit"):
		return cutNumber(v.n.String(), from, to)
	case to.Text() && from.Base == "decimal":
		return cutNumber(decimalString(v.n, from.Scale), from, to)
	case to.Base == "varbinary" && from.Base == "nvarchar":
		var b strings.Builder
		for _, u := range units(v.s) {
			b.WriteByte(byte(u & 0xff))
			b.WriteByte(byte(u >> 8))
		}
		return value{s: b.String()}, nil
	case to.Base == "varbinary" && from.Base == "varchar":
		return value{s: v.s}, nil
	case number(to):
		return toNumber(v, from, to)
	case to.Base == "date" || to.Base == "datetime2" || to.Base == "datetimeoffset":
		return toMoment(v, from, to)
	}
	return null, refuse("CAST of %s to %s is not known here", from.Base, to.Base)
}

func cut(s string, to syntax.Type) value {
	if !to.Max {
		if u := units(s); len(u) > to.Size {
			s = fromUnits(u[:to.Size])
		}
	}
	return textValue(s)
}

func cutNumber(s string, from, to syntax.Type) (value, error) {
	if !to.Max && len(s) > to.Size {
		return null, cannot(value{}, from, to)
	}
	return textValue(s), nil
}

func toNumber(v value, from, to syntax.Type) (value, error) {
	var unscaled *big.Int
	scale := 0
	switch {
	case from.Text():
		s := strings.Trim(v.s, " ")
		if s == "" && to.Base != "decimal" {
			return intValue(0), nil
		}
		var ok bool
		if unscaled, scale, ok = parseDecimal(s); !ok ||
			to.Base != "decimal" && strings.Contains(s, ".") {
			return null, cannot(v, from, to)
		}
	case number(from):
		unscaled, scale = v.n, from.Scale
	default:
		return null, refuse("CAST of %s to %s is not known here", from.Base, to.Base)
	}
	switch to.Base {
	case "bit":
		return intValue(int64(min(1, unscaled.CmpAbs(big.NewInt(0))))), nil
	case "int", "bigint":
		n := new(big.Int).Quo(unscaled, pow10(scale))
		bits := 31
		if to.Base == "bigint" {
			bits = 63
		}
		limit := new(big.Int).Lsh(big.NewInt(1), uint(bits))
		if n.Cmp(limit) >= 0 || n.Cmp(new(big.Int).Neg(limit)) < 0 {
			return null, cannot(v, from, to)
		}
		return value{n: n}, nil
	}
	n := rescale(unscaled, scale, to.Scale)
	if n.CmpAbs(pow10(to.Precision)) >= 0 {
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
	if digits == "" || strings.Trim(digits, "0123456789") != "" || len(whole)-len(
		strings.TrimLeft(whole, "+-"),
	) > 1 {
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
func toMoment(v value, from, to syntax.Type) (value, error) {
	var t time.Time
	switch {
	case from.Text():
		var ok bool
		if t, ok = parseMoment(v.s, to.Base == "datetimeoffset"); !ok {
			return null, dataError(
				241, "conversion failed when converting date and/or time from character string",
			)
		}
	case from.Base == "datetimeoffset" && to.Base == "datetime2":
		// the local time, without its offset
		t = time.Date(
			v.t.Year(),
			v.t.Month(),
			v.t.Day(),
			v.t.Hour(),
			v.t.Minute(),
			v.t.Second(),
			v.t.Nanosecond(),
			time.UTC,
		)
	case from.Base == "datetime2" && to.Base == "datetime2":
		t = v.t
	default:
		return null, refuse("CAST of %s to %s is not known here", from.Base, to.Base)
	}
	switch to.Base {
	case "date":
		t = time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	case "datetime2":
		t = t.Round(time.Second / time.Duration(pow10(to.Scale).Int64()))
	}
	if year := t.UTC().Year(); year < 1 || year > 9999 {
		return null, dataError(517, "a date out of range")
	}
	return value{t: t}, nil
}

func parseMoment(s string, zoned bool) (time.Time, bool) {
	s = strings.Trim(s, " ")
	if _, frac, ok := strings.Cut(s, "."); ok {
		if digits := len(frac) - len(
			strings.TrimLeft(frac, "0123456789"),
		); digits == 0 || digits > 7 {
			return time.Time{}, false
		}
	}
	layouts := []string{
		"2006", "2006-01-02", "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04",
		"2006-01-02 15:04",
	}
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
