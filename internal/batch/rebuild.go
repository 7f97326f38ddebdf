package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/warehouse"
)

// An engine rebuilds tables in one of two ways: it fills another schema and then replaces the
// tables at once, or it repairs the tables in place. Both refuse a rebuild that cannot be
// completed, and both end only when each resource of the tables is there again. After a kill, run
// the same rebuild again.

// Rebuild makes the tables of resource types again; no types means all types of the folder. It
// loads into another schema, after it has dropped the leftovers of an earlier rebuild, and then
// replaces each type's tables by the tables there.
func (l Loader) Rebuild(
	ctx context.Context, schema string, types []string, tables warehouse.Replacer,
) (LoadReport, error) {
	beside := warehouse.Beside(schema)
	if err := tables.Discard(ctx, beside); err != nil {
		return LoadReport{},
			fmt.Errorf("drop schema %s, which another rebuild has left: %w", beside, err)
	}
	report, err := l.load(ctx, beside, types, nil)
	if err != nil {
		return report, err
	}
	for _, t := range report.Types {
		if err := tables.Replace(ctx, warehouse.Replacement{
			Plan: LoadPlan, Type: t.Type, Schema: schema, From: beside,
		}); err != nil {
			return report, fmt.Errorf("rebuild %s: %w", t.Type, err)
		}
	}
	if err := tables.Discard(ctx, beside); err != nil {
		return report, fmt.Errorf("drop schema %s, which is not needed any more: %w", beside, err)
	}
	return report, nil
}

// RebuildInPlace makes the tables of resource types again in place; no types means all types of the
// folder. It repairs the tables of a type when its files are ready to be committed, so that readers
// miss values for no longer than a commit takes. At the end it checks every type, and reports all
// resources that the folder lacks.
func (l Loader) RebuildInPlace(
	ctx context.Context, schema string, types []string, tables warehouse.Repairer,
) (LoadReport, error) {
	report, err := l.load(ctx, schema, types, func(ctx context.Context, b pipeline.Batch) error {
		r := warehouse.Repair{Plan: b.Plan, Type: b.Type, Schema: b.Schema, Files: b.Files}
		for _, f := range b.Files {
			r.Lines += f.Done.Heads
		}
		if err := tables.Repair(ctx, r); err != nil {
			return fmt.Errorf("repair its tables: %w", err)
		}
		return nil
	})
	if err != nil {
		return report, err
	}
	var left []error
	for _, t := range report.Types {
		r := warehouse.Repair{Plan: LoadPlan, Type: t.Type, Schema: schema}
		n, err := tables.Unwritten(ctx, r)
		if err == nil && n > 0 {
			err = r.Left(n)
		}
		if err != nil {
			left = append(left, fmt.Errorf("rebuild %s: %w", t.Type, err))
		}
	}
	return report, errors.Join(left...)
}

// only returns the files of the given types, and fails if a type has no file.
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
		return nil, fault.Permanentf("no file of the folder has resources of %s",
			strings.Join(missing, ", "))
	}
	return kept, nil
}
