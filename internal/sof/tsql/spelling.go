package tsql

import (
	"fmt"

	"fhirsynapse/internal/sof"
)

// TRY_CAST reads a number of a document only if it has no exponent, and rounds digits beyond its
// type half away from zero. Numbers that it would read wrongly are rare, so a derived table
// computes them and has no row for the others.

// largest stands for all greater numbers in comparisons.
const largest = "99999999999999999999.999999999999999999"

// mostExponent is the greatest exponent that both back ends read.
const mostExponent = 400

// withExponent returns the condition that the text of a number has an exponent.
func (w phrases) withExponent(text string) string {
	return fmt.Sprintf("UPPER(%s) LIKE %s", text, w.lit("%E%"))
}

// apply adds expressions to the derived table and returns its alias.
type apply func(items ...item) string

// spelledOut adds the derived table of a number for which rare holds, once for each form, and
// returns its alias.
func (w comparisons) spelledOut(
	form, text, rare string, c scope, value func(s spelling, apply apply) string,
) string {
	k := computedKey{c.at, form + " " + text}
	if alias, ok := w.applied[k]; ok {
		return alias
	}
	alias := w.alias("n")
	w.applied[k] = alias
	inner := c.inside()
	apply := func(items ...item) string { return w.worked(inner, "a", items...) }
	v := value(w.spelling(text, apply), apply)
	inner.at.top = 1
	inner.at.where = []string{rare}
	inner.at.items = []item{{"1", "rare"}, {v, "v"}}
	c.at.from = append(c.at.from, source{alias: alias, outer: true, query: query{inner.at}})
	return alias
}

// spelling holds a number without an exponent.
type spelling struct {
	sign   string // '-' or ''
	text   string // without the sign; NULL if the exponent is too great to read
	digits string // all digits, without the point
}

// spelling moves the point of a number by its exponent.
func (w comparisons) spelling(text string, apply apply) spelling {
	e := apply(item{
		fmt.Sprintf("CHARINDEX(%s, UPPER(%s) + %s)", w.lit("E"), text, w.lit("E")), "e",
	}) + ".[e]"
	m := apply(
		item{fmt.Sprintf("REPLACE(LEFT(%s, %s - 1), %s, %s)", text, e, w.lit("-"), w.lit("")), "m"},
		item{fmt.Sprintf("TRY_CAST(SUBSTRING(%s, %s + 1, 100) AS int)", text, e), "x"})
	mantissa, exponent := m+".[m]", m+".[x]"
	d := apply(
		item{fmt.Sprintf("REPLACE(%s, %s, %s)", mantissa, w.lit("."), w.lit("")), "d"},
		item{
			fmt.Sprintf("CHARINDEX(%s, %s + %s) - 1 + %s", w.lit("."), mantissa, w.lit("."),
				exponent), "p",
		})
	digits, point := d+".[d]", d+".[p]"
	s := apply(
		item{
			fmt.Sprintf("CASE WHEN %s BETWEEN -%d AND %d THEN CASE WHEN %s < 1 THEN %s + REPLICATE(%s, -%s) + %s WHEN %s < LEN(%s) THEN LEFT(%s, %s) + %s + SUBSTRING(%s, %s + 1, LEN(%s)) ELSE %s + REPLICATE(%s, %s - LEN(%s)) END WHEN %s THEN %s END",
				exponent, mostExponent, mostExponent, point, w.lit("0."), w.lit("0"), point, digits,
				point, digits, digits, point, w.lit("."), digits, point, digits,
				digits, w.lit("0"), point, digits, w.onlyZeros(digits), w.lit("0")), "t",
		},
		item{
			fmt.Sprintf("CASE WHEN LEFT(%s, 1) = %s THEN %s ELSE %s END", text, w.lit("-"),
				w.lit("-"), w.lit("")), "sign",
		})
	return spelling{sign: s + ".[sign]", text: s + ".[t]", digits: digits}
}

func (w phrases) onlyZeros(digits string) string {
	return fmt.Sprintf("REPLACE(%s, %s, %s) = %s", digits, w.lit("0"), w.lit(""), w.lit(""))
}

