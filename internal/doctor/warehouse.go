package doctor

import (
	"context"
	"time"

	"fhirsynapse/internal/warehouse"
)

// A serverless database of Azure SQL takes a minute to wake up.
const connecting = 90 * time.Second

func warehouseChecks(s Subject, plans Plans) []Check {
	if s.Warehouse == nil {
		return nil
	}
	w := *s.Warehouse
	var found warehouse.Inspection
	out := []Check{{
		Name: checkWarehouse, What: "warehouse " + w.Scheme, Within: connecting,
		Do: func(ctx context.Context) Outcome {
			if w.Inspect == nil {
				o := warn("", "this program cannot examine the engine")
				o.Stops = true
				return o
			}
			var err error
			if found, err = w.Inspect(ctx, plans.Tables); err != nil {
				return broken(err)
			}
			return fine("connected to %s", found.Server)
		},
	}}
	part := func(name, what string, of func() warehouse.Finding) {
		out = append(out, Check{
			Name: checkWarehouse + "-" + name, What: what, Needs: []string{checkWarehouse},
			Do: func(context.Context) Outcome { return judged(of()) },
		})
	}
	part("engine", "engine of the warehouse", func() warehouse.Finding { return found.Engine })
	if w.Scheme != "duckdb" {
		part("state", "state of the database", func() warehouse.Finding { return found.Pool })
		part("collation", "collation", func() warehouse.Finding { return found.Collation })
		part("row-versions", "READ_COMMITTED_SNAPSHOT",
			func() warehouse.Finding { return found.RowVersions })
	}
	part("rights", "rights on the warehouse", func() warehouse.Finding { return found.Rights })
	for i, p := range plans.Tables {
		part("tables-"+p.Plan, "tables of plan "+p.Plan, func() warehouse.Finding {
			if i >= len(found.Drift) {
				return warehouse.Finding{Text: "nothing to compare"}
			}
			return found.Drift[i]
		})
	}
	return out
}

func judged(f warehouse.Finding) Outcome {
	switch {
	case f.Text == "":
		return fine("this engine has nothing to set here")
	case f.Level == warehouse.Wrong:
		return failed(f.Remedy, "%s", f.Text)
	case f.Level == warehouse.Worth:
		return warn(f.Remedy, "%s", f.Text)
	}
	return fine("%s", f.Text)
}
