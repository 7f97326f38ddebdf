package statements

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse"
)

// The kinds of Index, as LayoutQuery spells them.
const (
	primaryKey    = "key"
	constraint    = "constraint" // UNIQUE
	clustered     = "clustered"
	nonclustered  = "index"
	filtered      = "filtered"
	ownStatistics = "statistics" // by CREATE STATISTICS
	autoStatistic = "automatic"
	rowCount      = "rows"
)

// Index is an existing index of a table, or statistics on its columns.
type Index struct {
	Schema, Table, Name, Kind string
	// Columns are the key columns in their order. Other holds the columns that are only included.
	Columns, Other []string
	// Updated is the last update of statistics, zero if the engine does not tell.
	Updated time.Time
	// Rows is the number of rows at that time, of a Kind "rows".
	Rows int64
}

// Layout is the indexes and statistics on the tables of a type.
type Layout []Index

// Part is a row of LayoutQuery: one column of an Index, or the rows of a table.
type Part struct {
	Schema, Table, Name, Kind, Column string
	// Number is the position of a key column, 0 for an included one; or the number of rows.
	Number  int64
	Updated time.Time
}

// LayoutOf returns the layout that the rows of LayoutQuery describe.
func LayoutOf(parts []Part) Layout {
	slices.SortStableFunc(parts, func(a, b Part) int { return cmp.Compare(a.Number, b.Number) })
	var out Layout
	for _, p := range parts {
		i := slices.IndexFunc(out, func(x Index) bool {
			return x.Schema == p.Schema && x.Table == p.Table && x.Name == p.Name &&
				x.Kind == p.Kind
		})
		if i < 0 {
			i = len(out)
			out = append(out, Index{
				Schema: p.Schema, Table: p.Table, Name: p.Name, Kind: p.Kind, Updated: p.Updated,
			})
		}
		switch {
		case p.Kind == rowCount:
			out[i].Rows += p.Number // one for each partition
		case p.Number == 0:
			out[i].Other = append(out[i].Other, p.Column)
		default:
			out[i].Columns = append(out[i].Columns, p.Column)
		}
	}
	return out
}

// LayoutQuery returns the rows of Part in the order of its fields, for the tables of the type. It
// reports false for an engine that has no indexes and makes its statistics itself.
func LayoutQuery(t Target) (Statement, bool) {
	if !t.Keys && !t.Statistics {
		return Statement{}, false
	}
	var tables, schemas []string
	for _, table := range t.permanent() {
		tables = append(tables, t.literal(table.Name))
	}
	for _, name := range t.Schemas() {
		schemas = append(schemas, t.literal(name))
	}
	of := func(alias string) string {
		return "\nJOIN [sys].[tables] AS t ON t.[object_id] = " + alias + ".[object_id]\n" +
			"JOIN [sys].[schemas] AS s ON s.[schema_id] = t.[schema_id]\n"
	}
	where := "\nWHERE s.[name] IN (" + strings.Join(schemas, ", ") + ") AND t.[name] IN (" +
		strings.Join(tables, ", ") + ")"
	updated := "CAST(NULL AS datetime2(3))"
	if t.Statistics {
		updated = "CAST(STATS_DATE(a.[object_id], a.[stats_id]) AS datetime2(3))"
	}
	text := "SELECT s.[name] AS [schema_name], t.[name] AS [table_name], i.[name] AS [name], " +
		"CASE WHEN i.[is_primary_key] = 1 THEN 'key' WHEN i.[is_unique_constraint] = 1 THEN 'constraint' " +
		"WHEN i.[type] IN (1, 5) THEN 'clustered' WHEN i.[has_filter] = 1 THEN 'filtered' ELSE 'index' END AS [kind], " +
		"c.[name] AS [column_name], CAST(x.[key_ordinal] AS bigint) AS [number], CAST(NULL AS datetime2(3)) AS [updated]\n" +
		"FROM [sys].[indexes] AS i" + of("i") +
		"JOIN [sys].[index_columns] AS x ON x.[object_id] = i.[object_id] AND x.[index_id] = i.[index_id]\n" +
		"JOIN [sys].[columns] AS c ON c.[object_id] = x.[object_id] AND c.[column_id] = x.[column_id]" +
		where + "\nUNION ALL\n" +
		"SELECT s.[name], t.[name], a.[name], " +
		"CASE WHEN a.[auto_created] = 1 THEN 'automatic' ELSE 'statistics' END, " +
		"c.[name], CAST(x.[stats_column_id] AS bigint), " + updated + "\n" +
		"FROM [sys].[stats] AS a" + of("a") +
		"JOIN [sys].[stats_columns] AS x ON x.[object_id] = a.[object_id] AND x.[stats_id] = a.[stats_id]\n" +
		"JOIN [sys].[columns] AS c ON c.[object_id] = x.[object_id] AND c.[column_id] = x.[column_id]" +
		where + " AND (a.[auto_created] = 1 OR a.[user_created] = 1)"
	if t.Statistics {
		// The pool's own count is as old as the statistics; see the page on them.
		text += "\nUNION ALL\nSELECT s.[name], t.[name], '', 'rows', '', p.[rows], CAST(NULL AS datetime2(3))\n" +
			"FROM [sys].[partitions] AS p" + of("p") + strings.TrimPrefix(where, "\n") +
			" AND p.[index_id] IN (0, 1)"
	}
	return Statement{"layout", text}, true
}

