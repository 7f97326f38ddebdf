package tsql

import (
	"fmt"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/schema"
)

func systemType(name string) *schema.Type {
	t, _ := schema.R4().Type("System." + name)
	return t
}

// one lowers an expression that yields at most one item.
func (w values) one(e sof.Expr, c scope) *node {
	switch e.(type) {
	case *sof.This:
		return c.focus
	case *sof.Root:
		return w.root
	}
	c.at = c.home
	k := w.shareOf(e, c)
	if n, ok := w.shared[k]; ok {
		return n
	}
	n := w.lowerOne(e, c)
	w.shared[k] = n
	return n
}

// shareOf returns the key of an expression that is lowered once in a scope.
func (w *writer) shareOf(e sof.Expr, c scope) sharedKey {
	return sharedKey{c.home, c.focus, w.key(e), c.rowIndex, c.itemIndex}
}

func (w values) lowerOne(e sof.Expr, c scope) *node {
	switch e := e.(type) {
	case *sof.RowIndex:
		return integer(c.rowIndex)
	case *sof.ItemIndex:
		if c.itemIndex == "" {
			w.refuse(e, "$index outside a list", "")
		}
		return integer(c.itemIndex)
	case *sof.Literal:
		return w.constant(e.Value)
	case *sof.Child:
		return w.items.members(w.one(e.In, c), e.Properties)
	case *sof.Filter:
		in := w.one(e.In, c)
		inner := c.on(in)
		inner.itemIndex = "0"
		return &node{
			alts: in.alts, guards: append(append([]string{}, in.guards...),
				w.conditions.pred(e.Pred, inner)),
		}
	case *sof.Select:
		in := w.one(e.In, c)
		inner := c.on(in)
		inner.itemIndex = "0"
		out := *w.one(e.Body, inner)
		if !w.lists.surely(in) {
			out.guards = append(append([]string{}, out.guards...), w.items.present(in))
		}
		return &out
	case *sof.OfType:
		return w.ofType(w.single(e.In, "as", c), e, c)
	case *sof.ResourceKey:
		return w.items.members(w.one(e.In, c),
			[]sof.Property{{Name: "id", Type: systemType("String")}})
	case *sof.ReferenceKey:
		return w.referenceKey(w.one(e.In, c), e, c)
	case *sof.Call:
		return w.call(e, c)
	case *sof.Binary:
		switch e.Op {
		case "&", "+", "-", "*", "/", "div", "mod":
			return w.comparisons.arithmetic(e, c)
		}
		return w.truth(w.conditions.pred(e, c))
	case *sof.All, *sof.Is:
		return w.truth(w.conditions.pred(e, c))
	case *sof.Negate:
		if !w.comparisons.numbersOnly(e, e.In) {
			return &node{}
		}
		n := w.comparisons.number(w.single(e.In, "-", c), c)
		out := alt{typ: systemType("Decimal"), number: "-" + n.number, whole: n.whole}
		if n.whole {
			out.typ = systemType("Integer")
		}
		return &node{alts: []alt{out}}
	}
	w.refuseNative(e)
	return &node{}
}

// refuseNative records that only the native engine can evaluate e.
func (w values) refuseNative(e sof.Expr) {
	what := map[string]string{
		"*sof.Repeat": "repeat()", "*sof.Aggregate": "aggregate()", "*sof.Total": "$total",
		"*sof.Sort": "sort()",
	}[fmt.Sprintf("%T", e)]
	if what == "" {
		what = fmt.Sprintf("%T", e)
	}
	w.refuse(e, "the function "+what, "only the native engine has it")
}

// single lowers an expression that must not yield more than one item.
func (w values) single(e sof.Expr, what string, c scope) *node {
	if e.Type().Many {
		return w.lists.onlyItem(e, what, c)
	}
	return w.one(e, c)
}

func integer(expr string) *node {
	return &node{alts: []alt{{
		typ: systemType("Integer"), number: expr, whole: true, always: true, sized: true,
	}}}
}

func (w values) truth(pred string) *node {
	return &node{alts: []alt{{typ: systemType("Boolean"), pred: pred}}}
}

