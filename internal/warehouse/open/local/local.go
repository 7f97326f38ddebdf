// Package local adds the engines that need cgo to the engines of package open, for programs on a
// person's machine.
package local

import (
	"context"

	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/duckdb"
	"fhirsynapse/internal/warehouse/open"
)

// Engines returns all engines.
func Engines() warehouse.Engines {
	all := open.Engines()
	all[duckdb.Scheme] = duckdb.Engine()
	return all
}

// DuckDBVersion starts DuckDB and returns its version.
func DuckDBVersion(ctx context.Context) (string, error) { return duckdb.Version(ctx) }