// on returns the indexes and statistics of a table.
func (l Layout) on(t Table) Layout {
	return slices.DeleteFunc(slices.Clone(l), func(i Index) bool {
		return !strings.EqualFold(i.Schema, t.Schema) || !strings.EqualFold(i.Table, t.Name)
	})
}

// Without returns the layout after statements that drop some of it.
func (l Layout) Without(dropped []Statement) Layout {
	return slices.DeleteFunc(slices.Clone(l), func(i Index) bool {
		return slices.Contains(dropped, i.Drop())
	})
}

// using returns those that depend on a column.
func (l Layout) using(column string) Layout {
	return slices.DeleteFunc(slices.Clone(l), func(i Index) bool {
		return !has(i.Columns, column) && !has(i.Other, column)
	})
}

func has(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}

// isStatistics reports whether i is statistics.
func (i Index) isStatistics() bool { return i.Kind == ownStatistics || i.Kind == autoStatistic }

// Drop returns the statement that drops an index, a constraint or statistics.
func (i Index) Drop() Statement {
	table := Table{Schema: i.Schema, Name: i.Table}.quoted()
	step := StepDropIndex + i.Table + "." + i.Name
	switch {
	case i.isStatistics():
		return Statement{step, "DROP STATISTICS " + table + "." + tsql.Quote(i.Name)}
	case i.Kind == primaryKey || i.Kind == constraint:
		return Statement{step, "ALTER TABLE " + table + " DROP CONSTRAINT " + tsql.Quote(i.Name)}
	}
	return Statement{step, "DROP INDEX " + tsql.Quote(i.Name) + " ON " + table}
}

// StepDropIndex is the prefix of steps that drop an index or statistics.
const StepDropIndex = "drop index "

// sought returns the columns by which people find and join the rows of a view: the columns of an
// index each. A code comes with the view's first time, because series are read by both.
func sought(v flatten.Table) [][]string {
	class := map[string]sof.Class{}
	var times []string
	for _, c := range v.Columns {
		switch {
		case c.Kind == sof.Text && !c.Collection:
			class[strings.ToLower(c.Name)] = c.Class
		case c.Kind == sof.Timestamp:
			times = append(times, c.Name)
		}
	}
	var out [][]string
	for _, name := range []string{"id", "patient_id", "encounter_id"} {
		if class[name] == sof.Key {
			out = append(out, []string{name})
		}
	}
	if class["code"] == sof.Code {
		out = append(out, append([]string{"code"}, times[:min(len(times), 1)]...))
	}
	return out
}

// estimated returns the columns of a view that have statistics.
func estimated(v flatten.Table) (columns []string) {
	columns = append(columns, warehouse.IDColumn)
	for _, of := range sought(v) {
		columns = append(columns, of[0])
	}
	for _, c := range v.Columns {
		if c.Kind == sof.Timestamp {
			columns = append(columns, c.Name)
		}
	}
	return columns
}

// mostKeyBytes is the size of the key of a nonclustered index, from SQL Server 2016 on. An index
// above it can be made, and refuses longer rows with error 1946.
const mostKeyBytes = 1700

