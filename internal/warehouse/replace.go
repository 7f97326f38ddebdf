package warehouse

import (
	"fmt"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
)

// Replacement describes tables of one resource type that replace others: the tables of a plan's
// current views and their head. Commits have filled them in another schema. Readers see all old
// tables, then all new ones.
type Replacement struct {
	Plan, Type   string
	Schema, From string
}

// Beside returns the schema in which another schema's tables are rebuilt.
func Beside(schema string) string { return "_rebuild_" + schema }

// Check returns an error for names that no engine accepts.
func (r Replacement) Check() error { return checkNames(r.Type, r.Schema, r.From) }

func checkNames(resource string, schemas ...string) error {
	for _, schema := range schemas {
		if !schemaName.MatchString(schema) || !flatten.IsResourceType(resource) {
			return fault.Permanentf(
				"schema %q or resource type %q is not a valid name in a warehouse", schema,
				resource)
		}
	}
	return nil
}

// Lacks refuses a replacement in which this number of resources is missing or older.
func (r Replacement) Lacks(resources int64) error {
	return &fault.Error{
		Class: fault.Permanent,
		Err: fmt.Errorf(
			"%d resources of %s in schema %s are not in what was loaded to rebuild it, or are older there: they would be lost, so that everything stays as it was",
			resources, r.Type, r.Schema),
		Remedy: allFiles,
	}
}

// Untold refuses a replacement whose head was changed manually, because lost resources could not be
// detected.
func (r Replacement) Untold(head string) error {
	return &fault.Error{
		Class: fault.Permanent,
		Err: fmt.Errorf(
			"table %s was changed by hand, so it is unknown whether a resource would be lost",
			head),
		Remedy: "if the folder has the files of all exports since the last full one, drop that table, and rebuild again",
	}
}

// Rebuilding returns the command that rebuilds the tables of a resource type, for remedies. to is
// the value of --to with the options that it needs.
func Rebuilding(to, schema, resource string) string {
	return fmt.Sprintf(
		"or rebuild the tables of %[3]s with fhirsynapse load DIR --to %[1]s --schema %[2]s --rebuild=%[3]s, where DIR has the files of all exports since the last full one",
		to, schema, resource)
}
