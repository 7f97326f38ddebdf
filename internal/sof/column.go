// Package sof compiles SQL on FHIR ViewDefinitions.
//
// A ViewDefinition becomes a typed plan, or all of its faults are returned, each with its place.
// Back ends (package native, package tsql) read the plan, never each other's output. Apart from the
// standard library the package imports only fault and ndjson.
package sof

// Kind is the type of a column on every warehouse.
type Kind int

// The kinds. Text is the default: dates and times stay text unless a tag asks for more, because
// partial dates are not dates.
const (
	Text Kind = iota
	Boolean
	Integer   // 32 bits
	BigInt    // 64 bits
	Decimal   // exact: Precision and Scale
	Date      // a whole day
	Timestamp // an instant, UTC, milliseconds
)

// String returns the kind's name.
func (k Kind) String() string {
	return [...]string{"text", "boolean", "integer", "big integer", "decimal", "date", "timestamp"}[k]
}

// Column is one column of a view's table.
type Column struct {
	Name        string
	Description string
	Kind        Kind
	// Precision and Scale belong to a Decimal: DefaultPrecision and DefaultScale unless tagged.
	Precision, Scale int
	// FHIRType is the column's type in the ViewDefinition, for example "dateTime"; empty if it has
	// none.
	FHIRType string
	// Key is set for columns of ids: keys of resources and references, compared by characters on
	// every engine.
	Key bool
	// Collection is set for a column that holds a list, as the text of a JSON array.
	Collection bool
}
