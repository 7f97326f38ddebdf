package statements

import (
	"fmt"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse"
)

// Attempt is one try to commit a batch.
type Attempt struct {
	Target
	Export  string
	ViewSet int
	// Stage is the prefix of its tables, see StageName.
	Stage string
	// At dates the ledger.
	At time.Time
	// Documents lets the engine compute the rows of views from documents, instead of staging the
	// rows.
	Documents bool
	// KnownDeletes lets a delete lose if the id has no head.
	KnownDeletes bool
	// Replaces removes all resources of the type first.
	Replaces bool
	// Lines sends all rows as lines of JSON, for engines that refuse our Parquet.
	Lines bool
}

// The tables of a stage.
const (
	partFile   = "file"
	partHead   = "head"
	partWinner = "winner"
	partView   = "view_"
	partLarge  = "large_"
	partLines  = "lines_"
	partDoc    = "doc"
)

func (a Attempt) stage(part string) string {
	return tsql.Quote(a.loadSchema()) + "." + tsql.Quote(a.Stage+"_"+part)
}

// Files returns the stage of the batch's files with their known counts.
func (a Attempt) Files() Table {
	columns := []Column{
		{fileColumn, "int", true},
		{"file_key", a.name(keyLength), true},
		{"path", a.text("1024"), true},
		{"etag", a.text("256"), true},
		{"lines", "bigint", true},
		{"blank", "bigint", true},
		{"quarantined", "bigint", true},
		{"filtered", "bigint", true},
	}
	if a.Columnstores {
		columns = append(columns, Column{clippedColumn, "bigint", true})
	}
	return Table{
		Schema: a.loadSchema(), Name: a.Stage + "_" + partFile, Columns: sorted(columns),
	}
}

// Heads returns the stage of the lines that are resources.
func (a Attempt) Heads() Table {
	return Table{
		Schema: a.loadSchema(), Name: a.Stage + "_" + partHead, Spread: warehouse.IDColumn,
		Columns: sorted([]Column{
			{fileColumn, "int", true},
			{lineColumn, "bigint", true},
			{warehouse.IDColumn, a.name(idLength), true},
			{warehouse.VersionColumn, a.name(versionLength), true},
			{deletedColumn, "bit", true},
		}),
	}
}

// Rows returns the stage of the rows of a view.
func (a Attempt) Rows(v flatten.Table) Table {
	columns := []Column{
		{fileColumn, "int", true},
		{lineColumn, "bigint", true},
		{warehouse.IDColumn, a.name(idLength), true},
	}
	for _, c := range v.Columns {
		columns = append(columns, Column{Name: c.Name, Type: columnType(a.Target, v, c)})
	}
	return Table{
		Schema: a.loadSchema(), Name: a.Stage + "_" + partView + v.Name, Spread: warehouse.IDColumn,
		Columns: sorted(columns),
	}
}

// Docs returns the stage of the resources themselves.
func (a Attempt) Docs() Table {
	return Table{Schema: a.loadSchema(), Name: a.Stage + "_" + partDoc, Columns: []Column{
		{fileColumn, "int", true}, {lineColumn, "bigint", true}, {"doc", a.text("max"), true},
	}}
}

// Shred computes the staged rows of a view from the documents, with the view's SELECT body.
func (a Attempt) Shred(v *sof.View) (Statement, error) {
	text, err := tsql.Stage(v, a.Name,
		tsql.Shape{From: a.Docs().quoted(), Keys: []string{fileColumn, lineColumn}, ID: true},
		a.stage(partView+v.Name))
	if err != nil {
		return Statement{}, &fault.Error{
			Class:  fault.Permanent,
			Err:    fmt.Errorf("view %s cannot be computed by %s: %w", v.Name, a.Name, err),
			Remedy: "set WarehouseTransform to native (load: --transform native)",
		}
	}
	return a.labelled("shred "+v.Name, text), nil
}

