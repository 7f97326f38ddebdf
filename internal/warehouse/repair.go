package warehouse

import (
	"fmt"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// Repair describes tables of one resource type to be rebuilt in place, for engines that cannot swap
// tables. Columns that do not fit are dropped and added again, and every resource counts as not
// written until a commit writes it. Until then readers see NULL in the new columns.
type Repair struct {
	Plan, Type, Schema string
	// Lines is the maximum number of resources to be committed.
	Lines int64
	// Files are the files to be committed; the columns get room for their texts.
	Files []pipeline.PreparedFile
}

// Check returns an error for names that no engine accepts.
func (r Repair) Check() error { return checkNames(r.Type, r.Schema) }

const allFiles = "put the files of all exports since the last full one into the folder, and rebuild again"

// Short refuses a repair with fewer lines than live resources. The repair could not be completed,
// and nothing has changed yet.
func (r Repair) Short(live int64) error {
	return &fault.Error{
		Class: fault.Permanent,
		Err: fmt.Errorf(
			"schema %s has %d resources of %s, and the folder has %d lines of them: some are missing, so nothing was changed",
			r.Schema, live, r.Type, r.Lines),
		Remedy: allFiles,
	}
}

// Left returns the error of a repair after which this number of live resources was not committed
// again.
func (r Repair) Left(resources int64) error {
	return &fault.Error{
		Class: fault.Permanent,
		Err: fmt.Errorf(
			"%d resources of %s in schema %s were not loaded, or only in an older version: their rows are unchanged, with NULL in the rebuilt columns",
			resources, r.Type, r.Schema),
		Remedy: allFiles,
	}
}

// ByHand refuses a repair of tables with manual changes that new columns cannot correct. tables
// must be dropped; their names include the schema.
func (r Repair) ByHand(what error, tables ...string) error {
	return &fault.Error{
		Class: fault.Permanent, Err: what,
		Remedy: "if the folder has the files of all exports since the last full one, drop " +
			strings.Join(tables, ", ") + ", and rebuild again",
	}
}
