package statements

import (
	"strings"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse"
)

// ChangesQuery returns the last commit of each resource type that wrote rows: its time, and the
// number of its views. Without a ledger it reports false. Before the first commit of this
// version the ledger is in the plan's schema.
func ChangesQuery(t Target, there Catalog) (Statement, bool) {
	ledger := t.ledger(t.Schema)
	if !there.has(ledger) {
		ledger.Schema = t.Schema
	}
	if !there.has(ledger) {
		return Statement{}, false
	}
	return Statement{
		"last commits",
		"SELECT l.[type], MAX(l.[committed_at]) AS [committed_at], " +
			"MAX(l.[view_set]) AS [view_set]\nFROM " + ledger.quoted() + " AS l\nWHERE l.[applied] > 0\nGROUP BY l.[type]",
	}, true
}

// CompleteQuery returns the greatest end of the exports that loaded everything, by plan.
// Without a table of exports it reports false.
func CompleteQuery(t Target, there Catalog) (Statement, bool) {
	exports := Table{Schema: t.Schema, Name: warehouse.ExportsTable}
	return Statement{
		"last exports",
		"SELECT e.[plan_name], MAX(e.[till]) AS [till]\nFROM " + exports.quoted() +
			" AS e\nWHERE e.[state] = 'loaded'\nGROUP BY e.[plan_name]",
	}, there.has(exports)
}

// RowCountsQuery returns the names and the numbers of rows of the tables in the plan's
// schema. approximate is set if the engine keeps the numbers and calls them approximate.
//
//   - SQL Server keeps the number, in sys.partitions, which any right on a table makes visible;
//     sys.dm_db_partition_stats has the same and needs VIEW DATABASE STATE.
//   - The dedicated pool keeps it in sys.dm_pdw_nodes_db_partition_stats, one row for each
//     distribution, and needs that right. sys.partitions is as old as the statistics there.
//   - Fabric lists sys.partitions too, but the maintainers of dbt-fabric report that none of its
//     system views has the exact number, so the rows are counted.
func RowCountsQuery(t Target, there Catalog) (st Statement, approximate bool) {
	const step = "count the rows"
	of := "\nJOIN [sys].[schemas] AS s ON s.[schema_id] = t.[schema_id]"
	where := "\nWHERE s.[name] = " + t.literal(t.Schema) +
		" AND p.[index_id] IN (0, 1)\nGROUP BY t.[name]"
	switch {
	case t.Distributed:
		return Statement{step, "SELECT t.[name] AS [table_name], SUM(p.[row_count]) AS [n]" +
			"\nFROM [sys].[tables] AS t" + of +
			"\nJOIN [sys].[pdw_permanent_table_mappings] AS m ON m.[object_id] = t.[object_id]" +
			"\nJOIN [sys].[pdw_nodes_tables] AS n ON n.[name] = m.[physical_name]" +
			"\nJOIN [sys].[dm_pdw_nodes_db_partition_stats] AS p ON p.[object_id] = n.[object_id]" +
			" AND p.[pdw_node_id] = n.[pdw_node_id] AND p.[distribution_id] = n.[distribution_id]" +
			where}, true
	case t.Keys:
		return Statement{step, "SELECT t.[name] AS [table_name], SUM(p.[rows]) AS [n]" +
			"\nFROM [sys].[tables] AS t" + of +
			"\nJOIN [sys].[partitions] AS p ON p.[object_id] = t.[object_id]" + where}, true
	}
	var counts []string
	for _, v := range sortedViews(t.Views) {
		table := t.view(t.Schema, v)
		if there.has(table) {
			counts = append(counts, "SELECT "+t.literal(v.Name)+
				" AS [table_name], COUNT_BIG(*) AS [n] FROM "+table.quoted()+" AS t")
		}
	}
	return Statement{step, strings.Join(counts, "\nUNION ALL\n")}, false
}

// Exists reports whether the table of a view exists.
func Exists(t Target, v flatten.Table, there Catalog) bool {
	return there.has(t.view(t.Schema, v))
}

// Compare returns the differences between the table of a view and the view. A text that is too
// short is none: commits widen it.
func Compare(t Target, v flatten.Table, there Catalog) (out []warehouse.TableDrift) {
	want := t.view(t.Schema, v)
	columns := there.columns(want)
	if len(columns) == 0 {
		if (Target{Engine: t.Engine, Schema: t.Schema, Type: v.Resource}).HasHead(there) {
			return []warehouse.TableDrift{warehouse.TableMissing()}
		}
		return nil
	}
	known := map[string]bool{}
	for _, c := range want.Columns {
		key := strings.ToLower(c.Name)
		known[key] = true
		switch got, has := columns[key]; {
		case !has:
			out = append(out, warehouse.ColumnMissing(c.Name))
		case got.refused(c) != nil:
			is, _, _ := strings.Cut(c.Type, " COLLATE ")
			out = append(out, warehouse.TypeChanged(c.Name, got.spelt(), is))
		}
	}
	return append(out, warehouse.ExtraColumns(columns, known)...)
}

// RightToCount returns the statement that grants the right which counting takes in addition to the
// rights of a loader; empty if there is none.
func RightToCount(e Engine) string {
	if !e.Distributed {
		return ""
	}
	return "GRANT VIEW DATABASE STATE TO " + tsql.Quote("PRINCIPAL")
}
