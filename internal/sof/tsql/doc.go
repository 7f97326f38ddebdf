// Package tsql writes compiled views as T-SQL.
//
// A body is one SELECT over any table that has a column doc with one resource a
// row: it shreds the document with OPENJSON and gives the columns of the view.
// Shells (a view, CREATE TABLE AS SELECT, INSERT) are put round it by others and
// never look inside. The same view gives the same text.
//
// A body does not know tombstones: what heads call deleted has rows that a commit
// leaves out.
//
// A body expects documents that were validated line by line: valid JSON, no
// member twice, and the JSON types that FHIR gives its elements. On those it
// gives the rows of package native. Where data has another type than FHIR says,
// a body reads nothing, save that an object where FHIR has a list is a list of
// one. More than one item for a column that holds one makes the statement fail
// with a failing cast, whose message names the view and the column.
package tsql

import (
	"fhirsynapse/internal/sof"
)

// Shape says what a body reads and what it gives besides the view's columns.
type Shape struct {
	// From is the table source, as it is written behind FROM and before AS d. It
	// has a column doc: a table's name, or a query in parentheses.
	From string
	// Keys are columns of the source that the body gives first, under their own
	// names.
	Keys []string
	// ID adds the column _id behind the keys: the resource's id, as varchar(64)
	// in the binary collation.
	ID bool
}

// Body writes the SELECT of a view. What the engine cannot say is an error: all
// of them joined, each a *sof.Fault with its place in the view.
func Body(v *sof.View, e Engine, s Shape) (string, error) {
	return newWriter(v, e, s).body()
}

// ColumnType is the type of a view's column in a table of the engine, and in
// what a body gives.
func ColumnType(c sof.Column, e Engine) string { return columnType(c, e.Facts()) }
