package batch

import (
	"time"

	"fhirsynapse/internal/config"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
)

// LoadRequest asks for the load of a folder.
type LoadRequest struct {
	// Dir holds the files.
	Dir string
	// Scheme and Rest name the warehouse, as in the setting Warehouse. For files, they are parquet,
	// csv or ndjson, and a folder.
	Scheme, Rest string
	// Schema of the tables; empty means the engine's default.
	Schema string
	// Staging is the blob endpoint of the container that the warehouse reads from; empty for a
	// warehouse that reads from none.
	Staging string
	// EngineTransforms makes the engine compute the rows of views, from the documents.
	EngineTransforms bool
	// Views is a folder of ViewDefinitions; empty means the bundled ones.
	Views string
	// References defines how the views read references.
	References sof.References
	// LineLimit is the longest line in bytes; 0 means 64 MB.
	LineLimit int
	// MaxBad is the share of bad lines of a resource type, 0 to 1, above which nothing is
	// loaded.
	MaxBad float64
	// Compression selects the compression of Parquet files; empty means the default.
	Compression string
	// Rebuild makes the tables of RebuildTypes again, or of all types in the folder.
	Rebuild      bool
	RebuildTypes []string
	// Progress may be called from any goroutine.
	Progress Progress
}

// Progress reports the progress of a load.
type Progress interface {
	// Total is called when reading starts, and again if it has to restart. bytes is the
	// unpacked size of all files; a file whose unpacked size is unknown counts as packed.
	Total(bytes int64)
	// Add is called with the number of bytes read since its last call.
	Add(bytes int64)
	// Bad is called with the number of lines quarantined since its last call.
	Bad(lines int64)
}

// LoadReport reports the result of a load, by resource type.
type LoadReport struct {
	// Export is the name of the load in the ledger.
	Export string                `json:"-"`
	Types  []pipeline.TypeReport `json:"types"` // in order of type
	// Quarantine is the folder of the bad lines and their reasons; empty when there are none.
	Quarantine string `json:"quarantine,omitempty"`
	// LeftOut lists the files that were not loaded, with the reasons.
	LeftOut []LeftOut `json:"leftOut,omitempty"`
	// Rows counts the rows that the load wrote, by table. A table of a type in the folder is listed
	// even without rows. Until Runner.Load has asked the warehouse, the counts include rows of
	// superseded resources.
	Rows map[string]int64 `json:"rows"`
	pipeline.ValueCounts
	// Base is the base URL at which absolute references have a key; empty means unknown.
	Base string `json:"base,omitempty"`
	// Bytes is the size of the files after unpacking.
	Bytes int64 `json:"bytes"`
	// Seconds is how long the load took.
	Seconds float64 `json:"seconds"`
}

// LeftOut is a file that was not loaded.
type LeftOut struct {
	File   string `json:"file"`
	Reason string `json:"reason"`
	// Resources is set if the file holds resources, in a form that is not read.
	Resources bool `json:"resources,omitempty"`
}

// StartRequest asks for one export of one server.
type StartRequest struct {
	// Source is the FHIR base URL, and Dialect the kind of its export.
	Source, Dialect string
	// Storage is the account that a server of dialect azure exports into: its blob endpoint, or a
	// connection string. Container is a container of the account.
	Storage   StorageAccount
	Container string
	// Auth has the secret itself, never the path of its file.
	Auth  config.Auth
	Level string
	Group string
	// Types, TypeFilters and Patients narrow the export.
	Types, TypeFilters, Patients []string
	Since, Until                 time.Time
	// Method of the kick-off; empty lets the client choose.
	Method    string
	Lenient   bool
	FileToken string
	// AllowPrivate lets files come from private addresses.
	AllowPrivate bool
	// StatusHosts are the hosts that status URLs may name, in addition to the server's own.
	StatusHosts []string
	Downloads   int
	// Scheme and Rest name the warehouse, as in the setting Warehouse. For files, they are parquet,
	// csv or ndjson, and a folder.
	Scheme, Rest string
	// Schema of the tables; empty means the engine's default.
	Schema string
	// Staging is the container that the warehouse reads from; empty for a warehouse that reads from
	// none.
	Staging string
	// Keep is the folder in which the files of the export stay; empty means that they are removed.
	Keep  string
	Views string
	// References defines how the views read references.
	References sof.References
	MaxBad     float64
	// AllowErrors accepts an export that the server reports as incomplete.
	AllowErrors bool
	Timeout     time.Duration
	// Watch is called with the progress of the export.
	Watch func(ExportProgress)
}

// StorageAccount is the account that a server of dialect azure writes into: Address, or
// Connection.
type StorageAccount struct {
	Address    string
	Connection config.Secret
}

// StartReport reports the result of an export of one server.
type StartReport struct {
	ExportResult
	// Quarantine is the folder of the bad lines and their reasons; empty when there are none.
	Quarantine string `json:"quarantine,omitempty"`
	// QuarantineFolder is the folder that Quarantine names if there are bad lines.
	QuarantineFolder string `json:"-"`
	// Seconds is how long the export took.
	Seconds float64 `json:"seconds"`
}
