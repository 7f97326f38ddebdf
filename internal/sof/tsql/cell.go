package tsql

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/schema"
)

// cell lowers the value of a column to an expression of the column's type.
func (w plan) cell(cell sof.Cell, c scope) string {
	col := w.view.Columns[cell.Column]
	w.current = cell.Value
	if col.Collection {
		list := w.lists.list(cell.Value, c)
		if !w.facts.National {
			// OPENJSON returns its items as nvarchar
			list = fmt.Sprintf("CAST(%s AS %s)", list, w.facts.Text)
		}
		return list
	}
	if col.Kind == sof.Boolean {
		if p, ok := w.ownPred(cell.Value, c); ok && neverUnknown(cell.Value) {
			return fmt.Sprintf("CAST(CASE WHEN %s THEN 1 ELSE 0 END AS bit)", p)
		} else if ok {
			return fmt.Sprintf("CAST(CASE WHEN %s THEN 1 WHEN NOT (%s) THEN 0 END AS bit)", p, p)
		}
	}
	n, ok := w.picked[w.shareOf(cell.Value, c)]
	if !ok {
		n = w.values.single(cell.Value, "column "+col.Name, c)
	}
	if len(n.alts) == 0 {
		return fmt.Sprintf("CAST(NULL AS %s)", columnType(col, w.facts))
	}
	switch col.Kind {
	case sof.Boolean:
		text := w.items.text(n)
		return fmt.Sprintf("CAST(CASE %s WHEN %s THEN 1 WHEN %s THEN 0 END AS bit)", text,
			w.lit("true"), w.lit("false"))
	case sof.Integer, sof.BigInt:
		if a := n.alts[0]; len(n.alts) == 1 && a.number != "" {
			if a.sized && col.Kind == sof.Integer {
				return n.guarded(a.number)
			}
			if a.whole {
				return fmt.Sprintf("CAST(%s AS %s)", n.guarded(a.number), columnType(col, w.facts))
			}
			number := w.comparisons.number(n, c).number
			return fmt.Sprintf("CASE WHEN %s %% 1 = 0 THEN CAST(%s AS %s) END", number, number,
				columnType(col, w.facts))
		}
		return fmt.Sprintf("TRY_CAST(NULLIF(%s, %s) AS %s)", w.items.text(n), w.lit(""),
			columnType(col, w.facts))
	case sof.Decimal:
		if a := n.alts[0]; len(n.alts) == 1 && a.number != "" {
			if col.Scale >= sof.DefaultScale {
				return fmt.Sprintf("TRY_CAST(%s AS %s)", n.guarded(a.number),
					columnType(col, w.facts))
			}
			digits := w.computed(c, "p",
				item{fmt.Sprintf("CAST(%s AS %s)", n.guarded(a.number), w.shortText()), "v"})
			return w.comparisons.storedText(digits+".[v]", col, c)
		}
		return w.comparisons.storedText(w.items.text(n), col, c)
	case sof.Date:
		return w.day(w.items.text(n))
	case sof.Timestamp:
		return w.comparisons.instant(w.items.text(n), c)
	case sof.Text:
	}
	return w.textCell(col, n)
}

// textCell returns the value of a text column.
func (w plan) textCell(col sof.Column, n *node) string {
	text := w.items.text(n)
	collated := w.engine == Serverless && Bytewise(col)
	typ := w.facts.Text
	switch {
	case collated && col.KeyLimit() > 0:
		// a view has no other place for the type and the collation of its columns
		typ = ColumnType(col, w.engine, Extent{})
	case collated && !plainColumn.MatchString(text):
	case !slices.ContainsFunc(n.alts, func(a alt) bool { return !a.sized }):
		typ = ""
	}
	if typ != "" {
		text = fmt.Sprintf("CAST(%s AS %s)", text, typ)
	}
	if collated {
		text += " COLLATE " + w.facts.Bytewise
	}
	return text
}

// plainColumn matches a column, which takes a COLLATE as it is.
var plainColumn = regexp.MustCompile(`^\w+\.\[[^\]]*\]$`)

// ownPred lowers an expression that is itself a condition. It reports false for a value of the
// document.
func (w plan) ownPred(e sof.Expr, c scope) (string, bool) {
	switch e := e.(type) {
	case *sof.Binary:
		return w.conditions.pred(e, c), true
	case *sof.All, *sof.Is:
		return w.conditions.pred(e, c), true
	case *sof.Call:
		return w.conditions.callPred(e, c)
	}
	return "", false
}

// neverUnknown reports whether a condition is true or false for all data.
func neverUnknown(e sof.Expr) bool {
	switch e := e.(type) {
	case *sof.All:
		return true
	case *sof.Call:
		switch e.Func {
		case sof.FuncExists, sof.FuncEmpty, sof.FuncAllTrue, sof.FuncAllFalse, sof.FuncAnyTrue,
			sof.FuncAnyFalse, sof.FuncIsDistinct,
			sof.FuncSubsetOf, sof.FuncSupersetOf, sof.FuncHasValue:
			return true
		case sof.FuncNot:
			return neverUnknown(e.In)
		default:
		}
	case *sof.Binary:
		switch e.Op {
		case "and", "or", "xor", "implies":
			return neverUnknown(e.L) && neverUnknown(e.R)
		}
	}
	return false
}

