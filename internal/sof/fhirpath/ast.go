// Package fhirpath parses the part of FHIRPath N1 that ViewDefinitions use.
//
// It returns a syntax tree with positions, or one *Error with the byte where parsing stopped. The
// package implements the grammar only: package sof decides which functions exist, types expressions
// and refuses unsupported ones. Printing a tree and parsing the text returns the same tree.
package fhirpath

// Node is one node of a syntax tree.
type Node interface {
	// Pos returns the byte offset that describes the node best: the name of a member or function,
	// the sign of an operator, the start of a literal.
	Pos() int
}

type pos int

// Pos implements Node.
func (p pos) Pos() int { return int(p) }

// LiteralKind is the kind of a literal.
type LiteralKind int

// The kinds of literal.
const (
	Empty LiteralKind = iota // {}
	Boolean
	String
	Integer
	Decimal
	Date
	DateTime
	Time
	Quantity
)

// Literal is a constant in the text. Text is the decoded string, the text of a number, or a date or
// time without its @ and T marks.
type Literal struct {
	pos
	Kind LiteralKind
	Text string
	// Unit is the unit of a Quantity: a UCUM code or, if Calendar is true, a word such as "days".
	Unit     string
	Calendar bool
}

// This is $this.
type This struct{ pos }

// Index is $index: the position of the item in the collection of where(), select() or all().
type Index struct{ pos }

// Total is $total, which only aggregate() defines.
type Total struct{ pos }

// External is %name.
type External struct {
	pos
	Name string
}

// Member is X.Name. X is nil for a name without a dot before it.
type Member struct {
	pos
	X    Node
	Name string
}

// Call is X.Name(Args). X is nil for a function without a dot before it.
type Call struct {
	pos
	X    Node
	Name string
	Args []Node
}

// Subscript is X[I].
type Subscript struct {
	pos
	X, I Node
}

// Unary is +X or -X.
type Unary struct {
	pos
	Op string
	X  Node
}

// Binary is L Op R.
type Binary struct {
	pos
	Op   string
	L, R Node
}

// TypeTest is X is T or X as T; T may be qualified.
type TypeTest struct {
	pos
	Op string
	X  Node
	// TypePos is the position of the type.
	TypePos int
	Type    string
}

// NewMember returns X.name, for trees that were not parsed.
func NewMember(x Node, name string, at int) *Member { return &Member{pos(at), x, name} }
