// Package warehouse holds the common parts of all engines with tables: reserved table and column
// names, the checks of a batch, and the numbering of its files.
//
// The engines are in packages below.
package warehouse

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
)

// The columns of every table in addition to the view's. A view's column cannot begin with an
// underscore.
const (
	IDColumn          = "_id"
	VersionColumn     = "_version"
	LastUpdatedColumn = "_last_updated"
	ExportColumn      = "_export"
)

// LedgerTable is the ledger of a schema.
const LedgerTable = "_ledger"

// loadSuffix ends the name of the schema with the loader's own tables.
const loadSuffix = "_load"

// LoadSchema returns the schema of the loader's own tables for a plan's schema, on engines that
// grant rights by schema: the ledger, the heads, the locks and the stages. So readers of the plan's
// schema see no half-loaded rows.
func LoadSchema(schema string) string { return schema + loadSuffix }

// HeadTable holds the newest version of each id of a resource type.
func HeadTable(resource string) string { return "_head_" + resource }

// SameButCase refuses a resource type if a head table differs only in case. The two types would
// share their tables.
func SameButCase(table, resource string) error {
	head := HeadTable(resource)
	if table == head || !strings.EqualFold(table, head) {
		return nil
	}
	return fault.Permanentf(
		"resource type %s differs only in case from the one of table %s, and a database cannot distinguish their tables: correct the name", resource, table)
}

// Views returns the tables of a plan's current views.
type Views func(plan string) ([]flatten.Table, error)

// Tables returns the tables of one resource type of a plan.
func (v Views) Tables(plan, resource string) ([]flatten.Table, error) {
	all, err := v(plan)
	if err != nil {
		return nil, fmt.Errorf("read the views of plan %s: %w", plan, err)
	}
	return flatten.TablesOf(all, resource), nil
}

var (
	schemaName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`)
	attemptHex = regexp.MustCompile(`^[0-9a-f]+$`)
)

// Check validates a batch for all engines: names must be safe in a statement, and all lines of
// files must be accounted for. It reports all faults together, as Permanent.
func Check(b pipeline.Batch) error {
	faults := wrongNames(b.Schema, b.Attempt, b.Type)
	for _, f := range b.Files {
		d := f.Done
		if sum := d.Heads + d.Blank + d.Quarantined + d.Filtered; sum != d.Lines {
			faults = append(faults,
				fmt.Errorf("file %s has %d lines, but %d are accounted for: prepare it again",
					f.Path, d.Lines, sum))
		}
		if slices.Min([]int64{d.Heads, d.Blank, d.Quarantined, d.Filtered}) < 0 {
			faults = append(faults,
				fmt.Errorf("file %s has a negative count: prepare it again", f.Path))
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return &fault.Error{Class: fault.Permanent, Err: errors.Join(faults...)}
}

// CheckConclusion validates the names in the end of an export: they must be safe in a statement.
func CheckConclusion(c pipeline.Conclusion) error {
	var types []string
	for _, t := range c.Types {
		types = append(types, t.Type)
	}
	if faults := wrongNames(c.Schema, c.Attempt, types...); len(faults) > 0 {
		return &fault.Error{Class: fault.Permanent, Err: errors.Join(faults...)}
	}
	return nil
}

func wrongNames(schema, attempt string, types ...string) (faults []error) {
	check := func(what, name string, ok func(string) bool) {
		if !ok(name) {
			faults = append(faults,
				fmt.Errorf("%s %q is not a valid name in a warehouse", what, name))
		}
	}
	check("schema", schema, schemaName.MatchString)
	for _, t := range types {
		check("resource type", t, flatten.IsResourceType)
	}
	check("attempt", attempt, attemptHex.MatchString)
	return faults
}

// Numbered returns the files in the order of their numbers, without duplicates. The order decides
// between lines of one version, so it must not depend on the caller.
func Numbered(files []pipeline.PreparedFile) []pipeline.PreparedFile {
	out := slices.Clone(files)
	slices.SortFunc(out, func(a, b pipeline.PreparedFile) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.ETag, b.ETag))
	})
	return slices.CompactFunc(out, func(a, b pipeline.PreparedFile) bool {
		return a.Path == b.Path && a.ETag == b.ETag
	})
}

// Uncommitted returns the files that a ledger does not have at their ETag.
func Uncommitted(
	files []pipeline.PreparedFile, there []pipeline.LedgerEntry,
) []pipeline.PreparedFile {
	known := map[[2]string]bool{}
	for _, e := range there {
		known[[2]string{e.Path, e.ETag}] = true
	}
	var left []pipeline.PreparedFile
	for _, f := range files {
		if !known[[2]string{f.Path, f.ETag}] {
			left = append(left, f)
		}
	}
	return left
}
