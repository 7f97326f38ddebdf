package sof

import (
	"slices"
	"strings"

	"fhirsynapse/internal/sof/fhirpath"
	"fhirsynapse/internal/sof/schema"
)

func (t *typer) unary(n *fhirpath.Unary) Expr {
	x := t.expr(n.X)
	if x == nil {
		return nil
	}
	if !isSystem(x.Type(), schema.Integer, schema.Decimal) && !isQuantity(x.Type(), false) {
		return t.faultAt(n.Pos(), "", "%s needs a number, got %s", n.Op, typeNames(x.Type()))
	}
	if n.Op == "+" {
		return x
	}
	if l, ok := x.(*Literal); ok && l.Value != nil {
		text, negative := strings.CutPrefix(l.Value.Text, "-")
		if !negative {
			text = "-" + text
		}
		return &Literal{&Constant{l.Value.Type, text}}
	}
	return &Negate{x}
}

func (t *typer) binary(n *fhirpath.Binary) Expr {
	l, r := t.expr(n.L), t.expr(n.R)
	if l == nil || r == nil {
		return nil
	}
	e := &Binary{Op: n.Op, L: l, R: r}
	switch n.Op {
	case "and", "or", "xor", "implies":
		for _, side := range []struct {
			e Expr
			n fhirpath.Node
		}{{l, n.L}, {r, n.R}} {
			if !booleans(side.e.Type()) {
				return t.unsupported(side.n.Pos(), "append .exists(), or compare with a value",
					"%s needs booleans, got %s", n.Op, typeNames(side.e.Type()))
			}
		}
		e.T = system("Boolean")
	case "=", "!=", "~", "!~":
		if hint, ok := comparable(l.Type(), r.Type()); !ok {
			return t.unsupported(n.Pos(), hint, "%s can never be equal to %s", typeNames(l.Type()),
				typeNames(r.Type()))
		}
		e.T = system("Boolean")
	case "in", "contains":
		if hint, ok := comparable(l.Type(), r.Type()); !ok {
			return t.unsupported(n.Pos(), hint, "%s can never be equal to %s", typeNames(l.Type()),
				typeNames(r.Type()))
		}
		e.T = system("Boolean")
	case "<", "<=", ">", ">=":
		return t.inequality(n, e)
	case "|":
		e.T = union(l.Type(), r.Type())
	case "&":
		if !isSystem(l.Type(), schema.String) || !isSystem(r.Type(), schema.String) {
			return t.faultAt(n.Pos(), "convert it with toString()",
				"& needs strings, got %s and %s", typeNames(l.Type()), typeNames(r.Type()))
		}
		e.T = system("String")
	default:
		return t.arithmetic(n, e)
	}
	return e
}

// family returns one letter per group of comparable system types.
func family(s schema.System) byte {
	switch s {
	case schema.Integer, schema.Decimal:
		return 'n'
	case schema.Date, schema.DateTime:
		return 'd'
	case schema.None, schema.Boolean, schema.String, schema.Time:
	}
	return byte(s)
}

// comparable reports whether an item of a may equal one of b, and if not, a hint on the likely
// intention.
func comparable(a, b Type) (hint string, ok bool) {
	if len(a.Any) == 0 || len(b.Any) == 0 {
		return "", true
	}
	for _, x := range a.Any {
		for _, y := range b.Any {
			if meet(x, y) {
				return "", true
			}
		}
	}
	return literalHint(a, b), false
}

func literalHint(a, b Type) string {
	is := func(t Type, s ...schema.System) bool { return len(t.Any) > 0 && isSystem(t, s...) }
	for _, pair := range [][2]Type{{a, b}, {b, a}} {
		x, y := pair[0], pair[1]
		switch {
		case is(x, schema.Date, schema.DateTime) && is(y, schema.String):
			return "dates are written @2024-01-31"
		case is(x, schema.Time) && is(y, schema.String):
			return "times are written @T08:00"
		case is(x, schema.Integer, schema.Decimal) && is(y, schema.String):
			return "numbers are written without quotes"
		case is(x, schema.Boolean) && is(y, schema.String):
			return "true and false are written without quotes"
		case is(x, schema.None) && slices.ContainsFunc(x.Any, func(t *schema.Type) bool {
			return t.Name == "Quantity"
		}):
			return "compare its .value, or the Quantity with a number and its unit: 4.5 'mg'"
		case is(x, schema.None) && slices.ContainsFunc(x.Any, func(t *schema.Type) bool {
			return t.Name == "CodeableConcept"
		}):
			return "compare its .coding.code or .text"
		case is(x, schema.None) && slices.ContainsFunc(x.Any, func(t *schema.Type) bool {
			return t.Name == "Reference"
		}):
			return "compare its .reference or getReferenceKey()"
		}
	}
	return ""
}

func (t *members) inequality(n *fhirpath.Binary, e *Binary) Expr {
	if l, r := e.L.Type(),
		e.R.Type(); isQuantity(l, true) && isQuantity(r, true) || isQuantity(l, false) ||
		isQuantity(r, false) {
		return t.quantityOrder(n, e)
	}
	for _, side := range []Expr{e.L, e.R} {
		if !isSystem(side.Type(), ordered...) {
			return t.unsupported(n.Pos(), literalHint(e.L.Type(), e.R.Type()),
				"%s has no order: %s compares numbers, strings, dates and times",
				typeNames(side.Type()), n.Op)
		}
	}
	if hint, ok := comparable(e.L.Type(), e.R.Type()); !ok {
		return t.faultAt(n.Pos(), hint, "%s cannot be compared with %s", typeNames(e.L.Type()),
			typeNames(e.R.Type()))
	}
	e.T = system("Boolean")
	return e
}

func (t *members) arithmetic(n *fhirpath.Binary, e *Binary) Expr {
	number := func(x Expr) bool { return isSystem(x.Type(), schema.Integer, schema.Decimal) }
	text := func(x Expr) bool { return isSystem(x.Type(), schema.String) }
	if out, ok := t.quantityArithmetic(n, e); ok {
		return out
	}
	integer := func(x Expr) bool {
		return len(x.Type().Any) > 0 && isSystem(x.Type(), schema.Integer)
	}
	switch {
	case number(e.L) && number(e.R):
		e.T = system("Decimal")
		if integer(e.L) && integer(e.R) && n.Op != "/" || n.Op == "div" {
			e.T = system("Integer")
		}
	case n.Op == "+" && text(e.L) && text(e.R):
		e.T = system("String")
	default:
		hint := ""
		if isSystem(e.L.Type(), schema.Date, schema.DateTime, schema.Time) {
			hint = "dates move by quantities of time: + 7 days"
		}
		return t.faultAt(n.Pos(), hint, "%s needs numbers, got %s and %s", n.Op,
			typeNames(e.L.Type()), typeNames(e.R.Type()))
	}
	return e
}
