package statements

import (
	"fmt"

	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse"
)

// Replace returns the statements that replace a target's tables by the tables of another schema, in
// one transaction. The engine must support DDL in transactions. The caller checks results by step,
// see below.
func (t Target) Replace(from string, there Catalog) []Statement {
	out := []Statement{
		{"abort on error", "SET XACT_ABORT ON"},
		{StepBegin, "BEGIN TRANSACTION"},
		t.appLock(),
	}
	head := t.head(t.Schema, t.Type)
	made := t.head(from, t.Type).quoted()
	if there.Has(head.Name) {
		join := fmt.Sprintf("FROM %s AS h\nLEFT JOIN %s AS n ON n.[_id] = h.[_id]\n", head.quoted(), made)
		out = append(out,
			Statement{StepCompare, "SELECT COUNT_BIG(*) AS [n]\n" + join + "WHERE (n.[_id] IS NULL AND h.[_deleted] = 0) OR n.[_version] < h.[_version]"},
			// A full export does not list deleted resources, and older versions of them must lose.
			Statement{"keep tombstones", "INSERT INTO " + made + " ([_id], [_version], [_deleted], [_view_set])\nSELECT h.[_id], h.[_version], h.[_deleted], h.[_view_set]\n" +
				join + "WHERE n.[_id] IS NULL AND h.[_deleted] = 1"})
	}
	for _, table := range t.permanent() {
		if table.Name == warehouse.LedgerTable {
			continue
		}
		if there.Has(table.Name) {
			out = append(out, drop(t.Schema, table.Name))
		}
		out = append(out, Statement{"transfer " + table.Name, "ALTER SCHEMA " + tsql.Quote(t.Schema) + " TRANSFER " + tsql.Quote(from) + "." + tsql.Quote(table.Name)})
	}
	ledger := t.ledger(t.Schema)
	if !there.Has(ledger.Name) {
		out = append(out, Statement{"create table " + ledger.Name, t.create(ledger)})
	}
	columns := list("l", ledger.names())
	return append(out,
		Statement{"add ledger", "INSERT INTO " + ledger.quoted() + " (" + list("", ledger.names()) + ")\nSELECT " + columns + "\nFROM " + t.ledger(from).quoted() +
			" AS l\nWHERE l.[type] = " + t.nameLiteral(t.Type)},
		Statement{StepCommit, "COMMIT TRANSACTION"})
}

// Comparable reports whether the head, if it exists, has the expected form.
func (t Target) Comparable(there Catalog) bool {
	head := t.head(t.Schema, t.Type)
	if !there.Has(head.Name) {
		return true
	}
	todo, err := t.missing(head, there.columns(head.Name))
	return err == nil && len(todo) == 0
}

// StepCompare counts the resources that a replacement would lose.
const StepCompare = "compare"

// Discard returns the statements that drop all tables of a schema, and the schema.
func (t Target) Discard(there Catalog) []Statement {
	var out []Statement
	last := ""
	for _, f := range there {
		if f.Table != last {
			out = append(out, drop(t.Schema, f.Table))
			last = f.Table
		}
	}
	return append(out, Statement{"drop schema", "DROP SCHEMA " + tsql.Quote(t.Schema)})
}
