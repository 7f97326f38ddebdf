package flatten

import (
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/sof/native"
)

// fit describes how a column holds a value.
type fit int

// The ways a value fits its column.
const (
	fits     fit = iota // unchanged
	rounded             // with fewer decimal places
	clipped             // cut, for a columnstore
	nulled              // NULL: not of the column's type
	noTime              // NULL: a date without a time of day, for a column of instants
	noDay               // NULL: a date without a day, for a column of days
	tooSmall            // NULL: rounding would make it 0
	urn                 // NULL: a urn:uuid reference
	unkeyed             // NULL: a reference that is conditional, contained or malformed
	foreign             // NULL: a reference to another server
	fitKinds
)

// null reports whether the column is NULL instead of the value.
func (f fit) null() bool { return f > clipped }

// missFits maps the reasons for a missing key to fits.
var missFits = map[native.Unkeyed]fit{
	native.URN: urn, native.Unresolved: unkeyed, native.Foreign: foreign,
}

// fitCounts counts the values of a column by fit.
type fitCounts [fitKinds]int64

// count adds a table's rows and misfits to the counts of a file.
func count(done *pipeline.Done, t Table, rows int, counts []fitCounts) {
	if rows > 0 {
		done.Rows[t.Name] += int64(rows)
	}
	for i := range counts {
		if counts[i] == (fitCounts{}) {
			continue
		}
		for f, to := range map[fit]*map[string]int64{
			rounded: &done.Rounded, nulled: &done.Nulled, noTime: &done.NoTime, noDay: &done.NoDay,
			tooSmall: &done.TooSmall, clipped: &done.Clipped,
			urn: &done.URNs, unkeyed: &done.Unkeyed, foreign: &done.Foreign,
		} {
			records.Count(to, t.Name+"."+t.Columns[i].Name, counts[i][f])
		}
	}
}