// winners is created before the transaction, which has no DDL, and filled in it. On engines that
// enforce keys, its key proves one winner per id.
func (a Attempt) winners() Table {
	return Table{
		Schema: a.loadSchema(), Name: a.Stage + "_" + partWinner, Key: []string{warehouse.IDColumn},
		Spread: warehouse.IDColumn,
		Columns: []Column{
			{warehouse.IDColumn, a.name(idLength), true},
			{warehouse.VersionColumn, a.name(versionLength), true},
			{deletedColumn, "bit", true},
			{fileColumn, "int", true},
			{lineColumn, "bigint", true},
		},
	}
}

// CreateStage creates the tables of the attempt, outside of the transaction.
func (a Attempt) CreateStage() []Statement {
	tables := []Table{a.Files(), a.Heads(), a.winners()}
	if a.Documents {
		tables = append(tables, a.Docs())
	}
	for _, v := range sortedViews(a.Views) {
		// For documents the dedicated pool creates these tables together with their rows.
		if !a.Documents || a.Name.Facts().Stage != tsql.CreateTableAs {
			tables = append(tables, a.Rows(v))
		}
	}
	out := make([]Statement, len(tables))
	for i, t := range tables {
		out[i] = Statement{"stage " + strings.TrimPrefix(t.Name, a.Stage+"_"), a.create(t)}
	}
	return out
}

// DropStage drops the tables of the attempt.
func (a Attempt) DropStage() []Statement {
	parts := []string{partFile, partHead, partWinner}
	if a.Documents {
		parts = append(parts, partDoc)
	}
	if a.Lines {
		parts = append(parts, partLines+partFile, partLines+partHead)
	}
	for _, v := range sortedViews(a.Views) {
		parts = append(parts, partView+v.Name)
		if (a.LongestRow > 0 || a.Lines) && !a.Documents {
			parts = append(parts, partLarge+v.Name)
		}
	}
	out := make([]Statement, len(parts))
	for i, p := range parts {
		out[i] = drop(a.loadSchema(), a.Stage+"_"+p)
		out[i].Step = "drop stage " + p
	}
	return out
}

// CountQuery counts the rows of a stage.
func (a Attempt) CountQuery(t Table) Statement {
	return a.labelled("count "+strings.TrimPrefix(t.Name, a.Stage+"_"),
		"SELECT COUNT_BIG(*) AS [n] FROM "+t.quoted()+" AS s")
}

// labelled marks a statement for the engine's monitoring.
func (a Attempt) labelled(step, text string) Statement {
	if a.Labels {
		text += "\nOPTION (LABEL = '" +
			strings.ReplaceAll("fhirsynapse:"+a.Type+":"+strings.TrimPrefix(a.Stage, stagePrefix)+
				":"+strings.ReplaceAll(step, " ", "-"), "'", "''") + "')"
	}
	return Statement{step, text}
}

// The steps whose results the caller checks.
const (
	StepBegin  = "begin"
	StepLock   = "lock"   // sqlserver: a result below zero; else: rows affected, at least one
	StepCheck  = "check"  // one row per file whose lines do not add up
	StepCommit = "commit" // after it only the ledger tells the outcome
)

// Transaction returns the statements of the commit in order, for one connection.
func (a Attempt) Transaction() []Statement { return transaction{a}.all() }

// transaction writes the statements of the commit itself.
type transaction struct{ Attempt }

func (a transaction) all() []Statement {
	out := append(a.begin(), a.dropKnown()...)
	if a.Replaces {
		out = append(out, a.empty()...)
	}
	out = append(out, a.chooseWinners())
	for _, v := range sortedViews(a.Views) {
		out = append(out, a.replaceRows(v)...)
	}
	out = append(out, a.replaceHeads()...)
	return append(out, a.writeLedger(), a.check(), Statement{StepCommit, "COMMIT TRANSACTION"})
}

// begin opens a transaction with exclusive access to the tables of the type.
func (a transaction) begin() []Statement {
	var out []Statement
	if a.Isolation {
		// A pooled session may have another isolation level.
		out = append(out, Statement{"isolation", "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"})
	}
	if a.AbortOnError {
		out = append(out, Statement{"abort on error", "SET XACT_ABORT ON"})
	}
	return append(out, Statement{StepBegin, "BEGIN TRANSACTION"}, a.exclude())
}

