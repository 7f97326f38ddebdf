package statements

import (
	"strings"

	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse"
)

// What an ALTER or DROP of a column waits for. SQL Server's page on ALTER TABLE
// (msdn.microsoft.com/library/ms190273): a column with an index, or with statistics of CREATE
// STATISTICS, can be altered only to a longer text of the same type, and not if the index belongs
// to a PRIMARY KEY; statistics that the optimizer made are dropped with it. An index that may stay
// refuses keys above its limit with error 1946 afterwards. The pool may differ. So whatever is
// ours, and on the pool what its optimizer made, is dropped in all cases and made again.

// release drops the indexes and statistics of ours on a column.
func release(t Target, table Table, column string) (out []Statement) {
	for _, i := range t.Layout.on(table).using(column) {
		if table.ours(i) || i.Kind == autoStatistic && t.Statistics {
			out = append(out, i.Drop())
		}
	}
	return out
}

// Others returns the statements that drop what others have made on a column of a view's table, as a
// text for an administrator; empty if there is nothing.
func Others(t Target, tableName, column string) string {
	var out []string
	for _, v := range t.Views {
		table := t.view(t.Schema, v)
		if !strings.EqualFold(table.Name, tableName) {
			continue
		}
		for _, i := range t.Layout.on(table).using(column) {
			columnstore := i.Kind == clustered && len(i.Columns) == 0
			if !table.ours(i) && !columnstore && i.Kind != autoStatistic {
				out = append(out, i.Drop().Text)
			}
		}
	}
	return strings.Join(out, "; ")
}

// rekey replaces a primary key that a changed view no longer keeps by an index that any rows
// fit in. Its columns may be NULL then. A table without a key of ours stays as it is.
func rekey(t Target, want Table, there map[string]Found) (out []Statement) {
	for _, i := range t.Layout.on(want) {
		if !t.Keys || i.Kind != primaryKey || !strings.EqualFold(i.Name, want.keyName()) ||
			same(i.Columns, want.Key) {
			continue
		}
		// The rows are not in a columnstore, whatever the setting says now.
		want.Cluster = warehouse.IDColumn
		out = append(out, i.Drop())
		for _, name := range i.Columns {
			if c, known := there[strings.ToLower(name)]; known &&
				!strings.EqualFold(name, want.Cluster) {
				out = append(out, Statement{
					"alter column " + want.Name + "." + name,
					"ALTER TABLE " + want.quoted() + " ALTER COLUMN " +
						Column{Name: c.Column, Type: c.spelt()}.definition(),
				})
			}
		}
		out = append(out, want.clusterBy())
	}
	return out
}

// clusterBy returns the statement that creates the clustered index of a table without a key.
func (t Table) clusterBy() Statement {
	return Statement{
		"create index " + t.Name,
		"CREATE CLUSTERED INDEX " + tsql.Quote("cx_"+t.Name) + " ON " + t.quoted() +
			" (" + tsql.Quote(t.Cluster) + ")",
	}
}
