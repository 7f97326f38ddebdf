package sof

import (
	"slices"
	"strings"

	"fhirsynapse/internal/sof/fhirpath"
	"fhirsynapse/internal/sof/quantity"
	"fhirsynapse/internal/sof/schema"
)

// ordered are the system types with an order, apart from quantities.
var ordered = []schema.System{
	schema.Integer, schema.Decimal, schema.Date, schema.DateTime, schema.Time, schema.String,
}

// quantity types a literal such as 4.5 'mg' or 3 days.
func (t *position) quantity(n *fhirpath.Literal) Expr {
	if len(n.Text) > 100 {
		return t.faultAt(n.Pos(), "", "the number has too many digits")
	}
	text := plainNumber(n.Text) + " '" + n.Unit + "'"
	if n.Calendar {
		text = plainNumber(n.Text) + " " + n.Unit
	}
	if _, ok := quantity.Parse(text); !ok {
		return t.faultAt(n.Pos(), "write a UCUM code, for example 4 'mg'", "there is no such unit")
	}
	return &Literal{&Constant{schema.Quantity, text}}
}

func fhirQuantity() *schema.Type {
	t, _ := schema.R4().Type("Quantity")
	return t
}

// quantityType reports whether a type is a quantity of FHIRPath or of FHIR.
func quantityType(t *schema.Type) bool { return t == schema.Quantity || t.Is(fhirQuantity()) }

// isQuantity reports whether all items of t are quantities, or with some set, whether any may be.
func isQuantity(t Type, some bool) bool {
	if some {
		return slices.ContainsFunc(t.Any, quantityType)
	}
	return len(t.Any) > 0 && !slices.ContainsFunc(t.Any, func(x *schema.Type) bool {
		return !quantityType(x)
	})
}

// meet reports whether items of two types may be equal.
func meet(x, y *schema.Type) bool {
	if x == schema.Quantity || y == schema.Quantity {
		return quantityType(x) && quantityType(y)
	}
	return family(x.System) == family(y.System)
}

// onlyQuantities narrows a choice type to its forms that are quantities.
func (t *members) onlyQuantities(e Expr, offset int) Expr {
	if isQuantity(e.Type(), false) || !isQuantity(e.Type(), true) {
		return e
	}
	return t.typeTest(e, "ofType", "Quantity", offset)
}

// quantityOrder types <, <=, > and >= of quantities.
func (t *members) quantityOrder(n *fhirpath.Binary, e *Binary) Expr {
	e.L, e.R = t.onlyQuantities(e.L, n.L.Pos()), t.onlyQuantities(e.R, n.R.Pos())
	for _, side := range []Expr{e.L, e.R} {
		if side == nil {
			return nil
		}
		if typ := side.Type(); len(typ.Any) > 0 && !isQuantity(typ, false) {
			return t.unsupported(n.Pos(), literalHint(e.L.Type(), e.R.Type()),
				"%s cannot be compared with %s",
				typeNames(e.L.Type()), typeNames(e.R.Type()))
		}
	}
	e.T = system("Boolean")
	return e
}

// quantityArithmetic types sums, products and quotients of quantities, and dates moved by them. ok
// is false if neither operand is a quantity.
func (t *members) quantityArithmetic(n *fhirpath.Binary, e *Binary) (out Expr, ok bool) {
	l, r := isQuantity(e.L.Type(), true), isQuantity(e.R.Type(), true)
	if !l && !r {
		return nil, false
	}
	e.L, e.R = t.onlyQuantities(e.L, n.L.Pos()), t.onlyQuantities(e.R, n.R.Pos())
	if e.L == nil || e.R == nil {
		return nil, true
	}
	number := func(x Expr) bool {
		return len(x.Type().Any) > 0 && isSystem(x.Type(), schema.Integer, schema.Decimal)
	}
	moment := func(x Expr) bool {
		return len(x.Type().Any) > 0 &&
			isSystem(x.Type(), schema.Date, schema.DateTime, schema.Time)
	}
	switch {
	case moment(e.L) && r && (n.Op == "+" || n.Op == "-"):
		return t.moved(n, e), true
	case l && r && strings.Contains("+-*/", n.Op), l && number(e.R) && (n.Op == "*" || n.Op == "/"),
		number(e.L) && r && n.Op == "*":
		e.T = Type{Any: []*schema.Type{schema.Quantity}}
		return e, true
	}
	return t.unsupported(n.Pos(), "", "%s does not take %s and %s", n.Op, typeNames(e.L.Type()),
		typeNames(e.R.Type())), true
}

// moved types a date or time that is moved by a quantity of time.
func (t *members) moved(n *fhirpath.Binary, e *Binary) Expr {
	if k, ok := e.R.(*Literal); ok && k.Value != nil {
		if q, _ := quantity.Parse(k.Value.Text); !q.MovesTime() {
			return t.faultAt(n.R.Pos(),
				"write years, months, weeks, days, hours, minutes, seconds or milliseconds, or 'd', 'h' …",
				"dates and times cannot be moved by this unit")
		}
	}
	for _, typ := range e.L.Type().Any {
		if s := typ.System.Type(); !slices.Contains(e.T.Any, s) {
			e.T.Any = append(e.T.Any, s)
		}
	}
	return e
}
