package serverless

import (
	"context"
	"fmt"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/warehouse"
)

var _ warehouse.Describer = engine{}

// Describe implements warehouse.Describer. It lists the published files and does not ask the pool:
// a view exists once a part of its type is committed, and each commit writes it again. The files
// tell no numbers of rows.
func (engine) Describe(
	ctx context.Context, address string, p warehouse.PlanTables, o warehouse.DescribeOptions,
) (out warehouse.Description, err error) {
	if _, _, err := ParseServer(address); err != nil {
		return out, err
	}
	if o.Published == nil {
		return out, fault.Permanentf("the views of the serverless pool are described by the " +
			"published files: leave out --to, and give the settings of the app")
	}
	there, err := listParts(ctx, o.Published, p.Schema+"/")
	if err != nil {
		return out, fmt.Errorf("describe the views of schema %s: %w", p.Schema, err)
	}
	return describe(p, there), nil
}

func describe(p warehouse.PlanTables, there map[string]published) warehouse.Description {
	changes := map[string]warehouse.TypeChange{}
	for folder, of := range there {
		_, typ, _ := strings.Cut(folder, "/")
		for _, one := range of.parts {
			if one.doneAt.After(changes[typ].At) {
				changes[typ] = warehouse.TypeChange{At: one.doneAt}
			}
		}
	}
	return warehouse.Description{
		Uncounted: fmt.Errorf("%w: the views of the serverless pool read files, and a count reads all"+
			" of them", warehouse.ErrUncountable),
		Tables: p.States(func(t flatten.Table) bool {
			return !changes[t.Resource].At.IsZero()
		}, changes),
	}
}