// lockTimeout bounds a committer's wait for another, in milliseconds.
const lockTimeout = 60000

func (a transaction) exclude() Statement {
	if a.Exclusion == LockRow {
		return a.labelled(StepLock,
			"UPDATE "+a.lock(a.Schema, a.Type).quoted()+" SET [attempt] = '"+
				strings.TrimPrefix(a.Stage, stagePrefix)+"' WHERE [k] = 1")
	}
	return a.appLock()
}

// appLock excludes other committers of the type until the transaction ends.
func (t Target) appLock() Statement {
	return Statement{StepLock, fmt.Sprintf(`DECLARE @result int
EXEC @result = sp_getapplock @Resource = %s, @LockMode = 'Exclusive', @LockOwner = 'Transaction', @LockTimeout = %d
SELECT @result AS [result]`, t.literal("fhirsynapse/"+strings.ToLower(t.Schema)+"/"+t.Type), lockTimeout)}
}

// dropKnown removes files that are in the ledger, and their lines, from the stage.
func (a transaction) dropKnown() []Statement {
	files, heads := a.stage(partFile), a.stage(partHead)
	return []Statement{
		a.labelled("drop known files",
			"DELETE FROM "+files+"\nWHERE [file_key] IN (SELECT l.[file_key] FROM "+
				a.ledger(a.Schema).quoted()+
				" AS l WHERE l.[export] = "+a.nameLiteral(a.Export)+")"),
		a.labelled("drop known lines",
			"DELETE FROM "+heads+"\nWHERE [_file] NOT IN (SELECT f.[_file] FROM "+files+" AS f)"),
	}
}

// empty removes all resources of the type, unless the ledger has a file of the export and type, or
// the stage is empty.
func (a transaction) empty() []Statement {
	where := "\nWHERE EXISTS (SELECT 1 FROM " + a.stage(partFile) +
		" AS f) AND NOT EXISTS (SELECT 1 FROM " + a.ledger(a.Schema).quoted() +
		" AS l WHERE l.[export] = " + a.nameLiteral(a.Export) + " AND l.[type] = " +
		a.nameLiteral(a.Type) + ")"
	out := []Statement{
		a.labelled("remove all heads", "DELETE FROM "+a.head(a.Schema, a.Type).quoted()+where),
	}
	for _, v := range sortedViews(a.Views) {
		out = append(out,
			a.labelled("remove all rows", "DELETE FROM "+a.view(a.Schema, v).quoted()+where))
	}
	return out
}

// chooseWinners selects the greatest version per id, and the first line among equal versions. It
// wins if it beats the head, or equals it and the head was written with an older view set.
func (a transaction) chooseWinners() Statement {
	unknown := "t.[_id] IS NULL"
	if a.KnownDeletes {
		unknown += " AND s.[_deleted] = 0"
	}
	return a.labelled("winners",
		fmt.Sprintf(`INSERT INTO %s ([_id], [_version], [_deleted], [_file], [_line])
SELECT s.[_id], s.[_version], s.[_deleted], s.[_file], s.[_line]
FROM (
  SELECT h.[_id], h.[_version], h.[_deleted], h.[_file], h.[_line],
    ROW_NUMBER() OVER (PARTITION BY h.[_id] ORDER BY h.[_version] DESC, h.[_file], h.[_line]) AS [place]
  FROM %s AS h
) AS s
LEFT JOIN %s AS t ON t.[_id] = s.[_id]
WHERE s.[place] = 1
  AND (%s OR s.[_version] > t.[_version] OR (s.[_version] = t.[_version] AND t.[_view_set] < %d))`,
			a.stage(partWinner), a.stage(partHead), a.head(a.Schema, a.Type).quoted(), unknown,
			a.ViewSet))
}

// ofWinners returns a condition for the rows of the winners' ids.
func (a transaction) ofWinners() string {
	return "\nWHERE [_id] IN (SELECT w.[_id] FROM " + a.stage(partWinner) + " AS w)"
}

