package warehouse

import (
	"context"

	"fhirsynapse/internal/flatten"
)

// Maintainer is an [Engine] whose tables need maintenance: deleted rows leave space behind, and the
// statistics of the optimizer grow old.
type Maintainer interface {
	// Maintain maintains the tables of a warehouse at an address, one after the other. It may be
	// interrupted and repeated. A commit into the table waits, or is tried again.
	Maintain(ctx context.Context, address string, m Maintenance) error
}

// Maintenance describes the tables to maintain.
type Maintenance struct {
	Schema string
	// Tables are the tables of the views. Those that the schema lacks are left out; the tables of
	// the loader itself are added.
	Tables []flatten.Table
	// Begin is called before the maintenance of a table.
	Begin func(table string)
}
