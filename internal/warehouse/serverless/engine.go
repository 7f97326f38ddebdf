package serverless

import (
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse"
)

// Engine returns the engine of the serverless pool, which reads published lines and has no tables.
func Engine() warehouse.Engine {
	return warehouse.PortOnly(
		func(address string, r warehouse.OpenOptions) (pipeline.Warehouse, error) {
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
		})
}
