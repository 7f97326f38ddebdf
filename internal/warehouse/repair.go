package warehouse

import (
	"fmt"
	"strings"

	"fhirsynapse/internal/fault"
)

// Repair is tables of one resource type that are made anew where they are, for engines
// that cannot have others take their place: columns that do not fit are dropped and
// added again, and from then on no resource counts as written, whatever its version,
// until a commit writes it. Readers see NULL in the new columns until then.
type Repair struct {
	Plan, Type, Schema string
	// Lines is how many resources there are to be committed at most.
	Lines int64
}

// Check holds the names against what every engine relies on.
func (r Repair) Check() error { return checkNames(r.Type, r.Schema) }

const allFiles = "put the files of all exports since the last full one into the folder, and rebuild again"

// Short refuses a repair for which there are fewer lines than the tables have live
// resources: it could not be completed, and nothing was touched yet.
func (r Repair) Short(live int64) error {
	return &fault.Error{
		Class: fault.Permanent,
		Err: fmt.Errorf("schema %s has %d resources of %s, and the folder has %d lines of them: some are not there, so that everything stays as it was",
			r.Schema, live, r.Type, r.Lines),
		Remedy: allFiles,
	}
}

// Left is the error of a repair after which so many live resources were not committed
// again.
func (r Repair) Left(resources int64) error {
	return &fault.Error{
		Class: fault.Permanent,
		Err: fmt.Errorf("%d resources of %s in schema %s are not in what was loaded, or are older there: their rows are as they were, and NULL in the columns that were made anew",
			resources, r.Type, r.Schema),
		Remedy: allFiles,
	}
}

// ByHand refuses a repair of tables that someone has changed in a way that no column
// added again can mend. Tables are those to be dropped.
func (r Repair) ByHand(what error, tables ...string) error {
	for i, t := range tables {
		tables[i] = r.Schema + "." + t
	}
	return &fault.Error{
		Class: fault.Permanent, Err: what,
		Remedy: "if the folder has the files of all exports since the last full one, drop " + strings.Join(tables, ", ") + ", and rebuild again",
	}
}
