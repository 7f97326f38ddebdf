package mssql

import (
	"context"
	"fmt"

	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/mssql/statements"
	"fhirsynapse/internal/warehouse/tds"
)

// Engine returns the engine of a T-SQL product with tables.
func Engine(name tsql.Engine) warehouse.Engine { return engine{name} }

type engine struct{ name tsql.Engine }

// Local implements warehouse.Engine. A server has no folder on this machine, so temporary files use
// the system's folder and bad lines the current one.
func (engine) Local(string) (warehouse.Local, bool) { return warehouse.Local{Schema: "dbo"}, true }

// Open implements warehouse.Engine.
func (e engine) Open(address string, r warehouse.OpenOptions) (to warehouse.Opened, err error) {
	server, err := tds.ParseServer(e.name, address)
	if err != nil {
		return to, err
	}
	o := Options{
		Server: server, Lake: r.Lake, Views: r.Views.Tables, StagingURL: r.StagingURL, LineLimit: r.LineLimit,
		Statements: r.Statements, TempDir: r.TempDir, Now: r.Now, Log: r.Log,
	}
	if r.EngineTransforms {
		views, err := r.CompiledViews(string(e.name))
		if err != nil {
			return to, err
		}
		o.Documents = views
	}
	w, err := Open(o)
	if err != nil {
		return to, err
	}
	to = warehouse.Opened{Warehouse: w, Tables: w}
	if w.InPlace() {
		to.InPlace = w
	} else {
		to.Beside = w
	}
	return to, nil
}

// Check signs in and reads the ledger.
func (w *Warehouse) Check(ctx context.Context, schema string) error {
	t := statements.Target{Engine: w.engine, Schema: schema}
	err := w.pool.Again(ctx, func(int) error {
		return w.with(ctx, func(s session) error {
			_, err := s.ledger(ctx, t, "check")
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("open the warehouse: read the ledger: %w", err)
	}
	return nil
}
