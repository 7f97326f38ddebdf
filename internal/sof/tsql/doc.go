// Package tsql writes compiled views as T-SQL.
//
// A body is one SELECT over any table with a column doc that holds one resource per row. It reads
// the document with OPENJSON and returns the columns of the view. Callers put shells (a view,
// CREATE TABLE AS SELECT, INSERT) round a body and never look inside. The same view always becomes
// the same text.
//
// A body does not know tombstones: it also returns rows for deleted resources, and a commit leaves
// these rows out.
//
// A body expects documents that were validated line by line: valid JSON, no member twice, and the
// JSON types that FHIR has for its elements. For such documents it returns the rows of package
// native. A body reads nothing where data has another type than in FHIR, with one exception: an
// object where FHIR has a list is a list of one. If a column for one item gets more than one, a
// failing cast makes the statement fail. Its message names the view and the column.
package tsql

import (
	"fhirsynapse/internal/sof"
)

// Shape describes what a body reads, and what it returns in addition to the view's columns.
type Shape struct {
	// From is the table source as it is written between FROM and AS d: a table's name, or a query
	// in parentheses. It has a column doc.
	From string
	// Keys are columns of the source. The body returns them first, under their own names.
	Keys []string
	// ID adds the column _id after the keys: the resource's id, as varchar(128) in the binary
	// collation.
	ID bool
}

// Body writes the SELECT of a view. The error joins everything that the engine cannot express, each
// a *sof.Fault with its place in the view.
func Body(v *sof.View, e Engine, s Shape) (string, error) {
	return newWriter(v, e, s).body()
}
