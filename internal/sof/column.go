// Package sof compiles SQL on FHIR ViewDefinitions.
//
// A ViewDefinition goes in; a typed plan comes out, or all of its faults at
// once, each with its place. Back ends (package native, package tsql) read the
// plan and never each other's output. It imports nothing of ours but fault and
// ndjson.
package sof

// Kind is the type of a column as every warehouse understands it.
type Kind int

// The kinds. Text is the default: dates and times stay text unless a tag asks
// for more, since partial dates are no dates.
const (
	Text Kind = iota
	Boolean
	Integer   // 32 bits
	BigInt    // 64 bits
	Decimal   // exact: Precision and Scale
	Date      // a whole day
	Timestamp // an instant, UTC, milliseconds
)

// String names the kind.
func (k Kind) String() string {
	return [...]string{"text", "boolean", "integer", "big integer", "decimal", "date", "timestamp"}[k]
}

// Column is one column of a view's table.
type Column struct {
	Name        string
	Description string
	Kind        Kind
	// Precision and Scale are those of a Decimal: DefaultPrecision and DefaultScale unless tagged.
	Precision, Scale int
	// FHIRType is the column's type in the ViewDefinition, for example
	// "dateTime"; empty where it has none.
	FHIRType string
	// Key says that the column holds ids: keys of resources and references, compared by
	// their characters on every engine.
	Key bool
	// Collection says that the column holds a list: a JSON array, as text.
	Collection bool
}
