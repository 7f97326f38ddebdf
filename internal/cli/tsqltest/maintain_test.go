package tsqltest_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fhirsynapse/internal/batch"
)

func TestTheTablesOfTheSchemaAreMaintained(t *testing.T) {
	t.Chdir(t.TempDir())
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "Patient.ndjson"),
		[]byte(`{"resourceType":"Patient","id":"a"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	db, server := standIn(t)
	to := server.URL("someone", "secret", "pool")
	if code, _, errs := run(t, "load", data, "--to", to); code != 0 {
		t.Fatal(errs)
	}
	before := db.Content("dbo")["patient"].Rows
	code, out, errs := run(t, "tables", "maintain", "--to", to, "--json")
	if code != 0 {
		t.Fatal(errs)
	}
	var report batch.MaintainReport
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, table := range report.Tables {
		names = append(names, table.Table)
		schema, name, _ := strings.Cut(table.Table, ".")
		want := []string{"ALTER INDEX ALL ON REORGANIZE", "UPDATE STATISTICS"}
		if got := db.Maintained(schema, name); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", table.Table, got, want)
		}
		if !strings.Contains(errs, "maintaining "+table.Table+", for ") {
			t.Errorf("%s was not told:\n%s", table.Table, errs)
		}
	}
	for _, want := range []string{"dbo.patient", "dbo.patient_name", "dbo_load._head_Patient"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not among %q", want, names)
		}
	}
	if slices.Contains(names, "dbo.observation") {
		t.Error("a table that is not there was maintained")
	}
	if after := db.Content("dbo")["patient"].Rows; len(before) != 1 || len(after) != 1 {
		t.Errorf("rows before %d, after %d", len(before), len(after))
	}
}

func TestAnEngineWithoutMaintenanceSaysSo(t *testing.T) {
	t.Parallel()
	code, _, errs := run(t, "tables", "maintain", "--to", "duckdb:x.duckdb")
	if code != 1 || !strings.Contains(errs, "the tables of duckdb need no maintenance") {
		t.Errorf("code %d, %s", code, errs)
	}
}
