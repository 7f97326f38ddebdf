package statements

import (
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"

	"fhirsynapse/internal/prepared"
)

// Exclusion is how one committer keeps others from the same tables until COMMIT.
type Exclusion int

// The exclusions.
const (
	// AppLock is sp_getapplock, owned by the transaction.
	AppLock Exclusion = iota
	// LockRow is an UPDATE of a row that every committer of the type updates first:
	// it waits, or it conflicts.
	LockRow
)

// Stage is how rows get into the tables of an attempt.
type Stage int

// The stages.
const (
	// BulkCopy sends them over the connection.
	BulkCopy Stage = iota
	// CopyInto lets the engine read Parquet files from the storage account.
	CopyInto
)

// Engine is what the statements of a commit need to know of an engine, beside what
// package tsql knows.
type Engine struct {
	Name tsql.Engine
	Stage
	Exclusion
	// Keys says that PRIMARY KEY is enforced, and clustered indexes are of use.
	Keys bool
	// Isolation and AbortOnError are set for the session of an attempt.
	Isolation, AbortOnError bool
	// TransactionalDDL says that tables are made in a transaction, all or none.
	TransactionalDDL bool
	// Distributed says that a table says how it is stored and spread.
	Distributed bool
	// Labels marks statements for the engine's own monitoring.
	Labels bool
	// Collate says that a column's collation is written with it; else the
	// database's own is bytewise.
	Collate bool
	// Statistics are made by CREATE STATISTICS after the first load.
	Statistics bool
	// RowVersions must be switched on, so that readers see no half commit.
	RowVersions bool
	// Credential is that of COPY INTO; empty means the caller's identity.
	Credential string
	// NoQuote is the FIELDQUOTE of COPY INTO that quotes nothing: empty, or a character
	// that cannot occur in JSON where the engine wants one.
	NoQuote string
	// LongestRow is the most bytes of a Parquet row that COPY INTO takes; 0 means
	// any. Longer ones go as JSON. LongestText is the most bytes of one value, and
	// LongestDocument of one in a file of lines.
	LongestRow, LongestText, LongestDocument int
}

var engines = map[tsql.Engine]Engine{
	tsql.SQLServer: {
		Name: tsql.SQLServer, Stage: BulkCopy, Exclusion: AppLock,
		Keys: true, Isolation: true, AbortOnError: true, TransactionalDDL: true, Collate: true,
	},
	tsql.Dedicated: {
		Name: tsql.Dedicated, Stage: CopyInto, Exclusion: LockRow,
		Distributed: true, Labels: true, Collate: true, Statistics: true, RowVersions: true,
		Credential: "Managed Identity", LongestRow: 1_000_000,
	},
	tsql.Fabric: {
		Name: tsql.Fabric, Stage: CopyInto, Exclusion: LockRow,
		NoQuote: "0x1f", LongestText: 16 << 20, LongestDocument: 1 << 20,
	},
}

// For gives the engine of that name. The serverless pool has no tables.
func For(name tsql.Engine) (Engine, error) {
	if e, ok := engines[name]; ok {
		return e, nil
	}
	return Engine{}, fault.Permanentf("engine %q has no tables to commit to", name)
}

// text is a type of text of at most n characters.
func (e Engine) text(n string) string {
	if e.Name.Facts().National {
		return "nvarchar(" + n + ")"
	}
	return "varchar(" + n + ")"
}

// name is a type of ASCII text, with the collation that tells case apart.
func (e Engine) name(n string) string {
	if !e.Collate {
		return "varchar(" + n + ")"
	}
	return "varchar(" + n + ") COLLATE " + e.Name.Facts().Binary
}

func (e Engine) literal(text string) string { return tsql.Literal(text, e.Name) }

// columnType is the type of a view's column.
func (e Engine) columnType(c sof.Column) string {
	c.Precision, c.Scale = prepared.DecimalSize(c)
	text := tsql.ColumnType(c, e.Name)
	if c.Key && e.Collate {
		text += " COLLATE " + e.Name.Facts().Binary
	}
	return text
}