// plainText returns the text of a number of the document without an exponent.
func (w comparisons) plainText(text string, c scope) string {
	alias := w.spelledOut("plain", text, w.withExponent(text), c, func(s spelling, _ apply) string {
		return s.sign + " + " + s.text
	})
	return fmt.Sprintf("ISNULL(%s.[v], %s)", alias, text)
}

// comparedText returns the text of a number of the document as a number to compare. A number with
// more digits than the type keeps its order to all numbers that have fewer.
func (w comparisons) comparedText(text string, c scope) string {
	rare := fmt.Sprintf("(LEN(%s) > 20 OR %s)", text, w.withExponent(text))
	alias := w.spelledOut("compared", text, rare, c, func(s spelling, apply apply) string {
		q := apply(item{
			fmt.Sprintf("CHARINDEX(%s, %s + %s) + 17", w.lit("."), s.text, w.lit(".")), "q",
		}) + ".[q]"
		rest := apply(item{fmt.Sprintf("SUBSTRING(%s, %s + 1, LEN(%s))", s.text, q, s.text), "r"}) +
			".[r]"
		cut := fmt.Sprintf("%s + LEFT(%s, %s) + CASE WHEN %s THEN LEFT(%s, 1) ELSE %s END", s.sign,
			s.text, q,
			w.onlyZeros(fmt.Sprintf("SUBSTRING(%s, 2, LEN(%s))", rest, rest)), rest, w.lit("5"))
		return fmt.Sprintf(
			"COALESCE(TRY_CAST(%s AS %s), CASE WHEN %s IS NULL THEN NULL WHEN %s = %s THEN -%s ELSE %s END)",
			cut, comparedDecimal, s.text, s.sign, w.lit("-"), largest, largest)
	})
	return fmt.Sprintf("CASE WHEN %s.[rare] = 1 THEN %s.[v] ELSE TRY_CAST(%s AS %s) END", alias,
		alias, text, comparedDecimal)
}

// storedText returns the text of a number in a decimal column, rounded half to even. It is NULL if
// the number does not fit, or if a number other than zero would become zero.
func (w comparisons) storedText(text string, col sof.Column, c scope) string {
	typ := columnType(col, w.facts)
	long := fmt.Sprintf("LEN(%s) > %d", text, col.Scale+2)
	if col.Scale < 10 {
		long = fmt.Sprintf("LEN(%s) - CHARINDEX(%s, %s + %s) > %d", text, w.lit("."), text,
			w.lit("."), col.Scale)
	}
	rare := fmt.Sprintf("(%s OR %s)", long, w.withExponent(text))
	alias := w.spelledOut(typ, text, rare, c, func(s spelling, apply apply) string {
		q := apply(item{
			fmt.Sprintf("CHARINDEX(%s, %s + %s) + %d", w.lit("."), s.text, w.lit("."), col.Scale),
			"q",
		}) + ".[q]"
		r := apply(
			item{fmt.Sprintf("SUBSTRING(%s, %s + 1, LEN(%s))", s.text, q, s.text), "r"},
			item{
				fmt.Sprintf("RIGHT(REPLACE(LEFT(%s, %s), %s, %s), 1)", s.text, q, w.lit("."),
					w.lit("")), "last",
			})
		// exactly half rounds toward zero if the last digit is even
		half := fmt.Sprintf("LEFT(%s.[r], 1) = %s AND %s AND %s.[last] IN (%s)", r, w.lit("5"),
			w.onlyZeros(fmt.Sprintf("SUBSTRING(%s.[r], 2, LEN(%s.[r]))", r, r)), r,
			w.lits("0", "2", "4", "6", "8"))
		v := apply(item{
			fmt.Sprintf("TRY_CAST(%s + LEFT(%s, %s + CASE WHEN %s THEN 0 ELSE 1 END) AS %s)",
				s.sign, s.text, q, half, typ), "v",
		}) + ".[v]"
		return fmt.Sprintf("CASE WHEN %s <> 0 OR %s THEN %s END", v, w.onlyZeros(s.digits), v)
	})
	return fmt.Sprintf("CASE WHEN %s.[rare] = 1 THEN %s.[v] ELSE TRY_CAST(%s AS %s) END", alias,
		alias, text, typ)
}
