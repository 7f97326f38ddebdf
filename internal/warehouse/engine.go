package warehouse

import (
	"context"
	"log/slog"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/prepared"
)

// Engine opens the warehouses of one scheme of the setting Warehouse. A new engine is a
// package below this one and a line in [fhirsynapse/internal/warehouse/open].
type Engine interface {
	// Open returns the warehouse at an address, which is the text after the scheme. It
	// does no I/O.
	Open(address string, o OpenOptions) (Opened, error)
	// Local says how a run on this machine fills the warehouse at an address. It returns
	// false for an engine that such a run cannot fill.
	Local(address string) (Local, bool)
}

// Engines are the engines that a program links, by scheme.
type Engines map[string]Engine

// OpenOptions hold what an engine opens a warehouse with. Lake, Views and Now are needed; each
// engine ignores what it has no use for.
type OpenOptions struct {
	// Lake has the prepared files.
	Lake pipeline.Lake
	// StagingURL is the https address of the lake's staging area, for engines that read it
	// themselves. It is empty where there is none.
	StagingURL string
	// Published takes the lines that views read, and PublishedURL is its address.
	Published    PublishedLake
	PublishedURL string
	Views        prepared.PlanViews
	// TempDir is the folder for temporary files; empty means the system's.
	TempDir string
	// LineLimit is the longest line of a file in bytes; 0 means the default.
	LineLimit int
	// Statements is how many run at the same time; 0 means the engine's default.
	Statements int
	// EngineTransforms says that the engine makes the rows of views.
	EngineTransforms bool
	// Patience is how long Check waits for another process that uses the database.
	Patience time.Duration
	// MakeRoom is called by a warehouse that is about to take much memory in this process.
	// The warehouse calls done when it has given the memory back. MakeRoom may be nil.
	MakeRoom func() (done func())
	Now      func() time.Time
	// Log may be nil.
	Log *slog.Logger
}

// PublishedLake is a lake whose staging area keeps published lines.
type PublishedLake interface {
	pipeline.Lake
	pipeline.Remover
}

// Opened is an open warehouse. The fields besides the port are for runs without a host; they
// are nil for an engine that has no Local.
type Opened struct {
	pipeline.Warehouse
	Tables Tables
	// Beside or InPlace is set, by the way in which the engine can make tables again.
	Beside  Replacer
	InPlace Repairer
}

// Local says how a run on this machine fills a warehouse.
type Local struct {
	// Schema is the default schema of the tables.
	Schema string
	// Dir is the folder for temporary files; empty means the system's.
	Dir string
	// Quarantine is the folder for bad lines; empty leaves the name to the run.
	Quarantine string
}

// Tables is the part of a warehouse that a run without a host needs besides the port.
type Tables interface {
	// Check connects, so that a warehouse that cannot be used is found before hours of
	// work. It changes nothing.
	Check(ctx context.Context, schema string) error
	// Rows counts the rows that an export has in some tables.
	Rows(ctx context.Context, schema, export string, tables map[string]int64) (map[string]int64, error)
	// Close ends the connections.
	Close() error
}

// Replacer replaces tables by others of the same database.
type Replacer interface {
	// Replace does it for one resource type, all at once or not at all. It refuses what
	// would lose a resource. Files of the other ledger are added to the schema's.
	Replace(ctx context.Context, r Replacement) error
	// Discard drops a schema with its tables, if it is there.
	Discard(ctx context.Context, schema string) error
}

// Repairer makes tables again where they are.
type Repairer interface {
	// Repair gives the tables of one resource type the columns of the present views, and
	// marks its resources as not written. It refuses what cannot be completed.
	Repair(ctx context.Context, r Repair) error
	// Unwritten counts the live resources that are still marked.
	Unwritten(ctx context.Context, r Repair) (int64, error)
}

// PortOnly is an Engine whose warehouses only the pipeline can fill.
type PortOnly func(address string, o OpenOptions) (pipeline.Warehouse, error)

// Open implements Engine.
func (open PortOnly) Open(address string, o OpenOptions) (Opened, error) {
	w, err := open(address, o)
	return Opened{Warehouse: w}, err
}

// Local implements Engine.
func (PortOnly) Local(string) (Local, bool) { return Local{}, false }

// CompiledViews returns the compiled views, for engines that write bodies from them.
func (o OpenOptions) CompiledViews(engine string) (prepared.Native, error) {
	views, ok := o.Views.(prepared.Native)
	if !ok {
		return nil, fault.Permanentf("warehouse %s: its rows are made from ViewDefinitions, which this program does not have", engine)
	}
	return views, nil
}
