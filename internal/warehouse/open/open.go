// Package open lists the engines of the setting Warehouse, by scheme. It has no cgo, so that
// the cloud's handler can link it; the package local adds DuckDB for the other programs.
package open

import (
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/mssql"
	"fhirsynapse/internal/warehouse/serverless"
)

// Engines returns the engines that every program has.
func Engines() warehouse.Engines {
	return warehouse.Engines{
		string(tsql.SQLServer):  mssql.Engine(tsql.SQLServer),
		string(tsql.Dedicated):  mssql.Engine(tsql.Dedicated),
		string(tsql.Fabric):     mssql.Engine(tsql.Fabric),
		string(tsql.Serverless): serverless.Engine(),
	}
}
