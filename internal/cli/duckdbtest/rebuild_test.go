package duckdbtest_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// view returns a folder with a view of patients, with a column of the given type.
func view(t *testing.T, typ string) (folder string) {
	t.Helper()
	folder = t.TempDir()
	write(t, folder, "born.json",
		`{"resourceType":"ViewDefinition","name":"born","status":"active","resource":"Patient","select":[{"column":[
		{"name":"id","path":"getResourceKey()","type":"id"},{"name":"day","path":"birthDate","type":"date"`+typ+`}]}]}`)
	return folder
}

func write(t *testing.T, folder, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A refusal names a command; the test runs that command unchanged.
func TestARefusedViewIsRebuiltByTheCommandNamed(t *testing.T) {
	t.Parallel()
	data, db := t.TempDir(), filepath.Join(t.TempDir(), "fhir.duckdb")
	write(t, data, "Patient.1.ndjson",
		`{"resourceType":"Patient","id":"a","meta":{"lastUpdated":"2026-01-01T00:00:00Z"},"birthDate":"1970-01-01"}
{"resourceType":"Patient","id":"b","meta":{"lastUpdated":"2026-01-01T00:00:00Z"},"birthDate":"1980-01-01"}
`)
	write(t, data, "Device.ndjson",
		`{"resourceType":"Device","id":"x","meta":{"lastUpdated":"2026-01-01T00:00:00Z"}}`)
	if code, _, errs := run(t, "load", data, "--to", "duckdb:"+db, "--schema", "nightly", "--views",
		view(t, "")); code != 0 {
		t.Fatal(errs)
	}
	incremental := t.TempDir()
	write(t, incremental, "Patient.2.ndjson",
		`{"resourceType":"Patient","id":"a","meta":{"lastUpdated":"2026-01-02T00:00:00Z"},"birthDate":"1971-01-01"}`)
	dates := view(t, `,"tag":[{"name":"ansi/type","value":"DATE"}]`)
	code, _, errs := run(t, "load", incremental, "--to", "duckdb:"+db, "--schema", "nightly",
		"--views", dates)
	said := regexp.MustCompile(
		`fhirsynapse (load) DIR (--to) duckdb:FILE (--schema) (nightly) (--rebuild=Patient), where`)
	m := said.FindStringSubmatch(errs)
	if code != 1 || m == nil ||
		!strings.Contains(errs, "column born.day is VARCHAR in the database and DATE in the view") {
		t.Fatalf("code %d, %s", code, errs)
	}
	ask := func() string {
		t.Helper()
		code, out, errs := run(t, "query", "--db", db, "--csv",
			`select day, typeof(day), (select count(*) from nightly.device) from nightly.born order by id`)
		if code != 0 {
			t.Fatal(errs)
		}
		return out
	}
	old := ask()
	code, _, errs = run(t, m[1], incremental, m[2], "duckdb:"+db, m[3], m[4], m[5], "--views",
		dates)
	if code != 1 ||
		!strings.Contains(errs,
			"1 resources of Patient in schema nightly are not in what was loaded") || ask() != old {
		t.Fatalf("of a part: code %d, %s, %s", code, errs, ask())
	}
	write(t, incremental, "Patient.1.ndjson",
		`{"resourceType":"Patient","id":"b","meta":{"lastUpdated":"2026-01-01T00:00:00Z"},"birthDate":"1980-01-01"}`)
	code, out, errs := run(t, m[1], incremental, m[2], "duckdb:"+db, m[3], m[4], m[5], "--views",
		dates)
	if code != 0 || !strings.Contains(out, "loaded 2 resources") {
		t.Fatalf("code %d, %s%s", code, out, errs)
	}
	if got := ask(); !strings.HasSuffix(got, "\n1971-01-01,DATE,1\n1980-01-01,DATE,1\n") {
		t.Errorf("rebuilt: %s", got)
	}
	// Later loads accept the rebuilt tables.
	if code, _, errs := run(t, "load", data, "--to", "duckdb:"+db, "--schema", "nightly", "--views",
		dates); code != 0 {
		t.Error(errs)
	}
	const left = `select count(*) as n from duckdb_schemas()
		where schema_name like '\_rebuild%' escape '\'`
	if code, out, errs := run(t, "query", "--db", db, "--csv", left); code != 0 ||
		!strings.HasSuffix(out, "0\n") {
		t.Errorf("left behind: code %d, %q, %s", code, out, errs)
	}
}

func TestRebuildOfAllTypesAndOfNone(t *testing.T) {
	t.Parallel()
	data, db := t.TempDir(), filepath.Join(t.TempDir(), "fhir.duckdb")
	write(t, data, "Patient.ndjson", `{"resourceType":"Patient","id":"a"}`)
	write(t, data, "Device.ndjson", `{"resourceType":"Device","id":"x"}`)
	for range 2 { // the first time without tables
		if code, out, errs := run(t, "load", data, "--to", "duckdb:"+db, "--rebuild"); code != 0 ||
			!strings.Contains(out, "loaded 2 resources") {
			t.Errorf("code %d, %s%s", code, out, errs)
		}
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{
			[]string{"--to", "csv:" + t.TempDir(), "--rebuild"},
			2,
			"--rebuild is only for a database",
		},
		{
			[]string{"--to", "duckdb:" + db, "--rebuild=Encounter,Patient"},
			1,
			"no file of the folder has resources of Encounter",
		},
		{[]string{"--to", "duckdb:" + db, "--rebuild", "Patient"}, 2, "one argument too many"},
	} {
		if code, _, errs := run(t, append([]string{"load", data}, c.args...)...); code != c.code ||
			!strings.Contains(errs, c.want) {
			t.Errorf("%v: code %d, %s", c.args, code, errs)
		}
	}
}