// keyBytes returns the most bytes of a column in the key of an index.
func keyBytes(typ string) int {
	word, _, _ := typeOf(typ)
	switch {
	case strings.HasSuffix(word, "char"):
		return MostBytes(typ)
	case word == "decimal":
		return 17
	}
	return 8 // a datetime2, a bigint, and all that is shorter
}

// indexName returns the name of an index or of statistics of ours. It is unique in its table.
func indexName(prefix, column string) string {
	const most = 128
	if prefix == statisticsPrefix && strings.EqualFold(column, "id") {
		return prefix + "key" // by_id is on _id
	}
	name := prefix + strings.TrimPrefix(column, "_")
	return name[:min(len(name), most)]
}

const (
	indexPrefix      = "ix_"
	statisticsPrefix = "by_"
)

// ours reports whether Missing makes an index or statistics like this one.
func (t Table) ours(i Index) bool {
	if len(i.Other) > 0 {
		return false
	}
	switch i.Kind {
	case nonclustered:
		return slices.ContainsFunc(t.Indexes, func(of []string) bool {
			return strings.EqualFold(i.Name, indexName(indexPrefix, of[0])) && same(i.Columns, of)
		})
	case ownStatistics:
		return len(i.Columns) == 1 &&
			strings.EqualFold(i.Name, indexName(statisticsPrefix, i.Columns[0]))
	}
	return false
}

// same reports whether two lists have the same names in the same order.
func same(a, b []string) bool { return slices.EqualFunc(a, b, strings.EqualFold) }

// Missing returns the statements that create the indexes and statistics that the tables lack, to be
// run once there are rows. One that somebody else made on the same columns takes the place of ours.
func Missing(t Target, there Catalog) []Statement {
	var out []Statement
	for _, table := range t.permanent() {
		l := t.Layout.on(table)
		switch {
		case t.Keys:
			out = append(out, missingIndexes(table, there, l)...)
		case t.Statistics:
			out = append(out, missingStatistics(table, l)...)
		}
	}
	return out
}

// Existing returns the target with the views that have tables.
func Existing(t Target, there Catalog) Target {
	t.Views = slices.DeleteFunc(slices.Clone(t.Views), func(v flatten.Table) bool {
		return !there.has(t.view(t.Schema, v))
	})
	return t
}

func missingIndexes(table Table, there Catalog, l Layout) (out []Statement) {
	columns := there.columns(table)
	for _, of := range table.Indexes {
		name := indexName(indexPrefix, of[0])
		if tooWide(table, columns, of) || slices.ContainsFunc(l, func(i Index) bool {
			return strings.EqualFold(i.Name, name) || !i.isStatistics() && i.Kind != filtered &&
				len(i.Columns) >= len(of) && same(i.Columns[:len(of)], of)
		}) {
			continue
		}
		out = append(out, Statement{
			StepIndex + table.Name,
			"CREATE NONCLUSTERED INDEX " + tsql.Quote(name) + " ON " + table.quoted() + " (" +
				list("", of) + ")",
		})
	}
	return out
}

// StepIndex is the prefix of steps that create an index.
const StepIndex = "index "

// tooWide reports whether columns are too long for the key of an index, once they are widened.
func tooWide(table Table, there map[string]Found, of []string) bool {
	bytes := 0
	for _, c := range table.Columns {
		if !has(of, c.Name) {
			continue
		}
		typ := c.Type
		if got, known := there[strings.ToLower(c.Name)]; known {
			if got.fit(c) == narrow {
				typ = got.widened(c.Type)
			} else {
				typ = got.spelt()
			}
		}
		n := keyBytes(typ)
		if n > mostKeyBytes {
			return true
		}
		bytes += n
	}
	return bytes > mostKeyBytes
}

func missingStatistics(table Table, l Layout) (out []Statement) {
	for _, c := range table.Estimated {
		name := indexName(statisticsPrefix, c)
		if slices.ContainsFunc(l, func(i Index) bool {
			return strings.EqualFold(i.Name, name) ||
				i.isStatistics() && len(i.Columns) > 0 && strings.EqualFold(i.Columns[0], c)
		}) {
			continue
		}
		out = append(out, Statement{
			"statistics " + table.Name,
			"CREATE STATISTICS " + tsql.Quote(name) + " ON " + table.quoted() + " (" +
				tsql.Quote(c) + ")",
		})
	}
	return out
}
