package sof

import "fhirsynapse/internal/sof/schema"

// View is a compiled ViewDefinition: the columns of its table and the plan for its rows. It is
// immutable.
type View struct {
	Name        string // of the table
	Resource    string // the resource type of the view
	Description string
	Columns     []Column
	// Where filters resources: all must be true.
	Where []Expr
	// Rows computes the rows of a resource.
	Rows Row
	// Warnings lists elements that the schema lacks and Lenient tolerates.
	Warnings []string

	file   string
	places map[Expr]origin
}

// origin is the place of an expression of the plan.
type origin struct {
	path, text string
	offset     int
}

// Fault returns a fault of the plan's expression e at its place in the view, for back ends that
// cannot express it.
func (v *View) Fault(e Expr, msg, hint string) *Fault {
	at := v.places[e]
	return &Fault{
		File: v.file, Path: at.path, Text: at.text, Offset: at.offset, Msg: msg, Hint: hint,
	}
}

// Source returns the text that the plan's expression e was compiled from, or all of it if e is a
// whole expression.
func (v *View) Source(e Expr) string { return v.places[e].text }

// Row is a node that yields rows. Each row fills a set of columns.
type Row interface{ isRow() }

// Project yields one row: the values of some columns.
type Project struct{ Cells []Cell }

// Cell is the value of one column of the view. More than one item is a fault of the data, unless
// the column is a collection.
type Cell struct {
	Column int
	Value  Expr
}

// Product yields every combination of the rows of its parts, the first part outermost. The parts
// fill different columns.
type Product struct{ Parts []Row }

// Union yields the rows of its branches one after the other. All branches fill the same columns.
type Union struct{ Branches []Row }

// Iterate yields the rows of Body for each item of Over, with the item as focus
// and its position as %rowIndex.
type Iterate struct {
	Over Expr
	Body Row
	// Outer yields one row of nulls if Over is empty. The columns Index hold 0 in it.
	Outer bool
	// Columns are the columns that Body fills.
	Columns []int
	// Index are the columns that hold %rowIndex of this level, or of a lower level that yields its
	// own row of nulls with it.
	Index []int
}

// Recurse yields the rows of Body for every item that the paths reach at any depth, parents before
// children. %rowIndex counts over the whole walk.
type Recurse struct {
	Paths []Expr
	Body  Row
}

func (*Project) isRow() {}
func (*Product) isRow() {}
func (*Union) isRow()   {}
func (*Iterate) isRow() {}
func (*Recurse) isRow() {}

// Type is the static type of an expression's items.
type Type struct {
	// Any lists the possible types of an item; empty if unknown.
	Any []*schema.Type
	// Many is set if there may be more than one item.
	Many bool
}

// Expr is an expression over a focus. It yields an ordered collection of items.
type Expr interface{ Type() Type }

// This yields the focus.
type This struct{ T Type }

// Root yields the resource.
type Root struct{ T Type }

// RowIndex yields %rowIndex.
type RowIndex struct{}

// ItemIndex yields $index: the position in the collection of the nearest Filter, Select or All.
type ItemIndex struct{}

// Literal yields one constant, or nothing if Value is nil.
type Literal struct {
	Value *Constant
}

// Constant is a value with its type. Text is canonical: a decoded string, true or false, the text
// of a number, a date or time in FHIR's form.
type Constant struct {
	Type *schema.Type
	Text string
}

// Child yields the children of the input with one of the property names. JSON arrays are flattened
// by one level, nulls are left out.
type Child struct {
	In Expr
	// Name is the element's name, without [x].
	Name       string
	Properties []Property
	T          Type
	// Valueless also yields an item for each primitive with extensions and no value, for
	// hasValue().
	Valueless bool
}

// Property is one JSON property of an element with the type of its values; nil if unknown.
type Property struct {
	Name string
	Type *schema.Type
}

// Filter yields the items of In for which Pred is true.
type Filter struct{ In, Pred Expr }

// Select yields the items of Body for each item of In.
type Select struct {
	In, Body Expr
	T        Type
}

// Repeat yields the items of Step for the items of In, and again for its results, until there are
// no new ones. Equal items occur once.
type Repeat struct {
	In, Step Expr
	T        Type
}

