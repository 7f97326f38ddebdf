package warehouse

import (
	"context"
	"log/slog"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/storage"
)

// Engine opens the warehouses of one scheme of the setting Warehouse. A new engine is a package
// below this one and a line in [fhirsynapse/internal/warehouse/open].
type Engine interface {
	// Open returns the warehouse at an address, the text after the scheme. It does no I/O.
	Open(address string, o OpenOptions) (Opened, error)
	// Local returns the settings for filling the warehouse from this machine. It returns false if
	// the engine does not support that.
	Local(address string) (Local, bool)
}

// Engines maps schemes to the engines of a program.
type Engines map[string]Engine

// OpenOptions are the inputs for opening a warehouse. Lake, Views and Now are required; engines
// ignore the rest if they do not need it.
type OpenOptions struct {
	// Lake holds the prepared files.
	Lake pipeline.Lake
	// Remover removes blobs of the lake's staging area; nil keeps them.
	Remover pipeline.Remover
	// StagingURL is the https address of the lake's staging area, for engines that read it
	// themselves; empty if it has none.
	StagingURL string
	// Published holds the lines that views read. PublishedURL is its address.
	Published    PublishedLake
	PublishedURL string
	Views        flatten.PlanViews
	// TempDir is the folder for temporary files; empty means the system's.
	TempDir string
	// LineLimit is the longest line of a file in bytes; 0 means the default.
	LineLimit int
	// Statements is the number of concurrent statements; 0 means the engine's default.
	Statements int
	// EngineTransforms lets the engine compute the rows of views.
	EngineTransforms bool
	// Patience bounds Check's wait for another process that uses the database.
	Patience time.Duration
	// MakeRoom, if not nil, is called before a warehouse uses much memory in this process. The
	// warehouse calls done after it has freed the memory.
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

// Opened is an open warehouse. The fields after Concluder are for runs without a host, and nil if
// the engine has no Local.
type Opened struct {
	pipeline.Warehouse
	// Concluder is nil if the engine cannot remove resources without a tombstone.
	Concluder pipeline.Concluder
	Tables    Tables
	// Beside or InPlace is set, depending on how the engine rebuilds tables.
	Beside  Replacer
	InPlace Repairer
	// Hold keeps the warehouse open between two commits, until release is called. It is nil
	// for a warehouse that stays open anyway.
	Hold func() (release func() error)
}

// Local holds the settings for filling a warehouse from this machine.
type Local struct {
	// Schema is the default schema of the tables.
	Schema string
	// Dir is the folder for temporary files; empty means the system's.
	Dir string
	// Quarantine is the folder for bad lines; empty lets the run choose.
	Quarantine string
	// Storage holds the wishes of the address for its tables. Open checks them.
	Storage storage.Options
}

// Tables holds the methods for runs without a host, in addition to the port.
type Tables interface {
	// Check connects to the warehouse and changes nothing. It finds an unusable warehouse before
	// hours of work.
	Check(ctx context.Context, schema string) error
	// Rows counts the rows of an export in the given tables.
	Rows(
		ctx context.Context, schema, export string, tables map[string]int64,
	) (map[string]int64, error)
	// Close ends the connections.
	Close() error
}

// Replacer replaces tables by tables of another schema.
type Replacer interface {
	// Replace replaces the tables of one resource type atomically. It refuses to lose a resource,
	// and adds the other ledger's files to the schema's ledger.
	Replace(ctx context.Context, r Replacement) error
	// Discard drops a schema with its tables, if it exists.
	Discard(ctx context.Context, schema string) error
}

// Repairer rebuilds tables in place.
type Repairer interface {
	// Repair changes the tables of one resource type to the columns of the current views, and marks
	// its resources as not written. It refuses a rebuild that cannot be completed.
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

// CompiledViews returns the compiled views, for engines that generate SELECT bodies from them.
func (o OpenOptions) CompiledViews(engine string) (flatten.Native, error) {
	views, ok := o.Views.(interface {
		Compiled(plan string) ([]*sof.View, error)
	})
	if !ok {
		return nil, fault.Permanentf(
			"warehouse %s: its rows come from ViewDefinitions, which this program does not have",
			engine)
	}
	return views.Compiled, nil
}
