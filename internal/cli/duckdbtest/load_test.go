// Package duckdbtest_test runs the commands from the command line to DuckDB files and back.
package duckdbtest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/app/connect"
	"fhirsynapse/internal/cli"
	"fhirsynapse/internal/warehouse/open/local"
)

// noTicks never ticks, so no progress is written, even on a slow machine.
func noTicks(time.Duration) (<-chan time.Time, func()) { return nil, func() {} }

// commands returns the commands of the program.
func commands(now func() time.Time) cli.Commands {
	return cli.Commands{Runs: connect.Runner(local.Engines(), now)}
}

func run(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e strings.Builder
	now := func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
	code = cli.Run(t.Context(), args, func(string) string {
		return ""
	}, cli.Streams{Out: &o, Err: &e, Now: now, Ticks: noTicks}, commands(now))
	return code, o.String(), e.String()
}

func TestWhatIsLoadedCanBeAsked(t *testing.T) {
	t.Parallel()
	data, db := t.TempDir(), filepath.Join(t.TempDir(), "fhir.duckdb")
	const patients = `{"resourceType":"Patient","id":"a","meta":{"versionId":"1","lastUpdated":"2026-01-01T00:00:00Z"},"gender":"female"}
{"resourceType":"Patient","id":"b","meta":{"versionId":"1","lastUpdated":"2026-01-01T00:00:00Z"},"gender":"male"}
no JSON
{"resourceType":"Patient","id":"a","meta":{"versionId":"2","lastUpdated":"2026-01-02T00:00:00Z"},"gender":"other"}
`
	if err := os.WriteFile(filepath.Join(data, "Patient.ndjson"), []byte(patients),
		0o600); err != nil {
		t.Fatal(err)
	}
	for _, applied := range []string{"2", "0"} { // the second load changes nothing
		code, out, errs := run(t, "load", data, "--to", "duckdb:"+db, "--json", "--max-bad", "25")
		if code != 0 || !strings.Contains(out, `"lines":4,"applied":`+applied+`,`) ||
			!strings.Contains(out, `"quarantined":1,`) {
			t.Fatalf("load: code %d, %s%s", code, out, errs)
		}
	}
	code, out, errs := run(t, "query", "--db", db, "--csv",
		"select id, gender from patient order by id")
	if code != 0 || out != "id,gender\na,other\nb,male\n" {
		t.Errorf("query: code %d, %q, %s", code, out, errs)
	}
	bad, err := filepath.Glob(db + ".quarantine/*/*/*")
	if err != nil || len(bad) != 2 {
		t.Errorf("quarantined: %v, %v", bad, err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(db), ".fhirsynapse-load-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if code, _, errs := run(t, "query", "--db", db, "select 1; select 2"); code != 1 ||
		!strings.Contains(errs, "one at a time") {
		t.Errorf("two statements: code %d, %s", code, errs)
	}
	if code, _, errs := run(t, "load", data, "--to", "oracle:x"); code != 1 ||
		!strings.Contains(errs,
			"duckdb:FILE, sqlserver://HOST, synapse-dedicated://HOST, fabric://HOST, parquet:DIR, csv:DIR or ndjson:DIR, not to") {
		t.Errorf("another warehouse: code %d, %s", code, errs)
	}
}
