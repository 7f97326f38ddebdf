package sof

import (
	"fmt"
	"slices"
	"strings"

	"fhirsynapse/internal/sof/fhirpath"
	"fhirsynapse/internal/sof/fhirtime"
	"fhirsynapse/internal/sof/schema"
)

// typer turns the tree of one expression into typed expressions. Its methods return nil after a
// fault.
type typer struct {
	members
	this Type
	// inner is true below where(), select() and all(), where $index is defined.
	inner bool
	// total is the type of $total, if it is defined.
	total *Type
}

// position is the current expression of a typer, for its faults.
type position struct {
	*compiler
	at exprDef
}

// members types the members and types of an already typed expression.
type members struct{ position }

func (t *position) faultAt(offset int, hint, format string, args ...any) Expr {
	t.fault(&Fault{
		Path: t.at.path, Text: t.at.text, Offset: offset, Msg: fmt.Sprintf(format, args...),
		Hint: hint,
	})
	return nil
}

// unsupported is faultAt for valid FHIRPath that views do not support.
func (t *position) unsupported(offset int, hint, format string, args ...any) Expr {
	t.fault(&Fault{
		Path: t.at.path, Text: t.at.text, Offset: offset, Msg: fmt.Sprintf(format, args...),
		Hint: hint, Unsupported: true,
	})
	return nil
}

// within returns a typer whose focus is one item of in.
func (t *typer) within(in Type) *typer {
	inner := *t
	inner.this, inner.inner = one(in), true
	return &inner
}

// expr types a node and records its place. An expression of several nodes keeps the place of the
// first, which is the innermost.
func (t *typer) expr(n fhirpath.Node) Expr {
	e := t.node(n)
	if _, known := t.places[e]; e != nil && !known {
		t.places[e] = origin{t.at.path, t.at.text, n.Pos()}
	}
	return e
}

func (t *typer) node(n fhirpath.Node) Expr {
	switch n := n.(type) {
	case *fhirpath.Literal:
		return t.literal(n)
	case *fhirpath.This:
		return &This{t.this}
	case *fhirpath.Index:
		if !t.inner {
			return t.faultAt(n.Pos(), "use %rowIndex for the position in forEach",
				"$index is known inside where(), select() and all() only")
		}
		return &ItemIndex{}
	case *fhirpath.Total:
		if t.total == nil {
			return t.faultAt(n.Pos(), "", "$total is known inside aggregate() only")
		}
		return &Total{*t.total}
	case *fhirpath.External:
		return t.external(n)
	case *fhirpath.Member:
		if n.X == nil {
			return t.bareName(n)
		}
		in := t.expr(n.X)
		if in == nil {
			return nil
		}
		return t.child(in, n)
	case *fhirpath.Call:
		return t.call(n)
	case *fhirpath.Subscript:
		return t.subscript(n)
	case *fhirpath.Unary:
		return t.unary(n)
	case *fhirpath.Binary:
		return t.binary(n)
	case *fhirpath.TypeTest:
		in := t.expr(n.X)
		if in == nil {
			return nil
		}
		return t.typeTest(in, n.Op, n.Type, n.TypePos)
	}
	return t.faultAt(n.Pos(), "", "not supported")
}

func (t *position) literal(n *fhirpath.Literal) Expr {
	name := map[fhirpath.LiteralKind]string{
		fhirpath.Boolean: "Boolean", fhirpath.String: "String", fhirpath.Integer: "Integer",
		fhirpath.Decimal: "Decimal", fhirpath.Date: "Date", fhirpath.DateTime: "DateTime",
		fhirpath.Time: "Time",
	}[n.Kind]
	switch n.Kind { //nolint:exhaustive // the others are below
	case fhirpath.Empty:
		return &Literal{}
	case fhirpath.Quantity:
		return t.quantity(n)
	}
	ok := true
	switch n.Kind {
	case fhirpath.Date, fhirpath.DateTime:
		_, ok = fhirtime.ParseDate([]byte(n.Text))
	case fhirpath.Time:
		_, ok = fhirtime.ParseTime([]byte(n.Text))
	case fhirpath.Integer:
		if !wholeNumber("integer64", n.Text) {
			return t.faultAt(n.Pos(), "write it with a decimal point", "the integer is too large")
		}
	case fhirpath.Decimal:
		if len(n.Text) > 100 {
			return t.faultAt(n.Pos(), "", "the number has too many digits")
		}
	case fhirpath.Empty, fhirpath.Boolean, fhirpath.String, fhirpath.Quantity:
	}
	if !ok {
		return t.faultAt(n.Pos(), "", "there is no such date or time")
	}
	text := n.Text
	if n.Kind == fhirpath.Integer || n.Kind == fhirpath.Decimal {
		text = plainNumber(text)
	}
	return &Literal{&Constant{system(name).Any[0], text}}
}

