package statements

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse"
)

// Repair returns the statements that create missing parts, as Ensure does, and recreate view
// columns that do not fit, without values. Reserved columns describe the content and are not
// recreated: if they were changed manually, it refuses and names the tables to drop. The statements
// can be run again after any of them.
func (t Target) Repair(there Catalog) ([]Statement, error) {
	r := warehouse.Repair{Schema: t.Schema, Type: t.Type}
	ledger, head := warehouse.LedgerTable, t.head(t.Schema, t.Type)
	var names []error
	var rows []string // existing tables of views
	for _, v := range t.Views {
		names = append(names, usable(v))
		if table := t.view(t.Schema, v); there.has(table) {
			rows = append(rows, table.spelt())
		}
	}
	if err := errors.Join(names...); err != nil {
		return nil, &fault.Error{Class: fault.Permanent, Err: err}
	}
	if len(rows) > 0 && !there.has(head) {
		return nil, r.ByHand(
			fmt.Errorf("schema %s has no table %s, so that it cannot be told which resources the tables have", head.Schema, head.Name), rows...)
	}
	out, fitting := t.refit(there)
	var faults []error
	var drop []string
	for _, want := range t.permanent() {
		more, err := t.missing(want, fitting.columns(want))
		out = append(out, more...)
		switch {
		case err == nil:
		case want.Name == ledger:
			return nil, &fault.Error{
				Class: fault.Permanent, Err: err,
				Remedy: "change the column back, and rebuild again",
			}
		case want.Name == head.Name:
			// Rows without a head would never be deleted.
			faults, drop = append(faults, err), append(append(drop, head.spelt()), rows...)
		default:
			faults, drop = append(faults, err), append(drop, want.spelt())
		}
	}
	if err := errors.Join(faults...); err != nil {
		slices.Sort(drop)
		return nil, r.ByHand(err, slices.Compact(drop)...)
	}
	return out, nil
}

// refit recreates the view columns that do not fit, and returns the resulting catalog. A column is
// added immediately after it is dropped, because readers miss it in between.
func (t Target) refit(there Catalog) (out []Statement, after Catalog) {
	after = slices.Clone(there)
	for _, v := range t.Views {
		table := t.view(t.Schema, v)
		for _, c := range table.Columns {
			i := slices.IndexFunc(after, func(f Found) bool {
				return strings.EqualFold(f.Schema, table.Schema) &&
					strings.EqualFold(f.Table, table.Name) && strings.EqualFold(f.Column, c.Name)
			})
			if i < 0 || !after[i].refits(t, c) {
				continue
			}
			c.NotNull = false // until the rows are written again
			out = append(out, release(t, table, c.Name)...)
			out = append(out,
				Statement{
					StepDropColumn + table.Name + "." + c.Name,
					"ALTER TABLE " + table.quoted() + " DROP COLUMN " + tsql.Quote(after[i].Column),
				},
				t.addColumn(table, c))
			after[i] = Found{
				Schema: table.Schema, Table: table.Name, Column: c.Name,
				Type: typeParts.FindStringSubmatch(c.Type)[1],
			}
		}
	}
	return out, after
}

// refits reports whether a column must be dropped and added again. The reserved columns describe
// the content and stay, except the instant, which the version has too.
func (f Found) refits(t Target, want Column) bool {
	if want.NotNull && want.Name != warehouse.LastUpdatedColumn {
		return false
	}
	fit := f.fit(want)
	return fit == unfit || fit == narrow && t.FixedTypes
}

func (t Target) addColumn(to Table, c Column) Statement {
	return Statement{
		"add column " + to.Name + "." + c.Name,
		"ALTER TABLE " + to.quoted() + " ADD " + c.definition(),
	}
}

// StepDropColumn is the prefix of steps that drop a column.
const StepDropColumn = "drop column "

// Live counts the live resources of the tables.
func (t Target) Live() Statement {
	return Statement{
		"count live", "SELECT COUNT_BIG(*) AS [n]\nFROM " + t.head(t.Schema, t.Type).quoted() +
			" AS h\nWHERE h.[_deleted] = 0",
	}
}

// unwritten is the view set of a resource that must be written again, in any version. Every commit
// has a greater view set, so a tie rewrites it.
const unwritten = 0

// Forget is the transaction after which no live resource counts as written.
func (t Target) Forget() []Statement {
	a := Attempt{Target: t, Stage: stagePrefix + "rebuild"}
	return append(transaction{a}.begin(),
		a.labelled("forget",
			fmt.Sprintf("UPDATE %s SET [_view_set] = %d WHERE [_deleted] = 0 AND [_view_set] > %[2]d",
				t.head(t.Schema, t.Type).quoted(), unwritten)),
		Statement{StepCommit, "COMMIT TRANSACTION"})
}

// Unwritten counts the live resources that no commit has written since Forget.
func (t Target) Unwritten() Statement {
	return Statement{
		"count unwritten", fmt.Sprintf("%s AND h.[_view_set] = %d", t.Live().Text, unwritten),
	}
}
