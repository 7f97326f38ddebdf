package cli_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/warehouse"
)

var listedAt = time.Date(2026, 11, 30, 7, 30, 0, 0, time.UTC)

// patients is a table that is complete.
func patients() warehouse.ListedTable {
	rows := int64(1204)
	return warehouse.ListedTable{
		Plan: "nightly", Schema: "fhir", Table: "patient", Type: "Patient", Exists: true,
		Rows: &rows, ChangedAt: listedAt.Add(time.Minute), CompleteAt: listedAt,
		Drift: []warehouse.TableDrift{},
	}
}

// drifting is a table that is behind and has a column too many.
func drifting(drift ...warehouse.TableDrift) warehouse.ListedTable {
	t := patients()
	t.Table, t.Type, t.Drift = "observation", "Observation", drift
	return t
}

func TestTablesAreListed(t *testing.T) {
	t.Parallel()
	c := commands()
	extra := warehouse.TableDrift{
		Kind: warehouse.DriftExtraColumn, Column: "x", Text: "column x is not in the view",
	}
	late := drifting(extra)
	late.CompleteAt, late.Behind, late.Approximate = listedAt.Add(-time.Hour), true, true
	none := warehouse.ListedTable{
		Plan: "nightly", Schema: "fhir", Table: "condition", Type: "Condition",
		Drift: []warehouse.TableDrift{},
	}
	list := []warehouse.ListedTable{patients(), late, none}
	c.Tables = planned{"nightly": {Tables: list, Notes: []string{"views differ"}}, "": {}}
	got := run(t, c, nil, "tables", "list", "nightly")
	for _, want := range []string{
		"│ nightly │ fhir.patient     │ Patient     │ 1204 │ 2026-11-30T07:31:00Z │ 2026-11-30T07:30:00Z        │ none ",
		"│ 2026-11-30T06:30:00Z behind │ column x is not in the view │",
		"│ nightly │ fhir.condition   │ Condition   │      │                      │                             │ no commit of the type yet   │",
		"\nviews differ\nrows are the count that the server keeps, which it calls approximate\n",
	} {
		if !strings.Contains(got.out, want) {
			t.Errorf("no %q in:\n%s", want, got.out)
		}
	}
	if got.code != 0 {
		t.Errorf("code %d: %s", got.code, got.err)
	}
	got = run(t, c, nil, "tables", "list", "nightly", "--json")
	var back []warehouse.ListedTable
	if err := json.Unmarshal([]byte(got.out), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(list, back); diff != "" || !strings.HasSuffix(got.err, "views differ\n") {
		t.Errorf("%s%s", got.err, diff)
	}
	if got := run(t, c, nil, "tables", "list"); got.code != 0 ||
		got.out != "there are no tables yet: the first export makes them\n" {
		t.Errorf("%+v", got)
	}
	if got := run(t, c, nil, "tables", "list", "--json"); got.code != 0 || got.out != "[]\n" {
		t.Errorf("%+v", got)
	}
	if got := run(t, c, nil, "tables", "list", "weekly"); got.code != 1 ||
		!strings.Contains(got.err, "there is no such plan") {
		t.Errorf("%+v", got)
	}
}

func TestTablesThatDriftHaveAnExitCode(t *testing.T) {
	t.Parallel()
	missing := warehouse.ColumnMissing("given")
	behind := patients()
	behind.Behind = true
	for name, c := range map[string]struct {
		table warehouse.ListedTable
		code  int
	}{
		"the same": {patients(), 0},
		"a column that the view lost": {drifting(warehouse.TableDrift{
			Kind: warehouse.DriftExtraColumn,
		}), 0},
		"earlier views":    {drifting(warehouse.TableDrift{Kind: warehouse.DriftOlderViews}), 0},
		"a missing column": {drifting(missing, missing), 3},
		"behind":           {behind, 3},
	} {
		commands := commands()
		commands.Tables = planned{"": {Tables: []warehouse.ListedTable{c.table}}}
		if got := run(t, commands, nil, "tables", "list"); got.code != 0 {
			t.Errorf("%s: %+v", name, got)
		}
		got := run(t, commands, nil, "tables", "list", "--check", "--json")
		if got.code != c.code || !strings.HasPrefix(got.out, "[") ||
			(c.code == 3) != strings.Contains(got.err, "of 1 table, ") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestRowsThatAreNotKnownAreTold(t *testing.T) {
	t.Parallel()
	c := commands()
	unknown := patients()
	unknown.Rows, unknown.Uncounted = nil, "a count would read all files"
	c.Tables = planned{"": {
		Tables: []warehouse.ListedTable{unknown}, Unknown: []string{unknown.Uncounted},
	}}
	got := run(t, c, nil, "tables", "list")
	if got.code != 3 || !strings.Contains(got.out, "│    ? │") ||
		!strings.HasSuffix(got.err, "fhirsynapse: a count would read all files\n") {
		t.Errorf("%+v", got)
	}
}

func TestTheTablesOfAWarehouseAreListed(t *testing.T) {
	t.Parallel()
	c := commands()
	var asked batch.TablesRequest
	c.Runs.(*runs).tables = func(
		_ context.Context, q batch.TablesRequest,
	) (warehouse.Listing, error) {
		asked = q
		return warehouse.Listing{Tables: []warehouse.ListedTable{patients()}}, nil
	}
	got := run(t, c, nil, "tables", "list", "--to", "sqlserver://h?database=x", "--schema", "s",
		"--views", "v")
	want := batch.TablesRequest{
		Scheme: "sqlserver", Rest: "//h?database=x", Schema: "s", Views: "v",
	}
	if got.code != 0 || asked != want || !strings.Contains(got.out, "fhir.patient") {
		t.Errorf("%+v, asked for %+v", got, asked)
	}
	for _, args := range [][]string{
		{"nightly", "--to", "duckdb:x"},
		{"--schema", "fhir"},
		{"nightly", "--views", "v"},
		{"a", "b"},
		{"--to", "x"},
	} {
		if got := run(t, c, nil, append([]string{"tables", "list"}, args...)...); got.code != 2 {
			t.Errorf("%q: %+v", args, got)
		}
	}
}
