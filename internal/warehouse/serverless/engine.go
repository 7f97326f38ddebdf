package serverless

import (
	"context"
	"errors"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/setup"
	"fhirsynapse/internal/warehouse/tds"
)

// engine opens the serverless pool, which reads published lines and has no tables.
type engine struct{ warehouse.PortOnly }

var _ warehouse.Inspector = engine{}

// Open implements warehouse.Engine.
func (e engine) Open(address string, o warehouse.OpenOptions) (warehouse.Opened, error) {
	opened, err := e.PortOnly.Open(address, o)
	if w, ok := opened.Warehouse.(*Warehouse); ok && w != nil {
		opened.Concluder = concluder{w}
	}
	return opened, err
}

// Engine returns the engine of the serverless pool, which reads published lines and has no tables.
func Engine() warehouse.Engine {
	return engine{func(address string, r warehouse.OpenOptions) (pipeline.Warehouse, error) {
		server, snapshots, err := ParseServer(address)
		if err != nil {
			return nil, err
		}
		views, err := r.CompiledViews(string(tsql.Serverless))
		if err != nil {
			return nil, err
		}
		return Open(Options{
			Server: server, Lake: r.Lake, Published: r.Published, PublishedURL: r.PublishedURL,
			Snapshots: snapshots, Remover: r.Published, Now: r.Now,
			Views: views, LineLimit: r.LineLimit, Statements: r.Statements, Log: r.Log,
		})
	}}
}

// Inspect implements warehouse.Inspector. The pool has no tables that could drift: each commit
// writes the views again.
func (engine) Inspect(
	ctx context.Context, address string, plans []warehouse.PlanTables,
) (out warehouse.Inspection, err error) {
	server, _, err := ParseServer(address)
	if err != nil {
		return out, err
	}
	pool, err := tds.Connect(server, tds.Options{Statements: 1})
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	var schemas []string
	for _, p := range plans {
		schemas = append(schemas, p.Schema)
		out.Drift = append(out.Drift, warehouse.Finding{
			Text: "each commit writes the views of schema " + p.Schema + " again",
		})
	}
	err = pool.With(ctx, func(s *tds.Session) error {
		drift := out.Drift
		out = setup.Inspect(ctx, setup.Tolerant{Session: s}, tsql.Serverless, schemas)
		out.Drift = drift
		return nil
	})
	out.Server = server.String()
	return out, err
}
