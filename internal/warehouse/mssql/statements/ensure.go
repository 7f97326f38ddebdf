package statements

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse"
)

// Target is the tables of one resource type in a schema.
type Target struct {
	Engine
	Schema, Type string
	Views        []flatten.Table
	// Longest are the longest texts of a batch, by table.column. Columns have room for them.
	Longest map[string]tsql.Extent
	// Layout holds the rows of LayoutQuery.
	Layout Layout
}

// Statement is one batch of text with its step.
type Statement struct {
	Step, Text string
}

// loadSchema returns the schema of the loader's own tables.
func (t Target) loadSchema() string { return warehouse.LoadSchema(t.Schema) }

// Found is an existing column.
type Found struct {
	Schema, Table, Column, Type string
	// Length is the length of a text, -1 if it has no limit; 0 if the database does not report it.
	Length           int
	Precision, Scale int
	NotNull          bool
}

// Catalog is the columns of a plan's schema and of its loader's schema, by schema and table.
type Catalog []Found

// CatalogQuery returns the columns of Found, in its order.
func (t Target) CatalogQuery() Statement {
	return Statement{
		"catalog", `SELECT c.[TABLE_SCHEMA], c.[TABLE_NAME], c.[COLUMN_NAME], c.[DATA_TYPE], c.[CHARACTER_MAXIMUM_LENGTH], c.[NUMERIC_PRECISION], c.[NUMERIC_SCALE], c.[IS_NULLABLE]
FROM [INFORMATION_SCHEMA].[COLUMNS] AS c
WHERE ` + inSchemas(t, "c") + `
ORDER BY c.[TABLE_SCHEMA], c.[TABLE_NAME], c.[ORDINAL_POSITION]`,
	}
}

// HasHead reports whether the head of the type exists.
func (t Target) HasHead(there Catalog) bool { return there.has(t.head(t.Schema, t.Type)) }

func (c Catalog) has(table Table) bool { return len(c.columns(table)) > 0 }

func (c Catalog) hasSchema(schema string) bool {
	return slices.ContainsFunc(c, func(f Found) bool { return strings.EqualFold(f.Schema, schema) })
}

func (c Catalog) columns(table Table) map[string]Found {
	out := map[string]Found{}
	for _, f := range c {
		if strings.EqualFold(f.Schema, table.Schema) && strings.EqualFold(f.Table, table.Name) {
			out[strings.ToLower(f.Column)] = f
		}
	}
	return out
}

// longestName leaves room for the prefix of a stage within the 128 characters of an identifier.
const longestName = 80

// Schemas returns the plan's schema and the loader's.
func (t Target) Schemas() []string { return []string{t.Schema, t.loadSchema()} }

// inSchemas returns the condition that a row of the catalog belongs to one of Schemas.
func inSchemas(t Target, alias string) string {
	var parts []string
	for _, schema := range t.Schemas() {
		parts = append(parts, alias+".[TABLE_SCHEMA] = "+t.literal(schema))
	}
	return "(" + strings.Join(parts, " OR ") + ")"
}

// Lacks returns the schemas of a list without a table.
func (c Catalog) Lacks(schemas []string) []string {
	return slices.DeleteFunc(slices.Clone(schemas), c.hasSchema)
}

// SchemaQuery returns the id of a schema, or NULL if it does not exist.
func (e Engine) SchemaQuery(schema string) Statement {
	return Statement{"schema", "SELECT SCHEMA_ID(" + e.literal(schema) + ") AS [id]"}
}

// CreateSchema creates a schema. It must be a batch of its own.
func CreateSchema(schema string) Statement {
	return Statement{"create schema", "CREATE SCHEMA " + tsql.Quote(schema)}
}

// permanent returns the tables that are not part of a stage.
func (t Target) permanent() []Table {
	if t.Type == readersType {
		return t.readers(t.Schema)
	}
	tables := []Table{t.ledger(t.Schema), t.head(t.Schema, t.Type)}
	if t.Exclusion == LockRow {
		tables = append(tables, t.lock(t.Schema, t.Type))
	}
	for _, v := range t.Views {
		tables = append(tables, t.view(t.Schema, v))
	}
	return tables
}