// Aggregate evaluates Body for each item of In, with the previous result as Total, and yields the
// last result. Init is the first Total; nil is empty.
type Aggregate struct {
	In, Body, Init Expr
	T              Type
}

// Total yields $total of the nearest Aggregate.
type Total struct{ T Type }

// Sort yields the items of In in the order of the keys.
type Sort struct {
	In   Expr
	Keys []SortKey
}

// SortKey is an expression over an item. Its values order the items.
type SortKey struct {
	By         Expr
	Descending bool
}

// All yields true if Pred is true for each item of In.
type All struct{ In, Pred Expr }

// OfType yields the items of In whose type is Want or derives from it.
type OfType struct {
	In   Expr
	Want *schema.Type
	// Single makes more than one item a fault: the operator "as".
	Single bool
}

// Is yields whether the single item of In has the type Want.
type Is struct {
	In   Expr
	Want *schema.Type
}

// ResourceKey yields the id of the focus, which is a resource.
type ResourceKey struct{ In Expr }

// ReferenceKey yields the id in each Reference of In that points to a resource of type Target; an
// empty Target means any.
type ReferenceKey struct {
	In     Expr
	Target string
	// Base is the base URL, without a trailing slash, at which an absolute reference has a key;
	// empty means none has. URNs makes the UUID of urn:uuid:UUID a key.
	Base string
	URNs bool
}

// Func names a function on a whole collection or on a single item.
type Func string

// Call yields the result of a function. Arguments are evaluated on the focus of the call, except
// for the arguments of Iif, which are evaluated only if needed.
type Call struct {
	Func Func
	In   Expr
	Args []Expr
	T    Type
}

// Binary yields the result of an operator: = != ~ !~ < <= > >= and or xor
// implies + - * / div mod & | in contains.
type Binary struct {
	Op   string
	L, R Expr
	T    Type
}

// Negate yields the negated number.
type Negate struct{ In Expr }

// Type implements Expr.
func (e *This) Type() Type { return e.T }

// Type implements Expr.
func (e *Root) Type() Type { return e.T }

// Type implements Expr.
func (*RowIndex) Type() Type { return system("Integer") }

// Type implements Expr.
func (*ItemIndex) Type() Type { return system("Integer") }

// Type implements Expr.
func (e *Literal) Type() Type {
	if e.Value == nil {
		return Type{}
	}
	return Type{Any: []*schema.Type{e.Value.Type}}
}

// Type implements Expr.
func (e *Child) Type() Type { return e.T }

// Type implements Expr.
func (e *Filter) Type() Type { return e.In.Type() }

// Type implements Expr.
func (e *Select) Type() Type { return e.T }

// Type implements Expr.
func (e *Repeat) Type() Type { return e.T }

// Type implements Expr.
func (e *Aggregate) Type() Type { return e.T }

// Type implements Expr.
func (e *Total) Type() Type { return e.T }

// Type implements Expr.
func (e *Sort) Type() Type { return e.In.Type() }

// Type implements Expr.
func (*All) Type() Type { return system("Boolean") }

// Type implements Expr.
func (e *OfType) Type() Type {
	return Type{Any: []*schema.Type{e.Want}, Many: e.In.Type().Many && !e.Single}
}

// Type implements Expr.
func (*Is) Type() Type { return system("Boolean") }

// Type implements Expr.
func (*ResourceKey) Type() Type { return system("String") }

// Type implements Expr.
func (e *ReferenceKey) Type() Type {
	t := system("String")
	t.Many = e.In.Type().Many
	return t
}

// Type implements Expr.
func (e *Call) Type() Type { return e.T }

// Type implements Expr.
func (e *Binary) Type() Type { return e.T }

// Type implements Expr.
func (e *Negate) Type() Type { return one(e.In.Type()) }

// system returns the type of one item of a FHIRPath system type.
func system(name string) Type {
	t, _ := schema.R4().Type("System." + name)
	return Type{Any: []*schema.Type{t}}
}

func one(t Type) Type { return Type{Any: t.Any} }

func many(t Type) Type { return Type{Any: t.Any, Many: true} }
