package statements

import (
	"cmp"
	"slices"
	"strings"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse"
)

// Column is a column of a table. Type includes its collation.
type Column struct {
	Name, Type string
	NotNull    bool
}

// Table is a table of the warehouse.
type Table struct {
	Schema, Name string
	Columns      []Column
	// Key is enforced if the engine does that; Cluster is the sort order of the rows; Spread is the
	// distribution column, empty for round robin.
	Key     []string
	Cluster string
	Spread  string
	// Columnstore stores the rows by columns, in place of Cluster. ClusterBy are the columns by
	// which an engine without indexes keeps rows together.
	Columnstore bool
	ClusterBy   []string
	// Indexes are the columns of each nonclustered index, and Estimated those with statistics of
	// their own, on engines that have them.
	Indexes   [][]string
	Estimated []string
}

// The reserved columns in addition to package warehouse's.
const (
	fileColumn    = "_file"
	lineColumn    = "_line"
	deletedColumn = "_deleted"
	viewSetColumn = "_view_set"
)

// clippedColumn counts the texts of a file that were cut for a columnstore, in the ledger. Ledgers
// of older versions get it later.
const clippedColumn = "clipped"

// quoted returns the table's name for a statement.
func (t Table) quoted() string { return tsql.Quote(t.Schema) + "." + tsql.Quote(t.Name) }

// spelt returns the table's name for a message.
func (t Table) spelt() string { return t.Schema + "." + t.Name }

// definition returns a column as in CREATE TABLE and ALTER TABLE.
func (c Column) definition() string {
	if c.NotNull {
		return tsql.Quote(c.Name) + " " + c.Type + " NOT NULL"
	}
	return tsql.Quote(c.Name) + " " + c.Type + " NULL"
}

// create returns the statement that creates the table.
func (e Engine) create(t Table) string {
	var parts []string
	keyed := e.Keys && len(t.Key) > 0 && !t.Columnstore
	for _, c := range t.Columns {
		c.NotNull = c.NotNull || keyed && has(t.Key, c.Name)
		parts = append(parts, c.definition())
	}
	if keyed {
		name := ""
		if t.Cluster != "" { // may have to be dropped one day, see rekey
			name = "CONSTRAINT " + tsql.Quote(t.keyName()) + " "
		}
		parts = append(parts, name+"PRIMARY KEY ("+list("", t.Key)+")")
	}
	if e.Keys && t.Columnstore {
		parts = append(parts, "INDEX "+tsql.Quote("cci_"+t.Name)+" CLUSTERED COLUMNSTORE")
	}
	text := "CREATE TABLE " + t.quoted() + " (\n  " + strings.Join(parts, ",\n  ") + "\n)"
	return text + e.placed(t)
}

// placed returns how a table is stored, for engines whose CREATE TABLE tells it.
func (e Engine) placed(t Table) string {
	form, spread := "HEAP", "ROUND_ROBIN"
	if t.Columnstore {
		form = "CLUSTERED COLUMNSTORE INDEX"
	}
	if t.Spread != "" {
		spread = "HASH(" + tsql.Quote(t.Spread) + ")"
	}
	switch {
	case e.Distributed:
		return "\nWITH (" + form + ", DISTRIBUTION = " + spread + ")"
	case len(t.ClusterBy) > 0:
		return "\nWITH (CLUSTER BY (" + list("", t.ClusterBy) + "))"
	}
	return ""
}

// keyName returns the name of the primary key, which is unique in a schema.
func (t Table) keyName() string { return "pk_" + t.Name }

// list returns the names, quoted and qualified.
func list(alias string, names []string) string {
	if alias != "" {
		alias += "."
	}
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = alias + tsql.Quote(n)
	}
	return strings.Join(quoted, ", ")
}

func (t Table) names() []string {
	out := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		out[i] = c.Name
	}
	return out
}

// Lengths of texts. A version is an instant, a number of 20 digits, a versionId of at most 64
// characters and a digit, with slashes: 118.
const (
	idLength      = "128"
	versionLength = "128"
	exportLength  = "128"
	keyLength     = "64" // of SHA-256 in hexadecimal
)

// instantType is the type of the reserved instants.
const instantType = "datetime2(3)"

// ledger returns the table of committed files of a plan's schema. It is in the loader's schema,
// like the heads and the locks.
func (e Engine) ledger(schema string) Table {
	t := Table{
		Schema: warehouse.LoadSchema(schema), Name: warehouse.LedgerTable,
		Key: []string{"export", "file_key"}, Spread: "file_key", Estimated: []string{"file_key"},
		Columns: []Column{
			{"export", e.name(exportLength), true},
			{"file_key", e.name(keyLength), true},
			{"path", e.text("1024"), true},
			{"etag", e.text("256"), true},
			{"type", e.name("64"), true},
			{"lines", "bigint", true},
			{"blank", "bigint", true},
			{"quarantined", "bigint", true},
			{"filtered", "bigint", true},
			{"applied", "bigint", true},
			{"superseded", "bigint", true},
			{"deleted", "bigint", true},
			{"view_set", "int", true},
			{"committed_at", instantType, true},
		},
	}
	if e.Columnstores {
		t.Columns = append(t.Columns, Column{clippedColumn, "bigint", false})
	}
	return t
}

// head returns the table of the newest versions of a resource type.
func (e Engine) head(schema, resource string) Table {
	return Table{
		Schema: warehouse.LoadSchema(schema), Name: warehouse.HeadTable(resource),
		Key: []string{warehouse.IDColumn}, Spread: warehouse.IDColumn,
		Estimated: []string{warehouse.IDColumn},
		Columns: []Column{
			{warehouse.IDColumn, e.name(idLength), true},
			{warehouse.VersionColumn, e.name(versionLength), true},
			{deletedColumn, "bit", true},
			{viewSetColumn, "int", true},
		},
	}
}

// lock returns the table with the one row that committers of a type update first.
func (e Engine) lock(schema, resource string) Table {
	t := Table{
		Schema: warehouse.LoadSchema(schema), Name: lockPrefix + resource,
		Columns: []Column{{"k", "int", true}, {"attempt", e.name("64"), true}},
	}
	if e.Distributed {
		t.Columns = append(t.Columns, Column{replacedColumn, "bigint", false})
	}
	return t
}

const lockPrefix = "_lock_"

// view returns the table of a view.
func (t Target) view(schema string, v flatten.Table) Table {
	out := Table{
		Schema: schema, Name: v.Name, Cluster: warehouse.IDColumn,
		Spread: cmp.Or(v.Spread, warehouse.IDColumn), Columnstore: v.Columnstore,
		ClusterBy: v.ClusterBy, Estimated: estimated(v),
	}
	if v.Keyed {
		out.Key = append([]string{warehouse.IDColumn}, v.RowKey...)
	}
	if v.Columnstore {
		out.Cluster = ""
	} else {
		out.Indexes = sought(v)
	}
	for _, c := range v.Columns {
		out.Columns = append(out.Columns, Column{Name: c.Name, Type: columnType(t, v, c)})
	}
	out.Columns = append(out.Columns,
		Column{warehouse.IDColumn, t.name(idLength), true},
		Column{warehouse.VersionColumn, t.name(versionLength), true},
		Column{warehouse.LastUpdatedColumn, instantType, true},
		Column{warehouse.ExportColumn, t.name(exportLength), true},
	)
	return out
}

// sorted sorts the columns as in a Parquet file, because COPY INTO goes by position.
func sorted(columns []Column) []Column {
	slices.SortFunc(columns, func(a, b Column) int { return strings.Compare(a.Name, b.Name) })
	return columns
}