// plainNumber returns a number in JSON's form, without leading zeros.
func plainNumber(text string) string {
	if text = strings.TrimLeft(text, "0"); text == "" || text[0] == '.' {
		text = "0" + text
	}
	return text
}

func (t *position) external(n *fhirpath.External) Expr {
	switch n.Name {
	case "rowIndex":
		return &RowIndex{}
	case "resource", "context", "rootResource":
		return &Root{t.root}
	}
	if k, ok := t.constants[n.Name]; ok {
		if k == nil {
			// the fault of its definition is already recorded
			return nil
		}
		return &Literal{k}
	}
	if text, ok := predefined[n.Name]; ok {
		return &Literal{&Constant{system("String").Any[0], text}}
	}
	known := []string{"rowIndex", "resource"}
	for name := range t.constants {
		known = append(known, name)
	}
	slices.Sort(known)
	hint := didYouMean(n.Name, known)
	if hint == "" {
		hint = "define it under constant"
	}
	return t.faultAt(n.Pos(), hint, "there is no constant %%%s", n.Name)
}

// bareName types a name without a dot before it: an element of the focus or, at the start of a
// path, the type of the focus itself (Patient.name).
func (t *typer) bareName(n *fhirpath.Member) Expr {
	for _, typ := range t.this.Any {
		if _, ok := typ.Element(n.Name); ok {
			return t.child(&This{t.this}, n)
		}
	}
	for _, typ := range t.this.Any {
		if typ.Kind == schema.Resource && typ.Name == n.Name {
			return &This{t.this}
		}
	}
	return t.child(&This{t.this}, n)
}

func (t *members) child(in Expr, n *fhirpath.Member) Expr {
	inType := in.Type()
	if len(inType.Any) == 0 {
		return &Child{
			In: in, Name: n.Name, Properties: []Property{{n.Name, nil}}, T: Type{Many: true},
		}
	}
	if inType.Any[0] == schema.TypeInfo {
		return t.typeInfo(in, n)
	}
	e := &Child{In: in, Name: n.Name, T: Type{Many: inType.Many}}
	primitive := false
	for _, owner := range inType.Any {
		el, ok := owner.Element(n.Name)
		if !ok || owner.Kind == schema.Primitive && n.Name == "value" {
			continue
		}
		if owner.Kind == schema.Primitive {
			primitive = true
			continue
		}
		e.T.Many = e.T.Many || el.Many
		for _, typ := range el.Types {
			e.addProperty(el.Property(typ), typ)
		}
	}
	if primitive {
		return t.primitiveChild(in, n)
	}
	if e.ambiguous() {
		e.T.Any = nil
	}
	if len(e.Properties) > 0 {
		return e
	}
	return t.unknownElement(in, n)
}

func (e *Child) addProperty(name string, typ *schema.Type) {
	for i, p := range e.Properties {
		if p.Name == name {
			if p.Type != typ {
				e.Properties[i].Type = nil
				e.T.Any = slices.DeleteFunc(e.T.Any, func(have *schema.Type) bool {
					return have == p.Type
				})
			}
			return
		}
	}
	e.Properties = append(e.Properties, Property{name, typ})
	if typ != nil && !slices.Contains(e.T.Any, typ) {
		e.T.Any = append(e.T.Any, typ)
	}
}

// ambiguous reports whether elements of several types have the name, so that an item's type is
// unknown.
func (e *Child) ambiguous() bool {
	return slices.ContainsFunc(e.Properties, func(p Property) bool { return p.Type == nil })
}

// primitiveChild reads id and extension of a primitive. FHIR's JSON keeps them in a separate
// property: birthDate.extension is under _birthDate.
func (t *members) primitiveChild(in Expr, n *fhirpath.Member) Expr {
	of, ok := in.(*Child)
	if !ok {
		return t.faultAt(n.Pos(), "write it behind the element itself: birthDate.extension(…)",
			"%s of a primitive is supported directly behind its element only", n.Name)
	}
	twin := &Child{In: of.In, Name: of.Name, T: Type{Many: of.T.Many}}
	element, _ := t.schema.Type("Element")
	for _, p := range of.Properties {
		if p.Type != nil && p.Type.Kind == schema.Primitive {
			twin.addProperty("_"+p.Name, element)
		}
	}
	return t.child(twin, n)
}

