package sof

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"fhirsynapse/internal/sof/fhirpath"
	"fhirsynapse/internal/sof/schema"
)

func (t *typer) call(n *fhirpath.Call) Expr {
	var in Expr = &This{t.this}
	if n.X != nil {
		if in = t.expr(n.X); in == nil {
			return nil
		}
	}
	switch n.Name {
	case "where", "select", "all", "exists":
		return t.lambda(n, in)
	case "ofType", "is", "as":
		if name, offset, ok := t.typeArgument(n); ok {
			return t.typeTest(in, n.Name, name, offset)
		}
		return nil
	case "iif":
		return t.iif(n, in)
	case "extension":
		return t.extension(n, in)
	case "repeat":
		return t.repeat(n, in)
	case "children", "descendants":
		return t.tree(n, in)
	case "aggregate":
		return t.aggregate(n, in)
	case "sort":
		return t.sort(n, in)
	case "trace":
		return t.trace(n, in)
	case "getResourceKey":
		return t.resourceKey(n, in)
	case "getReferenceKey":
		return t.referenceKey(n, in)
	case "union":
		if !t.arity(n, 1, 1) {
			return nil
		}
		other := t.expr(n.Args[0])
		if other == nil {
			return nil
		}
		return &Binary{Op: "|", L: in, R: other, T: union(in.Type(), other.Type())}
	}
	sig, ok := signatures[Func(n.Name)]
	if !ok {
		return t.unknownFunction(n)
	}
	return t.plainCall(n, sig, in)
}

func (t *position) unknownFunction(n *fhirpath.Call) Expr {
	if why, ok := refused[n.Name]; ok {
		return t.unsupported(n.Pos(), why, "%s() is not supported", n.Name)
	}
	names := []string{
		"where", "select", "all", "exists", "ofType", "is", "as", "iif", "extension", "repeat",
		"children", "descendants",
		"aggregate", "sort", "trace", "getResourceKey", "getReferenceKey", "union",
	}
	for f := range signatures {
		names = append(names, string(f))
	}
	slices.Sort(names)
	return t.unsupported(n.Pos(), didYouMean(n.Name, names), "the function %s() is not supported",
		n.Name)
}

func (t *position) arity(n *fhirpath.Call, least, most int) bool {
	if got := len(n.Args); got < least || got > most {
		want := fmt.Sprint(least)
		if most != least {
			want = fmt.Sprintf("%d to %d", least, most)
		}
		t.faultAt(n.Pos(), "", "%s() takes %s arguments, got %d", n.Name, want, got)
		return false
	}
	return true
}

func (t *typer) plainCall(n *fhirpath.Call, sig signature, in Expr) Expr {
	if !t.arity(n, sig.Needed, len(sig.Args)) {
		return nil
	}
	if want, ok := accepts[sig.Input]; ok && !isSystem(in.Type(), want...) &&
		!takesQuantity(Func(n.Name), in) {
		return t.unsupported(n.Pos(), inputHint(sig.Input, in.Type()), "%s() needs %s, got %s",
			n.Name, article(sig.Input), typeNames(in.Type()))
	}
	if n.Name == "count" || n.Name == "empty" {
		in = filterValueless(in)
	}
	e := &Call{Func: Func(n.Name), In: in}
	for i, a := range n.Args {
		arg := t.expr(a)
		if arg == nil {
			return nil
		}
		if want, ok := accepts[sig.Args[i]]; ok && !isSystem(arg.Type(), want...) {
			return t.faultAt(a.Pos(), "", "%s() needs %s here, got %s", n.Name,
				article(sig.Args[i]), typeNames(arg.Type()))
		}
		if sig.Args[i] == "regex" && emptyLiteral(arg) {
			return arg // so the result is unknown too
		}
		if sig.Args[i] == "regex" && !t.regex(n, a, arg) || !t.written(n, a, arg, sig.Args[i]) {
			return nil
		}
		e.Args = append(e.Args, arg)
	}
	switch sig.Result {
	case "in":
		e.T = in.Type()
	case "one":
		e.T = one(in.Type())
	case "union":
		e.T = union(in.Type(), e.Args[0].Type())
	case "Strings":
		e.T = many(system("String"))
	case "Quantity":
		e.T = Type{Any: []*schema.Type{schema.Quantity}}
	case "type":
		e.T = Type{Any: []*schema.Type{schema.TypeInfo}}
	default:
		e.T = system(sig.Result)
	}
	if (e.Func == FuncLowBoundary || e.Func == FuncHighBoundary) &&
		isSystem(in.Type(), schema.Integer) {
		e.T = system("Decimal")
	}
	return e
}

