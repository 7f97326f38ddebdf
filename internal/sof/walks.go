package sof

import (
	"slices"

	"fhirsynapse/internal/sof/fhirpath"
	"fhirsynapse/internal/sof/schema"
)

// repeat types the step over the elements that it reaches, like recurse for views.
func (t *typer) repeat(n *fhirpath.Call, in Expr) Expr {
	if !t.arity(n, 1, 1) {
		return nil
	}
	reached, from := Type{}, one(in.Type())
	for {
		before := len(reached.Any)
		if e := t.quietly(from, n.Args[0]); e != nil {
			reached = union(reached, e.Type())
			from = one(union(from, reached))
		}
		if len(reached.Any) == before {
			break
		}
	}
	step := t.within(from).expr(n.Args[0])
	if step == nil {
		return nil
	}
	if len(step.Type().Any) == 0 {
		reached.Any = nil
	}
	return &Repeat{In: in, Step: step, T: many(reached)}
}

// quietly types an expression over a focus without reporting its faults.
func (t *typer) quietly(focus Type, n fhirpath.Node) Expr {
	c := *t.compiler
	c.faults, c.warnings = nil, nil
	inner := t.within(focus)
	inner.compiler = &c
	return inner.expr(n)
}

// tree types children() and descendants(): every element, whatever its name.
func (t *members) tree(n *fhirpath.Call, in Expr) Expr {
	if !t.arity(n, 0, 0) {
		return nil
	}
	e := &Call{Func: Func(n.Name), In: in, T: Type{Many: true}}
	if len(in.Type().Any) == 0 {
		return e
	}
	seen := map[*schema.Type]bool{}
	level := in.Type().Any
	for len(level) > 0 {
		var next []*schema.Type
		for _, owner := range level {
			for _, typ := range t.childTypes(owner) {
				if !seen[typ] {
					seen[typ] = true
					next = append(next, typ)
				}
			}
		}
		e.T.Any = append(e.T.Any, next...)
		if level = next; e.Func == FuncChildren {
			break
		}
	}
	return e
}

// childTypes returns the types of a type's elements. An abstract resource may be any resource in
// the data.
func (t *members) childTypes(owner *schema.Type) []*schema.Type {
	owners := []*schema.Type{owner}
	if owner.Kind == schema.Resource && !t.schema.IsResource(owner.Name) {
		for _, name := range t.schema.Names(schema.Resource) {
			if typ, ok := t.schema.Type(name); ok {
				owners = append(owners, typ)
			}
		}
	}
	var out []*schema.Type
	for _, o := range owners {
		for _, el := range o.Elements {
			if o.Kind != schema.Primitive || el.Name != "value" {
				out = append(out, el.Types...)
			}
		}
	}
	return out
}

// aggregate types its expression twice: $total has the type of its first value or of the
// expression's result.
func (t *typer) aggregate(n *fhirpath.Call, in Expr) Expr {
	if len(n.Args) == 0 {
		return t.faultAt(n.Pos(), "for example aggregate($total + $this, 0)",
			"aggregate() needs an expression")
	}
	if !t.arity(n, 1, 2) {
		return nil
	}
	e := &Aggregate{In: in}
	total := Type{}
	if len(n.Args) == 2 {
		if e.Init = t.expr(n.Args[1]); e.Init == nil {
			return nil
		}
		total = e.Init.Type()
	}
	with := func(total Type) *typer {
		inner := *t
		inner.total = &total
		return &inner
	}
	if first := with(total).quietly(in.Type(), n.Args[0]); first != nil && len(total.Any) > 0 {
		manyItems := total.Many || first.Type().Many
		if total = union(total, first.Type()); len(first.Type().Any) == 0 {
			total.Any = nil
		}
		total.Many = manyItems
	}
	if e.Body = with(total).within(in.Type()).expr(n.Args[0]); e.Body == nil {
		return nil
	}
	e.T = e.Body.Type()
	if e.Init != nil {
		e.T = union(e.T, e.Init.Type())
		e.T.Many = total.Many || e.Body.Type().Many
	}
	return e
}

// sort types the keys. A minus before a key reverses its order.
func (t *typer) sort(n *fhirpath.Call, in Expr) Expr {
	const most = 10
	if !t.arity(n, 0, most) {
		return nil
	}
	e := &Sort{In: in}
	for _, a := range n.Args {
		key := SortKey{}
		if minus, ok := a.(*fhirpath.Unary); ok && minus.Op == "-" {
			key.Descending = true
			a = minus.X
		}
		if key.By = t.within(in.Type()).expr(a); key.By == nil {
			return nil
		}
		if !t.sortable(a.Pos(), key.By.Type()) {
			return nil
		}
		e.Keys = append(e.Keys, key)
	}
	if len(e.Keys) == 0 {
		if !t.sortable(n.Pos(), in.Type()) {
			return nil
		}
		e.Keys = []SortKey{{By: &This{one(in.Type())}}}
	}
	return e
}

func (t *members) sortable(offset int, by Type) bool {
	if isSystem(by, ordered...) || isQuantity(by, false) {
		return true
	}
	t.unsupported(offset, "sort by an element",
		"%s has no order: sort() takes numbers, strings, dates and times", typeNames(by))
	return false
}

// trace returns its input, because a view has no log.
func (t *typer) trace(n *fhirpath.Call, in Expr) Expr {
	if !t.arity(n, 1, 2) {
		return nil
	}
	name := t.expr(n.Args[0])
	if name == nil {
		return nil
	}
	if !isSystem(name.Type(), schema.String) {
		return t.faultAt(n.Args[0].Pos(), "", "trace() needs a name, got %s",
			typeNames(name.Type()))
	}
	if len(n.Args) == 2 && t.within(in.Type()).expr(n.Args[1]) == nil {
		return nil
	}
	return in
}

// typeInfo types a member of the result of type().
func (t *members) typeInfo(in Expr, n *fhirpath.Member) Expr {
	e := &Call{Func: FuncTypeName, In: in, T: system("String")}
	e.T.Many = in.Type().Many
	switch n.Name {
	case "name":
	case "namespace":
		e.Func = FuncNamespace
	default:
		return t.faultAt(n.Pos(), "it has name and namespace", "a type has no element %s", n.Name)
	}
	return e
}

// withValueless makes a list of primitives also yield those without a value, if hasValue() is
// called on its items.
func withValueless(in, body Expr) Expr {
	c, ok := in.(*Child)
	if !ok || !asksForValue(body) {
		return in
	}
	for _, p := range c.Properties {
		if p.Type == nil || p.Type.Kind != schema.Primitive {
			return in
		}
	}
	out := *c
	out.Valueless = true
	return &out
}

// filterValueless is withValueless for the input of a filter whose items are counted.
func filterValueless(in Expr) Expr {
	if f, ok := in.(*Filter); ok {
		if out := withValueless(f.In, f.Pred); out != f.In {
			return &Filter{out, f.Pred}
		}
	}
	return in
}

// asksForValue reports whether an expression calls hasValue() on the focus.
func asksForValue(e Expr) bool {
	switch e := e.(type) {
	case *Call:
		if _, this := e.In.(*This); this && e.Func == FuncHasValue {
			return true
		}
		return asksForValue(e.In) || slices.ContainsFunc(e.Args, asksForValue)
	case *Binary:
		return asksForValue(e.L) || asksForValue(e.R)
	}
	return false
}
