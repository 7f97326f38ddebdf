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
	return [...]string{
		"text", "boolean", "integer", "big integer", "decimal", "date", "timestamp",
	}[k]
}

// Class is the kind of text that a Text column holds. Its width and collation follow from it.
type Class int

// The classes. Text of unknown length is the default.
const (
	LongText  Class = iota // markdown, lists, objects, and whatever the schema does not tell
	ShortText              // a FHIR string
	Code
	URI
	Key    // an id or the key of a reference
	Moment // a date or time, as recorded
)

// String returns the name of the class.
func (c Class) String() string {
	return [...]string{"long text", "text", "code", "uri", "key", "time"}[c]
}

// Unlimited is the Length of a column that is declared without a limit.
const Unlimited = -1

// KeyLength is the most characters of a key: some servers use longer ids than the 64 characters of
// FHIR.
const KeyLength = 128

// Column is one column of a view's table.
type Column struct {
	Name        string
	Description string
	Kind        Kind
	// Class belongs to a Text column.
	Class Class
	// Length is the number of characters that a tag gives a Text column: 0 without a tag, Unlimited
	// for VARCHAR(MAX). Longer values still count; a warehouse widens the column for them.
	Length int
	// Precision and Scale belong to a Decimal: DefaultPrecision and DefaultScale unless tagged.
	Precision, Scale int
	// FHIRType is the column's type in the ViewDefinition, for example "dateTime"; empty if it has
	// none.
	FHIRType string
	// Collection is set for a column that holds a list, as the text of a JSON array.
	Collection bool
}

// KeyLimit returns the most characters of a value of a key column: KeyLength, or more if a tag says
// so. It is 0 for other columns and for keys without a limit.
func (c Column) KeyLimit() int {
	if c.Kind != Text || c.Class != Key || c.Length == Unlimited {
		return 0
	}
	return max(KeyLength, c.Length)
}

// widened returns the column with room for the texts of o, the same column of another branch.
func (c Column) widened(o Column) Column {
	if c.Class != o.Class {
		c.Class = LongText
	}
	switch {
	case c.Length == o.Length:
	case c.Length == Unlimited || o.Length == Unlimited:
		c.Length = Unlimited
	case c.Length == 0 || o.Length == 0:
		c.Length = 0
	default:
		c.Length = max(c.Length, o.Length)
	}
	return c
}
