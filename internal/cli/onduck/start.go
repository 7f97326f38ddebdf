package onduck

import (
	"context"
	"path/filepath"
	"time"

	"fhirsynapse/internal/cli"
	"fhirsynapse/internal/cli/onstart"
	"fhirsynapse/internal/warehouse/duck"
)

// Starter returns the command start --once for the warehouses that need no server.
func Starter(now func() time.Time) cli.Starter {
	return onstart.Starter(onstart.Clock{Now: now}, Kinds())
}

// Kinds are the warehouses of start that need no server: DuckDB and files.
func Kinds() onstart.Kinds {
	kinds := onstart.Files()
	kinds[duck.Scheme] = onstart.Kind{Places: places, Open: openTarget}
	return kinds
}

// places puts temporary files and bad lines where the database file is.
func places(rest string) (parent, quarantine string) {
	file, _ := target(filepath.Clean(rest))
	return filepath.Dir(file), file + ".quarantine"
}

func openTarget(_ context.Context, s onstart.Site) (onstart.Target, error) {
	file, memory := target(filepath.Clean(s.Request.Rest))
	tables, err := duck.Open(duck.Options{
		Path: file, MemoryLimit: memory, TempDir: s.Work, Lake: s.Lake, Views: s.Views.Tables, MakeRoom: roomFrom(s.Flattener), Now: s.Now,
	})
	if err != nil {
		return onstart.Target{}, err
	}
	return onstart.Target{Warehouse: tables, Schema: "main", Check: func(ctx context.Context) error { return tables.Check(ctx, "main") }}, nil
}