// takesQuantity reports whether a function of numbers or primitives accepts the quantity in.
func takesQuantity(f Func, in Expr) bool {
	return (f == FuncAbs || f == FuncToString) && isQuantity(in.Type(), false)
}

func emptyLiteral(e Expr) bool {
	l, ok := e.(*Literal)
	return ok && l.Value == nil
}

// written checks that an argument which selects a function's behaviour is a literal.
func (t *position) written(n *fhirpath.Call, a fhirpath.Node, arg Expr, word string) bool {
	choices, ok := known[word]
	if !ok {
		return true
	}
	l, ok := arg.(*Literal)
	if !ok || l.Value == nil {
		t.faultAt(a.Pos(), "write it as a string",
			"what %s() uses must be known when the view is compiled", n.Name)
		return false
	}
	if choices != nil && !slices.Contains(choices, l.Value.Text) {
		t.unsupported(a.Pos(), "known are "+strings.Join(choices, ", "), "%s() does not know %q",
			n.Name, l.Value.Text)
		return false
	}
	return true
}

// regex checks a pattern when the view is compiled, so that it cannot fail on data.
func (t *position) regex(n *fhirpath.Call, a fhirpath.Node, arg Expr) bool {
	l, ok := arg.(*Literal)
	if !ok || l.Value == nil {
		t.faultAt(a.Pos(), "write the pattern as a string or a constant",
			"the pattern of %s() must be known when the view is compiled", n.Name)
		return false
	}
	if _, err := regexp.Compile(l.Value.Text); err != nil {
		t.faultAt(a.Pos(), "", "%s", err)
		return false
	}
	return true
}

func article(word string) string {
	switch word {
	case "bounded":
		return "a number, a date or a time"
	case "primitive":
		return "a primitive value"
	case "integer":
		return "an integer"
	}
	return "a " + word
}

func inputHint(want string, got Type) string {
	switch {
	case want == "boolean":
		return "append .exists(), or compare with a value"
	case want == "string" && isSystem(got, accepts["primitive"]...):
		return "convert it with toString()"
	case want == "bounded" && slices.ContainsFunc(got.Any, func(t *schema.Type) bool {
		return t.Name == "Quantity"
	}):
		return "take its .value"
	}
	return ""
}

func (t *typer) lambda(n *fhirpath.Call, in Expr) Expr {
	least := 1
	if n.Name == "exists" {
		least = 0
	}
	if len(n.Args) < least {
		return t.faultAt(n.Pos(), "for example "+n.Name+"(use = 'official')",
			"%s() needs an expression", n.Name)
	}
	if !t.arity(n, least, 1) {
		return nil
	}
	if len(n.Args) == 0 {
		return &Call{Func: FuncExists, In: filterValueless(in), T: system("Boolean")}
	}
	body := t.within(in.Type()).expr(n.Args[0])
	if body == nil {
		return nil
	}
	if n.Name != "where" {
		in = withValueless(in, body)
	}
	if n.Name == "select" {
		out := body.Type()
		out.Many = out.Many || in.Type().Many
		return &Select{In: in, Body: body, T: out}
	}
	if !booleans(body.Type()) {
		return t.faultAt(n.Args[0].Pos(), "append .exists(), or compare with a value",
			"%s() needs a boolean, got %s", n.Name, typeNames(body.Type()))
	}
	switch n.Name {
	case "all":
		return &All{in, body}
	case "exists":
		return &Call{Func: FuncExists, In: &Filter{in, body}, T: system("Boolean")}
	}
	return &Filter{in, body}
}