// Ensure returns the statements that create missing tables and columns. Columns that the views no
// longer have stay; see Widen for columns that are too narrow. It refuses all data losses and
// manual changes together, as Permanent.
func (t Target) Ensure(there Catalog) ([]Statement, error) {
	var out []Statement
	var names, tables []error
	for _, v := range t.Views {
		names = append(names, usable(v))
	}
	for _, f := range there {
		if strings.EqualFold(f.Schema, t.loadSchema()) {
			names = append(names, warehouse.SameButCase(f.Table, t.Type))
		}
	}
	for _, want := range t.permanent() {
		more, err := t.missing(want, there.columns(want))
		out, tables = append(out, more...), append(tables, err)
	}
	refused := &fault.Error{
		Class: fault.Permanent, Err: errors.Join(errors.Join(names...), errors.Join(tables...)),
	}
	if refused.Err == nil {
		return out, nil
	}
	if errors.Join(tables...) != nil {
		refused.Remedy = "give the view's column another name, " + t.Rebuilding(t.Type)
	}
	return nil, refused
}

// Rebuilding returns the rebuild command for remedies. Engines that read files from a storage
// account need a place for them there.
func (t Target) Rebuilding(resource string) string {
	to := string(t.Name) + "://HOST?database=NAME"
	if t.Stage == CopyInto {
		to += " --staging https://ACCOUNT.blob.core.windows.net/CONTAINER"
	}
	return warehouse.Rebuilding(to, t.Schema, resource)
}

// LockRow inserts the row that committers update, if it is missing. Engines that need one have it
// in a table of Ensure.
func (t Target) LockRow() (Statement, bool) {
	l := t.lock(t.Schema, t.Type).quoted()
	return Statement{
			"lock row", "INSERT INTO " + l +
				" ([k], [attempt])\nSELECT 1, ''\nWHERE NOT EXISTS (SELECT 1 FROM " + l +
				" AS l WHERE l.[k] = 1)",
		},
		t.Exclusion == LockRow
}

// usable refuses names that SQL would merge or that are too long.
func usable(v flatten.Table) error {
	var faults []error
	if len(v.Name) > longestName {
		faults = append(faults,
			fmt.Errorf("view %s has a name of %d characters, at most %d are possible: shorten it",
				v.Name, len(v.Name), longestName))
	}
	seen := map[string]string{}
	for _, c := range v.Columns {
		key := strings.ToLower(c.Name)
		if other, twice := seen[key]; twice {
			faults = append(faults,
				fmt.Errorf("columns %s.%s and %s.%s differ in case at most, and are one to this engine: rename one", v.Name, other, v.Name, c.Name))
		}
		seen[key] = c.Name
	}
	return errors.Join(faults...)
}

// missing returns the statements for a missing table or its missing columns.
func (t Target) missing(want Table, there map[string]Found) (out []Statement, err error) {
	if len(there) == 0 {
		out = append(out, Statement{"create table " + want.Name, t.create(want)})
		if t.Keys && want.Cluster != "" && len(want.Key) == 0 {
			out = append(out, want.clusterBy())
		}
		return out, nil
	}
	out = rekey(t, want, there)
	var faults []error
	for _, c := range want.Columns {
		got, known := there[strings.ToLower(c.Name)]
		switch {
		case known:
			faults = append(faults, got.refused(c))
		case c.NotNull:
			faults = append(faults,
				fmt.Errorf("table %s.%s has no column %s: it was changed by hand; add the column back as %s",
					want.Schema, want.Name, c.Name, c.Type))
		default:
			out = append(out, t.addColumn(want, c))
		}
	}
	return out, errors.Join(faults...)
}

// RowVersionsQuery reads whether readers see row versions.
func RowVersionsQuery() Statement {
	return Statement{
		"row versions",
		"SELECT d.[is_read_committed_snapshot_on] AS [is_on] FROM [sys].[databases] AS d WHERE d.[name] = DB_NAME()",
	}
}

// CollationQuery reads the collation of the database.
func CollationQuery() Statement {
	return Statement{
		"collation", "SELECT d.[collation_name] AS [collation] FROM [sys].[databases] AS d WHERE d.[name] = DB_NAME()",
	}
}

