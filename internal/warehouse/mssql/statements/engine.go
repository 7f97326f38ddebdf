package statements

import (
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"

	"fhirsynapse/internal/flatten"
)

// Exclusion is the way in which a committer excludes others from the same tables until COMMIT.
type Exclusion int

// The exclusions.
const (
	// AppLock is sp_getapplock, owned by the transaction.
	AppLock Exclusion = iota
	// LockRow is an UPDATE of a row that every committer of the type updates first: the second one
	// waits or conflicts.
	LockRow
)

// Stage is the way in which rows get into the tables of an attempt.
type Stage int

// The stages.
const (
	// BulkCopy sends them over the connection.
	BulkCopy Stage = iota
	// CopyInto lets the engine read Parquet files from the storage account.
	CopyInto
)

// Engine describes an engine to the statements of a commit, in addition to package tsql.
type Engine struct {
	Name tsql.Engine
	Stage
	Exclusion
	// Keys: PRIMARY KEY is enforced, and clustered indexes are useful.
	Keys bool
	// Isolation and AbortOnError are set for the session of an attempt.
	Isolation, AbortOnError bool
	// TransactionalDDL: tables can be created in a transaction.
	TransactionalDDL bool
	// Columnstores: a table can be a columnstore, and the ledger counts what was cut for that.
	Columnstores bool
	// Distributed: a table declares its storage and distribution.
	Distributed bool
	// Labels marks statements for the engine's own monitoring.
	Labels bool
	// Collate: columns declare their collation; otherwise the database's collation is bytewise.
	Collate bool
	// FixedTypes: ALTER COLUMN cannot widen a column.
	FixedTypes bool
	// Statistics: CREATE STATISTICS runs after the first load.
	Statistics bool
	// RowVersions must be switched on, so that readers see no half commit.
	RowVersions bool
	// Credential is the credential of COPY INTO; empty means the caller's identity.
	Credential string
	// NoQuote is a FIELDQUOTE of COPY INTO that quotes nothing: empty, or on some engines a
	// character that cannot occur in JSON.
	NoQuote string
	// LongestRow bounds the bytes of a Parquet row for COPY INTO; 0 means no limit. Longer rows are
	// sent as JSON. LongestText bounds one value, and LongestDocument one value in a file of lines.
	LongestRow, LongestText, LongestDocument int
	// CommitRows bounds the rows of one transaction by default.
	CommitRows int64
}

var engines = map[tsql.Engine]Engine{
	tsql.SQLServer: {
		Name: tsql.SQLServer, Stage: BulkCopy, Exclusion: AppLock,
		Keys: true, Isolation: true, AbortOnError: true, TransactionalDDL: true, Collate: true,
		Columnstores: true,
		// Everything is logged, and readers without row versions wait.
		CommitRows: 5_000_000,
	},
	tsql.Dedicated: {
		Name: tsql.Dedicated, Stage: CopyInto, Exclusion: LockRow,
		Columnstores: true, Distributed: true, Labels: true, Collate: true, Statistics: true,
		RowVersions: true,
		Credential:  "Managed Identity", LongestRow: 1_000_000,
		// DELETE is fully logged, and the smallest pool takes 60 GB in a transaction: 3 KB a row.
		CommitRows: 20_000_000,
	},
	tsql.Fabric: {
		Name: tsql.Fabric, Stage: CopyInto, Exclusion: LockRow,
		FixedTypes: true, NoQuote: "0x1f", LongestText: 16 << 20, LongestDocument: 1 << 20,
		CommitRows: 20_000_000,
	},
}

// For returns the engine with a name. The serverless pool has no tables.
func For(name tsql.Engine) (Engine, error) {
	if e, ok := engines[name]; ok {
		return e, nil
	}
	return Engine{}, fault.Permanentf("engine %q has no tables to commit to", name)
}

// text returns a text type of at most n characters.
func (e Engine) text(n string) string {
	if e.Name.Facts().National {
		return "nvarchar(" + n + ")"
	}
	return "varchar(" + n + ")"
}

// name returns a type for ASCII text with a case-sensitive collation.
func (e Engine) name(n string) string {
	if !e.Collate {
		return "varchar(" + n + ")"
	}
	return "varchar(" + n + ") COLLATE " + e.Name.Facts().Binary
}

func (e Engine) literal(text string) string { return tsql.Literal(text, e.Name) }

// nameLiteral returns ASCII text as a literal to compare with a column of name. A national literal
// would convert the column, row by row.
func (e Engine) nameLiteral(text string) string {
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}

// columnType returns the type of a view's column, with its collation.
func columnType(t Target, v flatten.Table, c sof.Column) string {
	c.Precision, c.Scale = flatten.DecimalSize(c)
	text := tsql.ColumnType(c, t.Name, t.Longest[v.Name+"."+c.Name])
	if v.Columnstore {
		text = tsql.Limited(text)
	}
	if t.Collate && tsql.Bytewise(c) {
		text += " COLLATE " + t.Name.Facts().Binary
	}
	return text
}
