package app

import (
	"fhirsynapse/internal/config"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/warehouse"
)

// openTables makes the flattener and the warehouse of an app, which read the files of a lake, and
// the app's views. It does no I/O.
func openTables(
	a *App, exports config.Exports, lake pipeline.Lake,
) (*flatten.Flattener, warehouse.Opened, error) {
	engine, address := a.engines[a.config.Warehouse.Scheme], a.config.Warehouse.Rest.Reveal()
	local, _ := engine.Local(address)
	a.views = planViews(a.config.ViewsFolder, exports, local.Storage)
	flattener, err := flatten.NewFlattener(flatten.Options{
		Lake: lake, Views: a.views, LineLimit: a.config.LineLimit,
	})
	if err != nil {
		return nil, warehouse.Opened{}, err
	}
	opened, err := engine.Open(address,
		warehouse.OpenOptions{
			Lake: lake, Remover: a.lake, StagingURL: a.lake.DataLakeURL(),
			Published: a.published, PublishedURL: a.published.DataLakeURL(),
			Views: a.views, LineLimit: a.config.LineLimit,
			Statements: a.config.WarehouseStatements, EngineTransforms: a.config.EngineTransforms,
			MakeRoom: makeRoom(a.environ, flattener.GiveUp), Now: a.now, Log: a.log,
		})
	return flattener, opened, err
}