func (t *typer) typeArgument(n *fhirpath.Call) (name string, offset int, ok bool) {
	if !t.arity(n, 1, 1) {
		return "", 0, false
	}
	if m, is := n.Args[0].(*fhirpath.Member); is {
		if m.X == nil {
			return m.Name, m.Pos(), true
		}
		if ns, is := m.X.(*fhirpath.Member); is && ns.X == nil {
			return ns.Name + "." + m.Name, ns.Pos(), true
		}
	}
	t.faultAt(n.Args[0].Pos(), "for example "+n.Name+"(Quantity)", "%s() needs the name of a type",
		n.Name)
	return "", 0, false
}

func (t *typer) iif(n *fhirpath.Call, in Expr) Expr {
	if !t.arity(n, 2, 3) {
		return nil
	}
	// iif sees its input as a whole, so the focus stays
	inner := t
	if n.X != nil {
		inner = t.within(in.Type())
		inner.this.Many = in.Type().Many
	}
	e := &Call{Func: FuncIif, In: in}
	for i, a := range n.Args {
		arg := inner.expr(a)
		if arg == nil {
			return nil
		}
		if i == 0 && !booleans(arg.Type()) {
			return t.faultAt(a.Pos(), "append .exists(), or compare with a value",
				"iif() needs a boolean, got %s", typeNames(arg.Type()))
		}
		e.Args = append(e.Args, arg)
	}
	e.T = e.Args[1].Type()
	if len(e.Args) == 3 {
		both := e.T.Many || e.Args[2].Type().Many
		e.T = union(e.T, e.Args[2].Type())
		e.T.Many = both
	}
	return e
}

// extension(url) is extension.where(url = '...').
func (t *typer) extension(n *fhirpath.Call, in Expr) Expr {
	if !t.arity(n, 1, 1) {
		return nil
	}
	url := t.expr(n.Args[0])
	if url == nil {
		return nil
	}
	if !isSystem(url.Type(), schema.String) {
		return t.faultAt(n.Args[0].Pos(), "", "extension() needs the URL of an extension, got %s",
			typeNames(url.Type()))
	}
	if _, ok := url.(*Literal); !ok {
		return t.faultAt(n.Args[0].Pos(), "write it as a string or a constant",
			"the URL of extension() must be known when the view is compiled")
	}
	ext := t.child(in, fhirpath.NewMember(nil, "extension", n.Pos()))
	if ext == nil {
		return nil
	}
	x, _ := t.schema.Type("Extension")
	uri, _ := x.Element("url")
	key := &Child{
		In: &This{one(ext.Type())}, Name: "url",
		Properties: []Property{{"url", uri.Types[0]}}, T: Type{Any: uri.Types},
	}
	return &Filter{ext, &Binary{Op: "=", L: key, R: url, T: system("Boolean")}}
}

func (t *position) resourceKey(n *fhirpath.Call, in Expr) Expr {
	if !t.arity(n, 0, 0) {
		return nil
	}
	for _, typ := range in.Type().Any {
		if typ.Kind != schema.Resource {
			return t.faultAt(n.Pos(), "use %resource.getResourceKey() inside forEach",
				"getResourceKey() needs a resource, got %s", typeNames(in.Type()))
		}
	}
	return &ResourceKey{in}
}

func (t *typer) referenceKey(n *fhirpath.Call, in Expr) Expr {
	if !t.arity(n, 0, 1) {
		return nil
	}
	for _, typ := range in.Type().Any {
		if typ.Name != "Reference" {
			hint := ""
			if strings.Contains(typeNames(in.Type()), "Reference") {
				hint = "select the References with ofType(Reference)"
			}
			return t.faultAt(n.Pos(), hint, "getReferenceKey() needs a Reference, got %s",
				typeNames(in.Type()))
		}
	}
	e := &ReferenceKey{In: in, Base: t.references.Base, URNs: t.references.URNs}
	if len(n.Args) == 1 {
		name, offset, ok := t.typeArgument(n)
		if !ok {
			return nil
		}
		name = strings.TrimPrefix(name, "FHIR.")
		if !t.schema.IsResource(name) && !t.lenient {
			return t.faultAt(offset, didYouMean(name, t.schema.Names(schema.Resource)),
				"there is no resource type %s", name)
		}
		e.Target = name
	}
	return e
}
