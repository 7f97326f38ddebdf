package batch

import (
	"cmp"
	"context"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/warehouse"
)

// TablesRequest asks for a list of the tables in a schema.
type TablesRequest struct {
	// Scheme and Rest name the warehouse, as in the setting Warehouse.
	Scheme, Rest string
	// Schema of the tables; empty means the engine's default.
	Schema string
	// Views is a folder of ViewDefinitions; empty means the bundled ones.
	Views string
}

// Tables lists the tables in a schema of a warehouse. Only the warehouse is asked.
func (r Runner) Tables(ctx context.Context, q TablesRequest) (out warehouse.Listing, err error) {
	engine, ok := r.Engines[q.Scheme].(warehouse.Describer)
	if !ok {
		return out, fault.Permanentf("there are no tables to list in %s: name a database", q.Scheme)
	}
	to, _ := r.target(q.Scheme, q.Rest)
	views, err := compiled(q.Views, sof.References{}, to.Storage)
	if err != nil {
		return out, err
	}
	p := warehouse.PlanTables{Schema: cmp.Or(q.Schema, to.Schema)}
	if p.Tables, err = views.Tables(LoadPlan); err != nil {
		return out, err
	}
	d, err := engine.Describe(ctx, q.Rest, p, warehouse.DescribeOptions{})
	if err != nil {
		return out, err
	}
	p.Plan = d.Plan
	out.Add(p, d, warehouse.Complete{Others: d.CompleteAt}, false)
	if len(out.Tables) > 0 && d.CompleteAt.IsZero() {
		out.Notes = append(out.Notes, "complete as of is not known: the table "+
			warehouse.ExportsTable+" has no export that loaded everything")
	}
	return out, nil
}
