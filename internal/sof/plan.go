package sof

import "fhirsynapse/internal/sof/schema"

// View is a compiled ViewDefinition: the columns of its table, and the plan
// that gives its rows for one resource. It does not change once made.
type View struct {
	Name        string // of the table
	Resource    string // the resource type that it reads
	Description string
	Columns     []Column
	// Where filters resources: all must be true.
	Where []Expr
	// Rows gives the rows of a resource.
	Rows Row
	// Warnings are elements that the schema does not know, where Lenient
	// tolerates them.
	Warnings []string

	file   string
	places map[Expr]origin
}

// origin is where an expression of the plan is written.
type origin struct {
	path, text string
	offset     int
}

// Fault is a fault of the expression e of the plan, at its place in the view: for
// back ends that cannot say it.
func (v *View) Fault(e Expr, msg, hint string) *Fault {
	at := v.places[e]
	return &Fault{File: v.file, Path: at.path, Text: at.text, Offset: at.offset, Msg: msg, Hint: hint}
}

// Source is the text that the expression e of the plan was compiled from: all of
// it, where e is a whole one.
func (v *View) Source(e Expr) string { return v.places[e].text }

// Row is a node that yields rows: each fills a set of columns.
type Row interface{ isRow() }

// Project yields one row: the values of some columns.
type Project struct{ Cells []Cell }

// Cell is the value of one column of the view. More than one item is a fault of
// the data, unless the column is a collection.
type Cell struct {
	Column int
	Value  Expr
}

// Product yields every combination of the rows of its parts, the first part
// outermost. The parts fill different columns.
type Product struct{ Parts []Row }

// Union yields the rows of its branches, one after the other. All branches fill
// the same columns.
type Union struct{ Branches []Row }

// Iterate yields the rows of Body for each item of Over, with the item as focus
// and its position as %rowIndex.
type Iterate struct {
	Over Expr
	Body Row
	// Outer yields one row of nulls when Over is empty; the columns Index hold 0
	// in it.
	Outer bool
	// Columns are those that Body fills.
	Columns []int
	// Index are the columns that hold %rowIndex of this level, or of a level below
	// that yields its own row of nulls with it.
	Index []int
}

// Recurse yields the rows of Body for every item that the paths reach, however
// deep, parents before children. %rowIndex counts over the whole walk.
type Recurse struct {
	Paths []Expr
	Body  Row
}

func (*Project) isRow() {}
func (*Product) isRow() {}
func (*Union) isRow()   {}
func (*Iterate) isRow() {}
func (*Recurse) isRow() {}

// Type is what is known of the items of an expression.
type Type struct {
	// Any lists the types an item may have; empty when nothing is known.
	Any []*schema.Type
	// Many says that there may be more than one item.
	Many bool
}

// Expr is an expression over a focus: it yields an ordered collection of items.
type Expr interface{ Type() Type }

// This yields the focus.
type This struct{ T Type }

// Root yields the resource.
type Root struct{ T Type }

// RowIndex yields %rowIndex.
type RowIndex struct{}

// ItemIndex yields $index: the position in the collection that the nearest
// Filter, Select or All walks over.
type ItemIndex struct{}

// Literal yields one constant, or nothing when Value is nil.
type Literal struct {
	Value *Constant
}

// Constant is a value with its type. Text is canonical: a decoded string, true
// or false, the lexeme of a number, a date or time as FHIR writes it.
type Constant struct {
	Type *schema.Type
	Text string
}

// Child yields the children of the input that have one of the property names.
// JSON arrays are flattened by one level, nulls are left out.
type Child struct {
	In Expr
	// Name is the element's name, without [x].
	Name       string
	Properties []Property
	T          Type
	// Valueless yields an item for each primitive that has extensions and no value,
	// too: for hasValue().
	Valueless bool
}

// Property is one JSON property of an element, and the type of its values; nil
// when that is unknown.
type Property struct {
	Name string
	Type *schema.Type
}

// Filter yields the items of In for which Pred is true.
type Filter struct{ In, Pred Expr }

// Select yields what Body gives for each item of In.
type Select struct {
	In, Body Expr
	T        Type
}

// Repeat yields what Step gives for the items of In, and for what it gave, until
// there is nothing new: equal items are there once.
type Repeat struct {
	In, Step Expr
	T        Type
}

// Aggregate evaluates Body for each item of In, with what it gave before as Total,
// and yields the last of them. Init is the first Total; nil is empty.
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

// SortKey is an expression over an item, whose values order the items.
type SortKey struct {
	By         Expr
	Descending bool
}

// All yields true when Pred is true for each item of In.
type All struct{ In, Pred Expr }

// OfType yields the items of In that have the type Want or derive from it.
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

// ResourceKey yields the id of the resource that is the focus.
type ResourceKey struct{ In Expr }

// ReferenceKey yields the id that each Reference of In points to, where it
// points to a resource of type Target; an empty Target means any.
type ReferenceKey struct {
	In     Expr
	Target string
	// Base is the base URL, without a slash at its end, at which an absolute reference
	// has a key; empty means nowhere. URNs takes the UUID of urn:uuid:UUID as the key.
	Base string
	URNs bool
}

// Func names a function that works on a whole collection or on a single item.
type Func string

// Call yields the result of a function. Arguments are evaluated on the focus of
// the call, except those of Iif, which are evaluated only where needed.
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

// Negate yields the number with its sign turned.
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

// system is the type of one item of a FHIRPath system type.
func system(name string) Type {
	t, _ := schema.R4().Type("System." + name)
	return Type{Any: []*schema.Type{t}}
}

func one(t Type) Type { return Type{Any: t.Any} }

func many(t Type) Type { return Type{Any: t.Any, Many: true} }
