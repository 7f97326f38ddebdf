package duckdbtest_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fhirsynapse/internal/warehouse"
)

// A view that got a column since the load is drift, until the next commit of the type.
func TestTablesListComparesAFileWithViews(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data, views := filepath.Join(dir, "data"), filepath.Join(dir, "views")
	for path, text := range map[string]string{
		filepath.Join(data, "Patient.ndjson"): `{"resourceType":"Patient","id":"a"}` + "\n",
		filepath.Join(views, "patient_key.json"): `{"resourceType":"ViewDefinition","status":"active",
			"name":"patient_key","resource":"Patient","select":[{"column":[
			{"name":"id","path":"getResourceKey()"},{"name":"gender","path":"gender"}]}]}`,
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	to := "duckdb:" + filepath.Join(dir, "x.duckdb")
	list := func(args ...string) (code int, of map[string]warehouse.ListedTable, errs string) {
		t.Helper()
		args = append([]string{"tables", "list", "--to", to, "--json"}, args...)
		code, out, errs := run(t, args...)
		var all []warehouse.ListedTable
		if err := json.Unmarshal([]byte(out), &all); err != nil {
			t.Fatalf("code %d, %v: %s%s", code, err, out, errs)
		}
		of = map[string]warehouse.ListedTable{}
		for _, x := range all {
			of[x.Table] = x
		}
		return code, of, errs
	}
	if code, of, errs := list("--check"); code != 0 || len(of) != 0 {
		t.Errorf("no file: code %d, %v, %s", code, of, errs)
	}
	if code, _, errs := run(t, "load", data, "--to", to); code != 0 {
		t.Fatal(errs)
	}
	code, of, errs := list("--check")
	if p := of["patient"]; code != 0 || p.Rows == nil || *p.Rows != 1 || p.Approximate ||
		!strings.Contains(errs, "complete as of is not known") {
		t.Errorf("code %d, %+v, %s", code, p, errs)
	}
	code, of, errs = list("--check", "--views", views)
	added := of["patient_key"]
	if code != 3 || added.Exists || len(added.Drift) != 1 ||
		added.Drift[0].Kind != warehouse.DriftMissingTable ||
		!strings.Contains(errs, "1 lack something of their views") {
		t.Errorf("code %d, %+v, %s", code, added, errs)
	}
	if code, _, errs := run(t, "tables", "list", "--to", "parquet:"+dir); code != 1 ||
		!strings.Contains(errs, "there are no tables to list in parquet") {
		t.Errorf("code %d, %s", code, errs)
	}
}
