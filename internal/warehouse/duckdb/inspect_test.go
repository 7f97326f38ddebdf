package duckdb

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/testkit/pipelinetest"
	"fhirsynapse/internal/warehouse"
)

func TestInspectDescribesAFile(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	table := flatten.Table{
		Name: "patient", Resource: "Patient",
		Columns: []sof.Column{{Name: "family"}, {Name: "born", Kind: sof.Date}},
	}
	plans := func(tables ...flatten.Table) []warehouse.PlanTables {
		return []warehouse.PlanTables{{Plan: "nightly", Schema: "fhir", Tables: tables}}
	}
	look := func(path string, p []warehouse.PlanTables) warehouse.Inspection {
		t.Helper()
		got, err := engine{}.Inspect(t.Context(), path+"?memory_limit=256MB", p)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	finding := func(what string, f warehouse.Finding, level warehouse.Level, text string) {
		t.Helper()
		if f.Level != level || !strings.Contains(f.Text+"\n"+f.Remedy, text) {
			t.Errorf("%s: level %d: %s -> %s; want %d, %q", what, f.Level, f.Text, f.Remedy, level,
				text)
		}
	}
	none := look(store.path, plans(table))
	finding("engine", none.Engine, warehouse.Fine, "DuckDB v1.")
	finding("no file", none.Rights, warehouse.Fine, "the first commit makes it")
	finding("no tables", none.Drift[0], warehouse.Fine, "do not exist yet")
	if _, err := os.Stat(filepath.Dir(store.path)); err == nil {
		t.Error("the folder was made")
	}

	w, err := Open(store.options(t, pipelinetest.NewMemoryLake(nowOf(start)), crashViews.Tables))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.alone(t.Context(), func(db *database) error {
		return db.ensure(t.Context(), "fhir", "Patient", []flatten.Table{table})
	}); err != nil {
		t.Fatal(err)
	}
	there := look(store.path, plans(table))
	finding("a file", there.Rights, warehouse.Fine, "read and written")
	finding("the same tables", there.Drift[0], warehouse.Fine, "match the views")

	wider := table
	wider.Columns = append(table.Columns[:2:2], sof.Column{Name: "given"})
	finding("a new column", look(store.path, plans(wider)).Drift[0], warehouse.Worth,
		"add column patient.given")
	other := table
	other.Columns = []sof.Column{{Name: "family"}, {Name: "born", Kind: sof.Integer}}
	finding("another type", look(store.path, plans(other)).Drift[0], warehouse.Wrong,
		"fhirsynapse load")
	finding("another type", look(store.path, plans(other)).Drift[0], warehouse.Wrong,
		"column patient.born is DATE in the database and INTEGER in the view")

	text := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(text, []byte("not a database at all"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (engine{}).Inspect(t.Context(), text, nil); err == nil ||
		!strings.Contains(err.Error(), "is not a DuckDB file") {
		t.Errorf("a text: %v", err)
	}
	below := filepath.Join(text, "x", "fhir.duckdb")
	if _, err := (engine{}).Inspect(t.Context(), below, nil); err == nil {
		t.Error("a file below a file")
	}
}
