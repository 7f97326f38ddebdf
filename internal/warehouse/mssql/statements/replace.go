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
	if there.has(head) {
		join := fmt.Sprintf("FROM %s AS h\nLEFT JOIN %s AS n ON n.[_id] = h.[_id]\n", head.quoted(),
			made)
		out = append(out,
			Statement{
				StepCompare, "SELECT COUNT_BIG(*) AS [n]\n" + join +
					"WHERE (n.[_id] IS NULL AND h.[_deleted] = 0) OR n.[_version] < h.[_version]",
			},
			// A full export does not list deleted resources, and older versions of them must lose.
			Statement{
				"keep tombstones",
				"INSERT INTO " + made +
					" ([_id], [_version], [_deleted], [_view_set])\nSELECT h.[_id], h.[_version], h.[_deleted], h.[_view_set]\n" +
					join + "WHERE n.[_id] IS NULL AND h.[_deleted] = 1",
			})
	}
	beside := t
	beside.Schema = from
	for i, table := range t.permanent() {
		if table.Name == warehouse.LedgerTable {
			continue
		}
		if there.has(table) {
			out = append(out, drop(table.Schema, table.Name))
		}
		out = append(out, transfer(beside.permanent()[i], table.Schema))
	}
	ledger := t.ledger(t.Schema)
	if !there.has(ledger) {
		out = append(out, Statement{"create table " + ledger.Name, t.create(ledger)})
	}
	if there.has(ledger) {
		// A ledger that was changed by hand fails the INSERT.
		added, _ := t.missing(ledger, there.columns(ledger))
		out = append(out, added...)
	}
	columns := list("l", ledger.names())
	return append(out,
		Statement{
			"add ledger", "INSERT INTO " + ledger.quoted() + " (" + list("", ledger.names()) +
				")\nSELECT " + columns + "\nFROM " + t.ledger(from).quoted() +
				" AS l\nWHERE l.[type] = " + t.nameLiteral(t.Type),
		},
		Statement{StepCommit, "COMMIT TRANSACTION"})
}

// transfer moves a table to another schema.
func transfer(table Table, to string) Statement {
	return Statement{
		"transfer " + table.Name, "ALTER SCHEMA " + tsql.Quote(to) + " TRANSFER " + table.quoted(),
	}
}

// Comparable reports whether the head, if it exists, has the expected form.
func (t Target) Comparable(there Catalog) bool {
	head := t.head(t.Schema, t.Type)
	if !there.has(head) {
		return true
	}
	todo, err := t.missing(head, there.columns(head))
	return err == nil && len(todo) == 0
}

// StepCompare counts the resources that a replacement would lose.
const StepCompare = "compare"

// Discard returns the statements that drop all tables of a catalog, and its schemas that exist.
func Discard(there Catalog, schemas []string) []Statement {
	var out []Statement
	for i, f := range there {
		if there.first(i) {
			out = append(out, drop(f.Schema, f.Table))
		}
	}
	for _, schema := range schemas {
		out = append(out, Statement{"drop schema", "DROP SCHEMA " + tsql.Quote(schema)})
	}
	return out
}
