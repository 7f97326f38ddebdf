package warehouse

import (
	"context"

	"fhirsynapse/internal/flatten"
)

// Inspector is an [Engine] that describes a database, for a person who looks for a fault.
type Inspector interface {
	// Inspect connects to the database at an address and changes nothing. The error is the one of
	// the connection.
	Inspect(ctx context.Context, address string, plans []PlanTables) (Inspection, error)
}

// PlanTables are the tables that the views of a plan need in its schema.
type PlanTables struct {
	Plan, Schema string
	Tables       []flatten.Table
}

// Inspection is the state of a database.
type Inspection struct {
	// Server is the host and the database, or the file.
	Server string
	// The findings have no text if the engine has no such property.
	Engine, Collation, RowVersions, Pool, Rights Finding
	// Drift compares the tables of each plan with its views, in the order of the plans.
	Drift []Finding
}

// Level is how bad a finding is.
type Level int

// The levels.
const (
	Fine Level = iota
	// Worth is worth a look: commits work, or it is unknown whether they do.
	Worth
	// Wrong keeps commits from working.
	Wrong
)

// Finding is one property of a database.
type Finding struct {
	Level Level
	Text  string
	// Remedy holds the advice, or a command to type.
	Remedy string
}
