package warehouse

import (
	"fmt"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/prepared"
)

// Replacement is tables of one resource type that take the place of others: those of
// a plan's present views and their head. Commits have filled them in a schema beside.
// Readers see the old ones, all of them, until they see the new ones.
type Replacement struct {
	Plan, Type   string
	Schema, From string
}

// Beside is the schema in which the tables of another are made anew.
func Beside(schema string) string { return "_rebuild_" + schema }

// Check holds the names against what every engine relies on.
func (r Replacement) Check() error { return checkNames(r.Type, r.Schema, r.From) }

func checkNames(resource string, schemas ...string) error {
	for _, schema := range schemas {
		if !schemaName.MatchString(schema) || !prepared.IsResourceType(resource) {
			return fault.Permanentf("schema %q or resource type %q is no name that a warehouse takes", schema, resource)
		}
	}
	return nil
}

// Lacks refuses a replacement that lacks so many of the resources that the tables
// have, or has older versions of them.
func (r Replacement) Lacks(resources int64) error {
	return &fault.Error{
		Class: fault.Permanent,
		Err: fmt.Errorf("%d resources of %s in schema %s are not in what was loaded to rebuild it, or are older there: they would be lost, so that everything stays as it was",
			resources, r.Type, r.Schema),
		Remedy: allFiles,
	}
}

// Untold refuses a replacement where the head was changed by hand: nobody can tell
// what would be lost.
func (r Replacement) Untold() error {
	return &fault.Error{
		Class:  fault.Permanent,
		Err:    fmt.Errorf("table %s.%s was changed by hand, so that it cannot be told whether a resource would be lost", r.Schema, HeadTable(r.Type)),
		Remedy: "if the folder has the files of all exports since the last full one, drop that table, and rebuild again",
	}
}

// Rebuilding is the command that makes the tables of a resource type anew, as the
// refusals name it; to is where, as --to has it, with the options that it needs.
func Rebuilding(to, schema, resource string) string {
	return fmt.Sprintf("or rebuild the tables of %[3]s with fhirsynapse load DIR --to %[1]s --schema %[2]s --rebuild=%[3]s, where DIR has the files of all exports since the last full one",
		to, schema, resource)
}