// day returns the day at the start of a date or a dateTime. A text without a whole day becomes
// NULL.
func (w phrases) day(text string) string {
	return fmt.Sprintf("CASE WHEN %s LIKE %s OR %s LIKE %s THEN TRY_CAST(LEFT(%s, 10) AS date) END",
		text, w.lit("____-__-__"), text, w.lit("____-__-__T%"), text)
}

// instant returns the timestamp in UTC, cut to milliseconds. A text without seconds or offset
// becomes NULL; second 60, which SQL does not know, becomes the second after second 59.
func (w comparisons) instant(text string, c scope) string {
	text, z := w.zone(text, c)
	moment := func(upTo string) string {
		// a datetimeoffset has at most seven digits after the second
		value := fmt.Sprintf("%s + LEFT(SUBSTRING(%s, 20, LEN(%s) - 19 - %s), 4) + RIGHT(%s, %s)",
			upTo, text, text, z, text, z)
		return fmt.Sprintf("CAST(SWITCHOFFSET(TRY_CAST(%s AS datetimeoffset), '+00:00') AS %s)",
			value, w.facts.Timestamp)
	}
	return fmt.Sprintf(
		"CASE WHEN %s > 0 AND LEN(%s) >= 20 AND %s LIKE %s THEN CASE WHEN SUBSTRING(%s, 18, 2) <> %s THEN %s WHEN LEFT(%s, 10) <> %s THEN DATEADD(second, 1, %s) END END",
		z, text, text, w.lit("____-__-__T__:__:__%"), text, w.lit("60"),
		moment(fmt.Sprintf("LEFT(%s, 19)", text)),
		text, w.lit("9999-12-31"), moment(fmt.Sprintf("LEFT(%s, 17) + %s", text, w.lit("59"))))
}

// list lowers a collection to the text of a JSON array.
func (w lists) list(e sof.Expr, c scope) string {
	if !e.Type().Many {
		n := w.values.one(e, c)
		if len(n.alts) == 0 {
			return fmt.Sprintf("CAST(%s AS %s)", w.lit("[]"), w.facts.Text)
		}
		return fmt.Sprintf("ISNULL(%s + %s + %s, %s)", w.lit("["), w.json(e, n), w.lit("]"),
			w.lit("[]"))
	}
	inner := c.inside()
	got := w.rows(e, inner)
	if len(got.item.alts) == 0 {
		return fmt.Sprintf("CAST(%s AS %s)", w.lit("[]"), w.facts.Text)
	}
	return fmt.Sprintf("%s + ISNULL(%s, %s) + %s", w.lit("["),
		w.aggregated(e, w.json(e, got.item), ",", got, inner, c), w.lit(""), w.lit("]"))
}

// aggregated applies an aggregate that joins the texts of the items in order. The aggregate is NULL
// for no items.
func (w lists) aggregated(e sof.Expr, text, separator string, got rows, inner, c scope) string {
	text = w.items.local(text, got.item, inner)
	inner.at.items = []item{{
		fmt.Sprintf("STRING_AGG(CAST(%s AS %s), %s) WITHIN GROUP (ORDER BY %s)", text, w.facts.Text,
			w.lit(separator), strings.Join(orderKeys(got.keys), ", ")), "v",
	}}
	alias := w.alias("l")
	c.at.from = append(c.at.from, source{
		alias: alias, outer: true, note: w.note(e), query: query{inner.at},
	})
	return alias + ".[v]"
}

// json returns an item as JSON text.
func (w lists) json(e sof.Expr, n *node) string {
	var parts []string
	for i := range n.alts {
		a := &n.alts[i]
		text := w.items.text(&node{alts: []alt{*a}})
		switch {
		case a.typ == nil:
			w.refuse(e, "the type of the items is not known, so that they cannot be written as JSON", "")
		case complexType(a.typ):
		case a.typ.System == schema.Boolean || a.typ.System == schema.Integer ||
			a.typ.System == schema.Decimal:
		default:
			text = w.quoted(text)
		}
		parts = append(parts, text)
	}
	return n.guarded(coalesce(parts))
}

// quoted returns a text as a JSON string. FHIR allows only three control characters: tab, line feed
// and carriage return.
func (w phrases) quoted(text string) string {
	for _, r := range []struct{ what, with string }{
		{w.lit(`\`), `\\`},
		{w.lit(`"`), `\"`},
		{w.char(10), `\n`},
		{w.char(13), `\r`},
		{w.char(9), `\t`},
	} {
		text = fmt.Sprintf("REPLACE(%s, %s, %s)", text, r.what, w.lit(r.with))
	}
	return fmt.Sprintf("%s + %s + %s", w.lit(`"`), text, w.lit(`"`))
}