// CheckCollation refuses a collation that merges ids which differ only in case.
func CheckCollation(collation string) error {
	upper := strings.ToUpper(collation)
	if strings.Contains(upper, "_BIN") || strings.Contains(upper, "_CS_") {
		return nil
	}
	return &fault.Error{
		Class: fault.Permanent,
		Err: fmt.Errorf(
			"the collation %s of the warehouse does not tell ids apart that differ in case only",
			collation),
		Remedy: "make a warehouse with the collation Latin1_General_100_BIN2_UTF8 (the default of Fabric) and load into that",
	}
}

const (
	stagePrefix = "_stage_"
	stageHour   = "2006010215"
)

// StageName returns the prefix of the tables of an attempt for the nth group of files. It includes
// the hour, because not all engines report a table's age.
func StageName(now time.Time, attempt string, try, group int) string {
	name := fmt.Sprintf("%s%s_%s_%d", stagePrefix, now.UTC().Format(stageHour), attempt, try)
	if group > 0 {
		name += fmt.Sprintf("_%d", group)
	}
	return name
}

var stageName = regexp.MustCompile(`(?i)^` + stagePrefix + `(\d{10})_`)

// Abandoned returns the statements that drop stages older than an instant. No attempt lives that
// long.
func (c Catalog) Abandoned(before time.Time) []Statement {
	var out []Statement
	for i, f := range c {
		m := stageName.FindStringSubmatch(f.Table)
		if m == nil || !c.first(i) {
			continue
		}
		if made, err := time.Parse(stageHour, m[1]); err == nil && made.Before(before) {
			out = append(out, drop(f.Schema, f.Table))
		}
	}
	return out
}

// first reports whether a column is the first of its table.
func (c Catalog) first(i int) bool {
	return i == 0 || c[i-1].Schema != c[i].Schema || c[i-1].Table != c[i].Table
}

func drop(schema, table string) Statement {
	return Statement{"drop " + table, "DROP TABLE " + tsql.Quote(schema) + "." + tsql.Quote(table)}
}

// LedgerThere returns the schemas that have a ledger: the loader's, or the plan's for tables of an
// older version; see Moves.
func (t Target) LedgerThere() Statement {
	return Statement{"ledger there", `SELECT c.[TABLE_SCHEMA]
FROM [INFORMATION_SCHEMA].[COLUMNS] AS c
WHERE ` + inSchemas(t, "c") + ` AND c.[TABLE_NAME] = ` +
		t.literal(warehouse.LedgerTable) + ` AND c.[COLUMN_NAME] = ` +
		t.literal(ownColumns[warehouse.LedgerTable])}
}

// LedgerQuery lists the committed files of an export in the ledger of one of the schemas of
// LedgerThere.
func (t Target) LedgerQuery(schema, export string) Statement {
	ledger := t.ledger(t.Schema)
	if strings.EqualFold(schema, t.Schema) {
		ledger.Schema = t.Schema
	}
	return Statement{
		"ledger", `SELECT l.[path], l.[etag], l.[type], l.[lines], l.[applied], l.[superseded], l.[filtered], l.[quarantined], l.[blank], l.[deleted]
FROM ` + ledger.quoted() + ` AS l
WHERE l.[export] = ` + t.nameLiteral(export) + `
ORDER BY l.[committed_at], l.[path], l.[etag]`,
	}
}

// RowsQuery counts the rows that an export wrote into a table.
func (t Target) RowsQuery(table, export string) Statement {
	return Statement{
		"count " + table,
		"SELECT COUNT_BIG(*) AS [n]\nFROM " + tsql.Quote(t.Schema) + "." + tsql.Quote(table) +
			" AS t\nWHERE t.[_export] = " + t.nameLiteral(export),
	}
}

// sortedViews makes the text of a commit independent of the order of the views.
func sortedViews(views []flatten.Table) []flatten.Table {
	return slices.SortedFunc(slices.Values(views), func(a, b flatten.Table) int {
		return cmp.Compare(a.Name, b.Name)
	})
}

// keysOfRows are the reserved columns of a view's table, in order.
var keysOfRows = []string{
	warehouse.IDColumn, warehouse.VersionColumn, warehouse.LastUpdatedColumn,
	warehouse.ExportColumn,
}
