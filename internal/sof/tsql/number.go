package tsql

import (
	"fmt"
	"strings"
	"unicode/utf16"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/decimal"
	"fhirsynapse/internal/sof/schema"
)

// The decimal types that numbers of a document are read as. SQL keeps 38 digits of a result and
// cuts its scale first, so each operator has the type whose result keeps the most digits: sums are
// exact, products to 17 digits, quotients to 16.
const (
	comparedDecimal = "decimal(38, 18)"
	summedDecimal   = "decimal(37, 17)"
	factorDecimal   = "decimal(19, 9)"
	dividedDecimal  = "decimal(22, 10)"
	wholeDecimal    = "decimal(18, 0)"
)

// numeric holds a number as an SQL expression.
type numeric struct {
	number string
	whole  bool
}

// number returns an item as a number to compare.
func (w comparisons) number(n *node, c scope) numeric { return w.numberAs(n, comparedDecimal, c) }

// numberAs returns an item as a number, of type typ if the item is a decimal of the document. A
// number that does not fit becomes NULL.
func (w comparisons) numberAs(n *node, typ string, c scope) numeric {
	out := numeric{whole: true}
	var parts []string
	for i := range n.alts {
		a := &n.alts[i]
		switch {
		case a.number != "" && a.literal != nil:
			parts = append(parts, a.number)
			out.whole = out.whole && a.whole
		case a.number != "" && a.whole:
			parts = append(parts, fmt.Sprintf("CAST(%s AS %s)", a.number, wholeDecimal))
		case a.number != "":
			parts = append(parts, fmt.Sprintf("CAST(%s AS %s)", a.number, typ))
			out.whole = false
		case system(a) == schema.Integer:
			parts = append(parts,
				fmt.Sprintf("TRY_CAST(%s AS %s)", w.plainText(a.value(), c), wholeDecimal))
		case typ == comparedDecimal:
			parts = append(parts, w.comparedText(a.value(), c))
			out.whole = false
		default:
			parts = append(parts, fmt.Sprintf("TRY_CAST(%s AS %s)", w.plainText(a.value(), c), typ))
			out.whole = false
		}
	}
	if len(parts) == 0 {
		parts = []string{fmt.Sprintf("CAST(NULL AS %s)", typ)}
	}
	out.number = n.guarded(coalesce(parts))
	return out
}

// numberLiteral writes a number of a view without exponent. With an exponent it would be a float.
func numberLiteral(text string) string {
	if d, ok := decimal.Parse(text); ok && strings.ContainsAny(text, "eE") {
		text = d.String()
	}
	if strings.HasPrefix(text, "-") {
		return "(" + text + ")"
	}
	return text
}

func utf16Len(s string) int { return len(utf16.Encode([]rune(s))) }

// numbersOnly refuses arithmetic with quantities and dates.
func (w comparisons) numbersOnly(e sof.Expr, operands ...sof.Expr) bool {
	for _, o := range operands {
		for _, t := range o.Type().Any {
			if t.System != schema.Integer && t.System != schema.Decimal {
				w.refuse(e, "arithmetic with quantities, dates or times",
					"only the native engine has it")
				return false
			}
		}
	}
	return true
}

func (w comparisons) arithmetic(e *sof.Binary, c scope) *node {
	texts := e.Op == "&" || len(e.T.Any) > 0 && e.T.Any[0].Name == "System.String"
	if !texts && !w.numbersOnly(e, e.L, e.R) {
		return &node{}
	}
	l, r := w.values.single(e.L, e.Op, c), w.values.single(e.R, e.Op, c)
	if texts {
		x, y := w.items.text(l), w.items.text(r)
		if e.Op == "&" {
			return &node{alts: []alt{{
				typ: systemType("String"), text: fmt.Sprintf("CONCAT(%s, %s)", x, y), always: true,
			}}}
		}
		return textNode(fmt.Sprintf("%s + %s", x, y))
	}
	typ := summedDecimal
	switch e.Op {
	case "*":
		typ = factorDecimal
	case "/":
		typ = dividedDecimal
	}
	x, y := w.numberAs(l, typ, c), w.numberAs(r, typ, c)
	if e.Op == "/" && x.whole && y.whole {
		// SQL divides integers without a remainder
		x.number = fmt.Sprintf("CAST(%s AS %s)", x.number, dividedDecimal)
	}
	if len(l.alts) == 0 || len(r.alts) == 0 {
		return &node{}
	}
	out := alt{
		typ: systemType("Decimal"), whole: x.whole && y.whole && e.Op != "/" || e.Op == "div",
	}
	if out.whole {
		out.typ = systemType("Integer")
	}
	switch e.Op {
	case "+", "-", "*":
		out.number = fmt.Sprintf("%s %s %s", x.number, e.Op, y.number)
	case "/":
		out.number = fmt.Sprintf("%s / NULLIF(%s, 0)", x.number, y.number)
	case "mod":
		out.number = fmt.Sprintf("%s %% NULLIF(%s, 0)", x.number, y.number)
	case "div":
		// without the remainder the quotient is whole, and rounding cannot change it
		out.number = fmt.Sprintf("(%s - %s %% NULLIF(%s, 0)) / NULLIF(%s, 0)", x.number, x.number,
			y.number, y.number)
	}
	return &node{alts: []alt{out}}
}

// rounded lowers abs() and the functions that cut fractions.
func (w comparisons) rounded(e *sof.Call, c scope) *node {
	if !w.numbersOnly(e, e.In) {
		return &node{}
	}
	n := w.numberAs(w.values.single(e.In, string(e.Func)+"()", c), summedDecimal, c)
	out := alt{typ: systemType("Integer"), whole: true}
	switch e.Func {
	case sof.FuncAbs:
		out.number, out.whole = fmt.Sprintf("ABS(%s)", n.number), n.whole
		if !n.whole {
			out.typ = systemType("Decimal")
		}
	case sof.FuncCeiling:
		out.number = fmt.Sprintf("CEILING(%s)", n.number)
	case sof.FuncFloor:
		out.number = fmt.Sprintf("FLOOR(%s)", n.number)
	case sof.FuncTruncate:
		out.number = fmt.Sprintf("CASE WHEN %s < 0 THEN CEILING(%s) ELSE FLOOR(%s) END", n.number,
			n.number, n.number)
	default:
		digits := 0
		if len(e.Args) > 0 {
			var ok bool
			if digits, ok = position(e.Args[0]); !ok || digits < 0 {
				w.refuse(e, "round() needs a literal number of digits", "")
			}
		}
		out = alt{
			typ: systemType("Decimal"), number: fmt.Sprintf("ROUND(%s, %d)", n.number, digits),
		}
	}
	return &node{alts: []alt{out}}
}