// replaceRows deletes the rows of the winners' ids from a view's table and inserts the rows of the
// winning lines.
func (a transaction) replaceRows(v flatten.Table) []Statement {
	table := a.view(a.Schema, v)
	var columns []string
	for _, c := range v.Columns {
		columns = append(columns, c.Name)
	}
	from := ""
	if len(columns) > 0 {
		from = list("v", columns) + ",\n  "
	}
	// A version begins with its instant in nine digits; the column has milliseconds.
	return []Statement{
		a.labelled("delete "+v.Name, "DELETE FROM "+table.quoted()+a.ofWinners()),
		a.labelled("insert "+v.Name, fmt.Sprintf(`INSERT INTO %s (%s)
SELECT %sw.[_id], w.[_version], CAST(LEFT(w.[_version], 23) AS datetime2(3)), %s
FROM %s AS v
JOIN %s AS w ON w.[_id] = v.[_id] AND w.[_file] = v.[_file] AND w.[_line] = v.[_line]
WHERE w.[_deleted] = 0`,
			table.quoted(), list("", append(columns, keysOfRows...)), from, a.nameLiteral(a.Export),
			a.stage(partView+v.Name), a.stage(partWinner))),
	}
}

func (a transaction) replaceHeads() []Statement {
	head := a.head(a.Schema, a.Type).quoted()
	return []Statement{
		a.labelled("delete heads", "DELETE FROM "+head+a.ofWinners()),
		a.labelled("insert heads",
			fmt.Sprintf(`INSERT INTO %s ([_id], [_version], [_deleted], [_view_set])
SELECT w.[_id], w.[_version], w.[_deleted], %d
FROM %s AS w`, head, a.ViewSet, a.stage(partWinner))),
	}
}

func (a transaction) writeLedger() Statement {
	names, clipped := a.ledger(a.Schema).names(), ""
	if a.Columnstores {
		clipped = ", f.[" + clippedColumn + "]"
	}
	return a.labelled("insert ledger", fmt.Sprintf(`INSERT INTO %s (%s)
SELECT %s, f.[file_key], f.[path], f.[etag], %s, f.[lines], f.[blank], f.[quarantined], f.[filtered],
  ISNULL(w.[n], 0), ISNULL(s.[n], 0) - ISNULL(w.[n], 0), ISNULL(w.[deleted], 0), %d, CAST(%s AS datetime2(3))%s
FROM %s AS f
LEFT JOIN (SELECT h.[_file], COUNT_BIG(*) AS [n] FROM %s AS h GROUP BY h.[_file]) AS s ON s.[_file] = f.[_file]
LEFT JOIN (
  SELECT v.[_file], COUNT_BIG(*) AS [n], SUM(CASE WHEN v.[_deleted] = 1 THEN 1 ELSE 0 END) AS [deleted]
  FROM %s AS v GROUP BY v.[_file]
) AS w ON w.[_file] = f.[_file]`,
		a.ledger(a.Schema).quoted(), list("", names), a.nameLiteral(a.Export),
		a.nameLiteral(a.Type), a.ViewSet,
		a.nameLiteral(a.At.UTC().Format("2006-01-02T15:04:05.000")), clipped, a.stage(partFile),
		a.stage(partHead), a.stage(partWinner)))
}

// check verifies law 5 for the written rows; see docs/architecture.md#laws.
func (a transaction) check() Statement {
	return a.labelled(StepCheck,
		fmt.Sprintf(`SELECT l.[path], l.[lines], l.[applied] + l.[superseded] + l.[filtered] + l.[quarantined] + l.[blank] AS [accounted]
FROM %s AS l
JOIN %s AS f ON f.[file_key] = l.[file_key]
WHERE l.[export] = %s AND (l.[superseded] < 0 OR l.[applied] + l.[superseded] + l.[filtered] + l.[quarantined] + l.[blank] <> l.[lines])`,
			a.ledger(a.Schema).quoted(), a.stage(partFile), a.nameLiteral(a.Export)))
}
