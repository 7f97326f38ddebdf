// Package fhirpath parses the part of FHIRPath N1 that ViewDefinitions use.
//
// Text goes in, a syntax tree with positions comes out, or one *Error with the
// byte where reading stopped. The package knows the grammar, not the meaning:
// which functions exist, what is typed how and what is refused is for package
// sof. Printing a tree gives text that parses to the same tree.
package fhirpath

// Node is one node of a syntax tree.
type Node interface {
	// Pos is the byte offset at which the node is best pointed at: the name of a
	// member or function, the sign of an operator, the start of a literal.
	Pos() int
}

type pos int

// Pos implements Node.
func (p pos) Pos() int { return int(p) }

// LiteralKind says what a literal is.
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

// Literal is a constant in the text. Text is the decoded string, the lexeme of
// a number, or a date or time without its @ and T marks.
type Literal struct {
	pos
	Kind LiteralKind
	Text string
	// Unit is that of a Quantity: a UCUM code or, where Calendar is true, a word
	// such as "days".
	Unit     string
	Calendar bool
}

// This is $this.
type This struct{ pos }

// Index is $index: the position of the item in the collection under where(),
// select() or all().
type Index struct{ pos }

// Total is $total, which only aggregate() knows.
type Total struct{ pos }

// External is %name.
type External struct {
	pos
	Name string
}

// Member is X.Name; X is nil where the name stands alone.
type Member struct {
	pos
	X    Node
	Name string
}

// Call is X.Name(Args); X is nil where the function stands alone.
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
	// TypePos points at the type.
	TypePos int
	Type    string
}

// Walk calls f for n and every node below it, parents first.
func Walk(n Node, f func(Node)) {
	if n == nil {
		return
	}
	f(n)
	switch n := n.(type) {
	case *Member:
		Walk(n.X, f)
	case *Call:
		Walk(n.X, f)
		for _, a := range n.Args {
			Walk(a, f)
		}
	case *Subscript:
		Walk(n.X, f)
		Walk(n.I, f)
	case *Unary:
		Walk(n.X, f)
	case *Binary:
		Walk(n.L, f)
		Walk(n.R, f)
	case *TypeTest:
		Walk(n.X, f)
	}
}

// NewMember is X.name for trees that are made rather than parsed.
func NewMember(x Node, name string, at int) *Member { return &Member{pos(at), x, name} }
