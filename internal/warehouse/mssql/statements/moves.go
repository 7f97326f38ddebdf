package statements

import (
	"fmt"
	"slices"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse"
)

// Older versions kept the loader's tables in the plan's schema. Moves moves them. A commit of an
// older version that is under way, or that begins at any moment, must not see an empty head: older
// versions of resources would win, and deleted ones come back. So the ledger goes first; a guard
// takes its place: a table of that name with another column, at which every commit of an older
// version fails. The heads follow when none can commit any more. Between the ledger and the guard
// an older version may make a ledger of its own; its heads are still where it looks for them, and
// its rows are added to the moved ledger.

// ownColumns are columns by which the loader's tables are known, by table or prefix.
var ownColumns = map[string]string{
	warehouse.LedgerTable:   "file_key",
	warehouse.HeadTable(""): viewSetColumn,
	lockPrefix:              "attempt",
}

// guardColumn is the only column of the table that stands where the ledger was.
const guardColumn = "moved_to_load_schema"

// Moving moves the tables of an older version.
type Moving struct{ Target }

// Move is a step of Moves. Unless Empty is empty, the step is possible only if its query counts no
// rows.
type Move struct {
	Statement
	Empty Statement
}

// Moves returns the steps that move the tables of an older version to the loader's schema, in their
// order. After a failure or a kill the steps for the new catalog continue. Old is the types whose
// heads are moved.
func (t Moving) Moves(there Catalog) (moves []Move, old []string) {
	add := func(s Statement) { moves = append(moves, Move{Statement: s}) }
	ledger := t.ledger(t.Schema)
	before := ledger
	before.Schema = t.Schema
	strays := t.strays(there)
	if len(strays) == 0 {
		return nil, nil
	}
	switch {
	case !isOwn(there, before):
		if !there.has(before) {
			add(t.guard())
		}
	case there.has(ledger):
		add(t.mergeLedger(before))
		add(drop(before.Schema, before.Name))
		add(t.guard())
	default:
		add(transfer(before, ledger.Schema))
		add(t.guard())
	}
	for _, stray := range strays {
		moved := stray
		moved.Schema = t.loadSchema()
		head := strings.HasPrefix(
			strings.ToLower(stray.Name),
			strings.ToLower(warehouse.HeadTable("")),
		)
		if head {
			old = append(old, stray.Name[len(warehouse.HeadTable("")):])
		}
		switch {
		case stray.Name == before.Name:
		case !there.has(moved):
			add(transfer(stray, moved.Schema))
		case head:
			moves = append(moves, Move{
				drop(stray.Schema, stray.Name),
				Statement{
					"count " + stray.Name,
					"SELECT COUNT_BIG(*) AS [n] FROM " + stray.quoted() + " AS h",
				},
			})
		default:
			add(drop(stray.Schema, stray.Name))
		}
	}
	return moves, old
}

// strays returns the loader's tables in the plan's schema.
func (t Moving) strays(there Catalog) []Table {
	var out []Table
	for i, f := range there {
		table := Table{Schema: f.Schema, Name: f.Table}
		if there.first(i) && strings.EqualFold(f.Schema, t.Schema) && isOwn(there, table) {
			out = append(out, table)
		}
	}
	return out
}

// isOwn reports whether a table is one of the loader's.
func isOwn(there Catalog, table Table) bool {
	for name, column := range ownColumns {
		if name == table.Name ||
			name != warehouse.LedgerTable && strings.HasPrefix(table.Name, name) {
			_, has := there.columns(table)[column]
			return has
		}
	}
	return false
}

// guard creates the table that stands where the ledger was.
func (t Moving) guard() Statement {
	g := Table{
		Schema:  t.Schema,
		Name:    warehouse.LedgerTable,
		Columns: []Column{{Name: guardColumn, Type: "int"}},
	}
	return Statement{"guard", t.create(g)}
}

// mergeLedger adds the files that an older version has committed since the ledger was moved. That
// version clips nothing.
func (t Moving) mergeLedger(from Table) Statement {
	ledger := t.ledger(t.Schema)
	names := slices.DeleteFunc(ledger.names(), func(name string) bool {
		return name == clippedColumn
	})
	return Statement{
		"merge ledger",
		"INSERT INTO " + ledger.quoted() + " (" + list("", names) + ")\nSELECT " +
			list("l", names) + "\nFROM " + from.quoted() + " AS l\nLEFT JOIN " + ledger.quoted() +
			" AS m ON m.[file_key] = l.[file_key]\nWHERE m.[file_key] IS NULL",
	}
}

// Exclude returns the statements that begin a transaction without other committers of some types,
// on engines that can move the tables in it.
func (t Moving) Exclude(types []string) []Statement {
	out := []Statement{{"abort on error", "SET XACT_ABORT ON"}, {StepBegin, "BEGIN TRANSACTION"}}
	for _, name := range types {
		of := t.Target
		of.Type = name
		out = append(out, of.appLock())
	}
	return out
}

// TwoHeads returns the refusal of a type with two heads, one in the plan's schema and one in the
// loader's, because an older version committed after the move.
func (t Moving) TwoHeads(m Move) error {
	table := strings.TrimPrefix(m.Step, "drop ")
	resource := table[len(warehouse.HeadTable("")):]
	return &fault.Error{
		Class: fault.Permanent,
		Err: fmt.Errorf(
			"schema %s has a table %s with rows, and schema %s another: an older version of fhirsynapse has loaded %[4]s beside this one, so that deleted resources may be back",
			t.Schema,
			table,
			t.loadSchema(),
			resource,
		),
		Remedy: "stop the older version, drop table " + t.Schema + "." + table + ", " +
			t.Rebuilding(resource),
	}
}

// MovedByHand returns the steps as statements for an administrator.
func (t Moving) MovedByHand(moves []Move) string {
	out := []string{"CREATE SCHEMA " + tsql.Quote(t.loadSchema()) + ", if it is missing"}
	for _, m := range moves {
		out = append(out, strings.Join(strings.Fields(m.Text), " "))
	}
	return strings.Join(out, "; ")
}
