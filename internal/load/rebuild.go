package load

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/warehouse"
)

// Replacer puts tables in the place of others.
type Replacer interface {
	// Replace does it for one resource type, all at once or not at all. What would lose
	// a resource is refused. Files of the ledger beside are added to the schema's.
	Replace(ctx context.Context, r warehouse.Replacement) error
	// Discard drops a schema with its tables, if it is there.
	Discard(ctx context.Context, schema string) error
}

// Rebuild makes the tables of resource types anew, all types of the folder where none
// are given: it loads into a schema beside, and then has each type's tables there take
// the place of those in the schema. It begins anew whatever an earlier one has left.
func (l Loader) Rebuild(ctx context.Context, schema string, types []string, tables Replacer) (Report, error) {
	beside := warehouse.Beside(schema)
	if err := tables.Discard(ctx, beside); err != nil {
		return Report{}, fmt.Errorf("drop schema %s, which another rebuild has left: %w", beside, err)
	}
	report, err := l.load(ctx, beside, types)
	if err != nil {
		return report, err
	}
	for _, t := range report.Types {
		if err := tables.Replace(ctx, warehouse.Replacement{Plan: Plan, Type: t.Type, Schema: schema, From: beside}); err != nil {
			return report, fmt.Errorf("rebuild %s: %w", t.Type, err)
		}
	}
	if err := tables.Discard(ctx, beside); err != nil {
		return report, fmt.Errorf("drop schema %s, which is not needed any more: %w", beside, err)
	}
	return report, nil
}

// only keeps the files of the given types, of which each must be there.
func only(files []source, types []string) ([]source, error) {
	if len(types) == 0 {
		return files, nil
	}
	kept := slices.DeleteFunc(files, func(f source) bool { return !slices.Contains(types, f.typ) })
	var missing []string
	for _, typ := range types {
		if !slices.ContainsFunc(kept, func(f source) bool { return f.typ == typ }) {
			missing = append(missing, typ)
		}
	}
	if len(missing) > 0 {
		return nil, fault.Permanentf("no file of the folder has resources of %s", strings.Join(missing, ", "))
	}
	return kept, nil
}
