package syntax

// The tree of a query.
type (
	// Query holds the parts of a UNION ALL, or one part.
	Query []*Select

	// Select is one SELECT. Top is -1 for all rows.
	Select struct {
		Top   int
		Items []Item
		From  []Source
		Where Cond
		Group []Expr
		Order []Order
	}
	// Item is a column of a SELECT list. Name is empty if it has none.
	Item struct {
		Expr Expr
		Name string
	}
	// Order is one key of an ORDER BY.
	Order struct {
		Expr Expr
		Desc bool
	}
	// Join is how a source meets the sources before it.
	Join int
	// Source is one table, subquery or OPENJSON of a FROM. On belongs to Inner and Left.
	Source struct {
		Join  Join
		On    Cond
		Alias string
		Table Name
		JSON  *OpenJSON
		Query Query
	}
	// Name is the name of a table, with its schema if that is written.
	Name struct{ Schema, Base string }
	// OpenJSON is a call of OPENJSON. Columns is nil in a call without WITH.
	OpenJSON struct {
		Arg     Expr
		Columns []JSONColumn
	}
	// JSONColumn is one column of OPENJSON's WITH.
	JSONColumn struct {
		Name, Path string
		Type       Type
		JSON       bool
	}

	// Expr is one of the expressions below.
	Expr any
	// Cond is one of the conditions below.
	Cond any

	// Column names a column. Alias is empty if the statement has none.
	Column struct{ Alias, Name string }
	// Text is a literal.
	Text struct {
		Value    string
		National bool
	}
	// Number is a literal.
	Number struct{ Text string }
	// Null is NULL.
	Null struct{}
	// Variable is a variable or a parameter, with its @.
	Variable struct{ Name string }
	// Call is a call of a function. Name is in upper case.
	Call struct {
		Name   string
		Args   []Expr
		Star   bool
		Within []Order
		Over   bool
		Part   []Expr
		Order  []Order
	}
	// Cast is CAST, TRY_CAST or CONVERT with a style.
	Cast struct {
		Expr    Expr
		Type    Type
		Try     bool
		Convert bool
		Style   string
	}
	// Case is CASE. Input is nil in the searched form, where each When has a Cond in place of a
	// Value.
	Case struct {
		Input Expr
		Whens []When
		Else  Expr
	}
	// When is one branch of a Case.
	When struct {
		Cond  Cond
		Value Expr
		Then  Expr
	}
	// Binary is arithmetic, or the concatenation of texts.
	Binary struct {
		Op   string
		L, R Expr
	}
	// Negative is a minus sign.
	Negative struct{ X Expr }
	// Collated is an expression with COLLATE.
	Collated struct {
		X    Expr
		Name string
	}
	// Subquery is a query that gives one value.
	Subquery struct{ Query Query }

	// Compare compares two expressions.
	Compare struct {
		Op   string
		L, R Expr
	}
	// Logic is "and" or "or".
	Logic struct {
		Op   string
		L, R Cond
	}
	// Not is NOT.
	Not struct{ X Cond }
	// IsNull is IS NULL, or IS NOT NULL.
	IsNull struct {
		X   Expr
		Not bool
	}
	// In is IN, over a list or a query.
	In struct {
		X     Expr
		List  []Expr
		Query Query
		Not   bool
	}
	// Like is LIKE.
	Like struct {
		X, Pattern Expr
		Not        bool
	}
	// Between is BETWEEN.
	Between struct{ X, Low, High Expr }
	// Exists is EXISTS.
	Exists struct{ Query Query }
)

// The ways in which sources meet.
const (
	First Join = iota
	Inner
	Left
	CrossApply
	OuterApply
)
