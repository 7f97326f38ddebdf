package batch

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/warehouse"
)

// MaintainRequest asks for the maintenance of the tables of a schema.
type MaintainRequest struct {
	// Scheme and Rest name the warehouse, as in the setting Warehouse.
	Scheme, Rest string
	// Schema of the tables; empty means the engine's default.
	Schema string
	// Views is a folder of ViewDefinitions; empty means the bundled ones.
	Views string
	// Begin is called before the maintenance of each table.
	Begin func(table string)
}

// MaintainReport lists the tables that were maintained, in order.
type MaintainReport struct {
	Tables []MaintainedTable `json:"tables"`
}

// MaintainedTable is a table, as SCHEMA.NAME, and how long its maintenance took.
type MaintainedTable struct {
	Table   string  `json:"table"`
	Seconds float64 `json:"seconds"`
}

// Maintain frees the space of deleted rows, and renews the statistics of the optimizer. After
// an error the report has the tables that were finished.
func (r Runner) Maintain(ctx context.Context, q MaintainRequest) (MaintainReport, error) {
	var report MaintainReport
	engine, ok := r.Engines[q.Scheme].(warehouse.Maintainer)
	if !ok {
		return report, fault.Permanentf(
			"the tables of %s need no maintenance: those of sqlserver and synapse-dedicated do",
			q.Scheme)
	}
	to, _ := r.target(q.Scheme, q.Rest)
	views, err := compiled(q.Views, sof.References{}, to.Storage)
	if err != nil {
		return report, err
	}
	tables, err := views.Tables(LoadPlan)
	if err != nil {
		return report, err
	}
	var table string
	var began time.Time
	finish := func() {
		if table != "" {
			report.Tables = append(report.Tables, MaintainedTable{
				Table: table, Seconds: r.Now().Sub(began).Seconds(),
			})
		}
	}
	err = engine.Maintain(ctx, q.Rest, warehouse.Maintenance{
		Schema: cmp.Or(q.Schema, to.Schema), Tables: tables,
		Begin: func(next string) {
			finish()
			table, began = next, r.Now()
			if q.Begin != nil {
				q.Begin(next)
			}
		},
	})
	if err != nil {
		if table != "" {
			err = fmt.Errorf("table %s: %w", table, err)
		}
		return report, err
	}
	finish()
	return report, nil
}