func (t *members) unknownElement(in Expr, n *fhirpath.Member) Expr {
	inType := in.Type()
	if t.lenient {
		t.warnings = append(t.warnings,
			fmt.Sprintf("%s: %s has no element %s in R4", t.at.path, typeNames(inType), n.Name))
		return &Child{
			In: in, Name: n.Name, Properties: []Property{{n.Name, nil}}, T: Type{Many: true},
		}
	}
	var names []string
	hint := ""
	for _, owner := range inType.Any {
		for _, el := range owner.Elements {
			names = append(names, el.Name)
			if !el.Choice {
				continue
			}
			for _, typ := range el.Types {
				if el.Property(typ) == n.Name {
					hint = fmt.Sprintf("write %s.ofType(%s)", el.Name, typ.Name)
				}
			}
		}
		if owner.Kind == schema.Resource && !t.schema.IsResource(owner.Name) {
			hint = "say which resource: ofType(Patient), for example"
		}
	}
	if hint == "" {
		hint = didYouMean(n.Name, names)
	}
	return t.faultAt(n.Pos(), hint, "%s has no element %s", typeNames(inType), n.Name)
}

func (t *typer) subscript(n *fhirpath.Subscript) Expr {
	in, i := t.expr(n.X), t.expr(n.I)
	if in == nil || i == nil {
		return nil
	}
	if !isSystem(i.Type(), schema.Integer) {
		return t.faultAt(n.I.Pos(), "", "an index must be an integer, got %s", typeNames(i.Type()))
	}
	return &Call{Func: FuncItem, In: in, Args: []Expr{i}, T: one(in.Type())}
}

// typeTest types "is T", "as T", the functions of the same names, and ofType(T).
func (t *members) typeTest(in Expr, op, name string, offset int) Expr {
	want := t.namedType(name, offset)
	if want == nil {
		return nil
	}
	possible := len(in.Type().Any) == 0
	for _, typ := range in.Type().Any {
		possible = possible || matches(typ, want) || want.Is(typ)
	}
	if !possible && op != "is" {
		if t.lenient {
			t.warnings = append(t.warnings,
				fmt.Sprintf("%s: no %s is a %s in R4", t.at.path, typeNames(in.Type()), name))
			return t.lenientType(in, want)
		}
		return t.faultAt(offset, "possible here: "+typeNames(in.Type()),
			"no value here can be of type %s", name)
	}
	if of, ok := in.(*Child); ok && of.ambiguous() && !t.lenient {
		return t.unsupported(offset, "name the elements one by one",
			"elements of several types have the name %s here", of.Name)
	}
	if op == "is" {
		return &Is{in, want}
	}
	if of, ok := in.(*Child); ok && len(of.Properties) > 1 && op != "as" {
		// the property's name has the type, so the others need not be read
		return of.only(func(p Property) bool { return p.Type == nil || matches(p.Type, want) })
	}
	return &OfType{In: in, Want: want, Single: op == "as"}
}

// lenientType reads a choice that R4 does not allow, by the name that its property would have.
func (t *members) lenientType(in Expr, want *schema.Type) Expr {
	of, ok := in.(*Child)
	if !ok {
		return &OfType{In: in, Want: want}
	}
	name := of.Name + strings.ToUpper(want.Name[:1]) + want.Name[1:]
	return &Child{
		In: of.In, Name: of.Name, Properties: []Property{{name, want}},
		T: Type{Any: []*schema.Type{want}, Many: of.T.Many},
	}
}

func (t *members) namedType(name string, offset int) *schema.Type {
	plain := strings.TrimPrefix(name, "FHIR.")
	if typ, ok := t.schema.Type(plain); ok && typ.Kind != schema.Backbone {
		return typ
	}
	if typ, ok := t.schema.Type("System." + plain); ok && plain == name {
		return typ
	}
	names := append(t.schema.Names(schema.Primitive), t.schema.Names(schema.Complex)...)
	names = append(names, t.schema.Names(schema.Resource)...)
	t.faultAt(offset, didYouMean(plain, names), "there is no type %s", name)
	return nil
}
