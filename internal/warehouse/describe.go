package warehouse

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
)

// Describer is an [Engine] that describes the tables of a plan, for a person.
type Describer interface {
	// Describe describes the tables at an address and changes nothing. It counts rows by reading
	// them only if the engine keeps no count of its own that can be relied on.
	Describe(
		ctx context.Context, address string, p PlanTables, o DescribeOptions,
	) (Description, error)
}

// DescribeOptions are the inputs of Describe that only some engines need.
type DescribeOptions struct {
	// Published holds the lines that views read; nil if there are none.
	Published pipeline.Lake
}

// ErrUncountable is the reason of an engine that never tells the numbers of rows.
var ErrUncountable = errors.New("rows are not counted")

// Description describes the tables of a plan.
type Description struct {
	// Tables has an entry for each table of the plan's views, in their order.
	Tables []TableState
	// Uncounted is the reason why no table has its number of rows; nil if all have it.
	Uncounted error
	// Approximate is set if the numbers of rows are the engine's own counts, which it calls
	// approximate.
	Approximate bool
	// Local is set if the tables are in a file of this machine, so that asking wakes no server. It
	// is valid with an error too.
	Local bool
	// Plan is the plan that has loaded the tables, and CompleteAt the greatest end of its exports
	// that loaded everything. Both come from the table of exports, and are empty without it.
	Plan       string
	CompleteAt time.Time
}

// TableState describes one table.
type TableState struct {
	Table, Type string
	Exists      bool
	Rows        int64
	// ChangedAt is the time of the last commit that wrote rows of the type, and ViewSet the number
	// of the views that it used; zero if no commit is known.
	ChangedAt time.Time
	ViewSet   int
	// Drift lists the differences between the table and its view.
	Drift []TableDrift
}

// TableDrift is one difference between a table and its view.
type TableDrift struct {
	Kind DriftKind `json:"kind"`
	// Column is empty if the difference concerns the whole table.
	Column string `json:"column,omitempty"`
	Text   string `json:"text"`
}

// DriftKind is a kind of difference between a table and its view.
type DriftKind string

// The kinds of difference.
const (
	DriftMissingTable  DriftKind = "missing-table"
	DriftMissingColumn DriftKind = "missing-column"
	DriftChangedType   DriftKind = "changed-type"
	// DriftExtraColumn is a column that the view does not have. Rows from before a change of the
	// view keep its values.
	DriftExtraColumn DriftKind = "extra-column"
	// DriftOlderViews means that the last commit used an earlier set of views. The columns are the
	// same, unless other differences say otherwise.
	DriftOlderViews DriftKind = "older-views"
)

// IsDifferent reports whether the table lacks something of its view.
func (d TableDrift) IsDifferent() bool {
	return d.Kind != DriftExtraColumn && d.Kind != DriftOlderViews
}

// TypeChange is the last commit that wrote rows of a resource type.
type TypeChange struct {
	At      time.Time
	ViewSet int
}

// States returns an empty state for each table, with the last commits by resource type. exists
// reports whether a table exists.
func (p PlanTables) States(
	exists func(flatten.Table) bool, changes map[string]TypeChange,
) []TableState {
	out := make([]TableState, len(p.Tables))
	for i, t := range p.Tables {
		out[i] = TableState{Table: t.Name, Type: t.Resource, Exists: exists(t)}
		if out[i].Exists {
			c := changes[t.Resource]
			out[i].ChangedAt, out[i].ViewSet = c.At.UTC(), c.ViewSet
		}
	}
	return out
}

// SetRows sets the numbers of rows from counts by table. Engines may ignore the case of names.
func (d *Description) SetRows(counts map[string]int64) {
	folded := make(map[string]int64, len(counts))
	for name, n := range counts {
		folded[strings.ToLower(name)] = n
	}
	for i := range d.Tables {
		d.Tables[i].Rows = folded[strings.ToLower(d.Tables[i].Table)]
	}
}

// TableMissing is the drift of a table that a commit of its type should have made.
func TableMissing() TableDrift {
	return TableDrift{
		DriftMissingTable, "", "the table is missing: the next commit of the type makes it",
	}
}

// ColumnMissing is the drift of a column that the table lacks.
func ColumnMissing(column string) TableDrift {
	return TableDrift{
		DriftMissingColumn, column,
		"column " + column + " is missing: the next commit of the type adds it",
	}
}

// TypeChanged is the drift of a column whose type in the table is not the one of the view.
func TypeChanged(column, is, wanted string) TableDrift {
	return TableDrift{
		DriftChangedType, column, "column " + column + " is " + is + " and should be " + wanted,
	}
}

// ExtraColumns returns the drift of the columns of a table that its view does not have, in order.
// Both maps have names in lower case.
func ExtraColumns[T any](there map[string]T, wanted map[string]bool) (out []TableDrift) {
	for _, column := range slices.Sorted(maps.Keys(there)) {
		if !wanted[column] {
			out = append(out, TableDrift{
				DriftExtraColumn, column, "column " + column + " is not in the view",
			})
		}
	}
	return out
}
