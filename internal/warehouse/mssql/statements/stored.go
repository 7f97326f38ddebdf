package statements

import (
	"fmt"
	"slices"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/storage"
)

// Stored is how an existing table is stored: one row per column in Column, or one without.
type Stored struct {
	Schema, Table string
	Columnstore   bool
	// Column distributes the rows, or is one by which they are kept together; see StorageQuery.
	Column string
}

// StorageQuery returns the rows of Stored in the order of its fields, for the tables of the views.
// It reports false for an engine that has no choice, and for Fabric without a wish.
func StorageQuery(t Target) (Statement, bool) {
	columnstore, column, join := "0", "''", ""
	switch {
	case t.Columnstores:
		columnstore = "CASE WHEN i.[type] = 5 THEN 1 ELSE 0 END"
		join = "\nLEFT JOIN [sys].[indexes] AS i ON i.[object_id] = t.[object_id] AND i.[type] = 5"
	case !slices.ContainsFunc(t.Views, func(v flatten.Table) bool { return len(v.ClusterBy) > 0 }):
		return Statement{}, false
	default:
		column = "ISNULL(c.[name], '')"
		join = "\nLEFT JOIN [sys].[index_columns] AS x ON x.[object_id] = t.[object_id]" +
			" AND x.[data_clustering_ordinal] > 0" +
			"\nLEFT JOIN [sys].[columns] AS c ON c.[object_id] = x.[object_id]" +
			" AND c.[column_id] = x.[column_id]"
	}
	if t.Distributed {
		column = "ISNULL(c.[name], '')"
		join += "\nLEFT JOIN [sys].[pdw_column_distribution_properties] AS d" +
			" ON d.[object_id] = t.[object_id] AND d.[distribution_ordinal] = 1" +
			"\nLEFT JOIN [sys].[columns] AS c ON c.[object_id] = d.[object_id]" +
			" AND c.[column_id] = d.[column_id]"
	}
	names := make([]string, len(t.Views))
	for i, v := range sortedViews(t.Views) {
		names[i] = t.literal(v.Name)
	}
	return Statement{
		"storage", "SELECT s.[name] AS [schema_name], t.[name] AS [table_name], " + columnstore +
			" AS [columnstore], " + column + " AS [column_name]\nFROM [sys].[tables] AS t" +
			"\nJOIN [sys].[schemas] AS s ON s.[schema_id] = t.[schema_id]" + join +
			"\nWHERE s.[name] = " + t.literal(t.Schema) + " AND t.[name] IN (" +
			strings.Join(names, ", ") + ")",
	}, len(names) > 0
}

// Difference is a table that is not stored as its plan wants.
type Difference struct {
	Table string
	// Is and Wanted describe the storage, as in the settings.
	Is, Wanted string
	Remedy     string
}

// Differences compares the existing tables with the wishes of the views.
func Differences(t Target, stored []Stored) []Difference {
	var out []Difference
	for _, v := range sortedViews(t.Views) {
		is, there := storageOf(t, v, stored)
		wanted := storedAs(t.Engine, t.view(t.Schema, v))
		if there && !strings.EqualFold(is, wanted) {
			out = append(out, Difference{
				Table: t.Schema + "." + v.Name, Is: is, Wanted: wanted, Remedy: restoring(t, v),
			})
		}
	}
	return out
}

// restoring returns how a table gets another storage.
func restoring(t Target, v flatten.Table) string {
	if t.TransactionalDDL {
		return t.Rebuilding(t.Type)
	}
	return fmt.Sprintf("drop table %s.%s, and %s from a folder with the files of all exports since "+
		"the last full one", t.Schema, v.Name, t.Rebuilding(t.Type))
}

// storageOf describes the storage of an existing table.
func storageOf(t Target, v flatten.Table, stored []Stored) (text string, there bool) {
	var table Table
	for _, s := range stored {
		if !strings.EqualFold(s.Schema, t.Schema) || !strings.EqualFold(s.Table, v.Name) {
			continue
		}
		there, table.Columnstore = true, s.Columnstore
		switch {
		case s.Column == "":
		case t.Distributed:
			table.Spread = s.Column
		default:
			table.ClusterBy = append(table.ClusterBy, s.Column)
		}
	}
	return storedAs(t.Engine, table), there
}

// storedAs describes how a table is stored, as in CREATE TABLE.
func storedAs(e Engine, t Table) string {
	if e.Keys {
		return map[bool]string{false: "rows", true: "columnstore"}[t.Columnstore]
	}
	t.ClusterBy = slices.Sorted(slices.Values(t.ClusterBy)) // their order has no meaning
	text := strings.TrimSuffix(strings.TrimPrefix(e.placed(t), "\nWITH ("), ")")
	if text == "" {
		return "no clusters"
	}
	return text
}

// Overfull refuses a text that an existing columnstore has no room for, although its plan wants no
// columnstore any more.
func Overfull(t Target, stored []Stored) error {
	for _, v := range t.Views {
		i := slices.IndexFunc(stored, func(s Stored) bool {
			return s.Columnstore && strings.EqualFold(s.Table, v.Name)
		})
		if i < 0 || v.Columnstore || t.TransactionalDDL {
			continue // the engine's columnstore holds MAX
		}
		for _, c := range v.Columns {
			if n := t.Longest[v.Name+"."+c.Name].Characters; n > storage.Longest {
				return &fault.Error{
					Class: fault.Permanent,
					Err: fmt.Errorf("table %s.%s is a columnstore, which holds texts of %d "+
						"characters, and a text of its column %s is longer",
						t.Schema, v.Name, storage.Longest, c.Name),
					Remedy: "write " + storage.SettingStorage + ": columnstore, which cuts such texts, or " +
						restoring(t, v),
				}
			}
		}
	}
	return nil
}
