package cli_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/query"
)

// A password can be outside the command line, and the error does not repeat it.
func TestAWarehouseIsReadFromAVariableOrAFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return "file:" + path
	}
	const server = "sqlserver://u:hunter2@h.example?database=x"
	env := map[string]string{
		"TO": server + "\n", "ODD": "Password=hunter2;Server=tcp:h.example",
		"DB": "duckdb:x.duckdb",
	}
	var asked []string
	c := commands()
	c.Runs.(*runs).load = func(_ context.Context, r batch.LoadRequest) (batch.LoadReport, error) {
		asked = append(asked, r.Scheme+":"+r.Rest)
		return batch.LoadReport{}, nil
	}
	c.Runs.(*runs).start = func(
		_ context.Context, r batch.StartRequest,
	) (out batch.StartReport, err error) {
		asked = append(asked, r.Scheme+":"+r.Rest)
		return out, nil
	}
	c.StubQuery(func(_ context.Context, db, _ string, _ func(query.Result) error) error {
		asked = append(asked, db)
		return nil
	})
	for _, to := range []string{"env:TO", file("to", server+"\r\n")} {
		asked = nil
		for _, args := range [][]string{
			{"load", "data", "--to", to},
			{"start", "--once", "--source", "https://h.example/fhir", "--to", to},
		} {
			run(t, c, env, args...)
		}
		if len(asked) != 2 || asked[0] != server || asked[1] != server {
			t.Errorf("%s: %q", to, asked)
		}
	}
	asked = nil
	for _, db := range []string{"env:DB", file("db", "x.duckdb"), "x.duckdb"} {
		run(t, c, env, "query", "--db", db, "select 1")
	}
	if got := strings.Join(asked, " "); got != "x.duckdb x.duckdb x.duckdb" {
		t.Errorf("databases: %s", got)
	}
	for to, want := range map[string]string{
		"env:NONE":                           "env:NONE is empty or not there",
		"file:" + filepath.Join(dir, "none"): "no such file", file("empty", " \n"): "is empty",
		"env:ODD":                       "--to must name a warehouse",
		"Password=hunter2;Server=tcp:h": "--to must name a warehouse",
		"hunter2":                       "--to must name a warehouse",
	} {
		for _, args := range [][]string{
			{"load", "data", "--to", to},
			{"start", "--once", "--source", "https://h.example/fhir", "--to", to},
		} {
			if got := run(t, c, env, args...); got.code != 2 || !strings.Contains(got.err, want) ||
				strings.Contains(got.err, "hunter2") {
				t.Errorf("%q: %+v", args, got)
			}
		}
	}
}