func (w values) constant(k *sof.Constant) *node {
	if k == nil {
		return &node{}
	}
	a := alt{typ: k.Type, text: w.lit(k.Text), literal: k}
	switch k.Type.System {
	case schema.Boolean:
		a.pred = "1 = 0"
		if k.Text == "true" {
			a.pred = "1 = 1"
		}
	case schema.Integer, schema.Decimal:
		a.number, a.whole = numberLiteral(k.Text), k.Type.System == schema.Integer
	case schema.None:
		w.refuse(nil, "a quantity literal", "compare .value, and .code with the unit")
	case schema.String, schema.Date, schema.DateTime, schema.Time:
	}
	return &node{alts: []alt{a}}
}

// ofType keeps an item that has the type.
func (w values) ofType(n *node, e *sof.OfType, c scope) *node {
	if e.Want.Kind == schema.Resource {
		return w.ofResource(n, e.Want, c)
	}
	out := &node{guards: n.guards}
	for _, a := range n.alts {
		switch {
		case a.typ == nil:
			w.refuse(e, "the type of the data is not known to R4", "")
		case hasType(a.typ, e.Want):
			out.alts = append(out.alts, a)
		}
	}
	return out
}

// ofExactType keeps an item whose type is exactly the given one. A primitive of FHIR does not have
// a system type.
func (w values) ofExactType(n *node, e *sof.Is, c scope) *node {
	if e.Want.Kind != schema.SystemType {
		return w.ofType(n, &sof.OfType{In: e.In, Want: e.Want}, c)
	}
	out := &node{guards: n.guards}
	for _, a := range n.alts {
		if a.typ == e.Want {
			out.alts = append(out.alts, a)
		}
	}
	return out
}

func hasType(have, want *schema.Type) bool {
	if want.Kind == schema.SystemType && want != schema.Quantity {
		return have.System == want.System
	}
	return have.Is(want)
}

// ofResource keeps a resource of the type that its resourceType names.
func (w values) ofResource(n *node, want *schema.Type, _ scope) *node {
	out := &node{guards: n.guards}
	for _, a := range n.alts {
		if a.always && a.in != nil && len(a.path) == 0 && a.typ != nil &&
			a.typ.Name == w.view.Resource && n == w.root {
			if a.typ.Is(want) {
				out.alts = append(out.alts, a)
			}
			continue
		}
		if a.in == nil {
			continue
		}
		kind := a.in.member(append(append([]string{}, a.path...), "resourceType"), false)
		var names []string
		for _, name := range schema.R4().Names(schema.Resource) {
			if t, ok := schema.R4().Type(name); ok && t.Is(want) {
				names = append(names, w.sameText(kind, w.lit(name), &name))
			}
		}
		if len(names) == 1 {
			out.guards = append(append([]string{}, out.guards...), names[0])
		} else {
			out.guards = append(append([]string{}, out.guards...), kind+" IS NOT NULL")
		}
		a.typ = want
		out.alts = append(out.alts, a)
	}
	return out
}

// exact returns a form of a text that compares by its characters. Case and blanks at the end count.
func (w phrases) exact(text string) string {
	if w.facts.CompareBytes {
		// cast to one type first, because nvarchar has other bytes
		return fmt.Sprintf("CAST(CAST(%s AS %s) AS varbinary(max))", text, w.facts.Text)
	}
	// a comparison pads the shorter text with blanks; a character after the text makes the blanks
	// at its end count
	return w.collated(fmt.Sprintf("%s + %s", text, w.lit(".")))
}

// collated returns a text in the collation of its characters. Not every parser accepts COLLATE
// after a parenthesis.
func (w phrases) collated(text string) string {
	return fmt.Sprintf("CAST(%s AS %s) COLLATE %s", text, w.facts.Text, w.facts.Binary)
}

// sameText compares a text with another, which may be a known one.
func (w phrases) sameText(l, r string, known *string) string {
	switch {
	case w.facts.CompareBytes && known != nil:
		return fmt.Sprintf("%s = CAST(%s AS varbinary(max))", w.exact(l), r)
	case w.facts.CompareBytes:
		return fmt.Sprintf("%s = %s", w.exact(l), w.exact(r))
	case known != nil:
		return fmt.Sprintf("%s = %s", w.exact(l), w.lit(*known+"."))
	}
	return fmt.Sprintf("%s = %s + %s", w.exact(l), r, w.lit("."))
}
