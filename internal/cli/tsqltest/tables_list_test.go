package tsqltest_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"fhirsynapse/internal/warehouse"
)

func TestTheTablesOfASchemaAreListed(t *testing.T) {
	t.Chdir(t.TempDir())
	data := t.TempDir()
	const lines = `{"resourceType":"Patient","id":"a","name":[{"family":"A"},{"family":"B"}]}
{"resourceType":"Patient","id":"b","name":[{"family":"B"}]}
`
	if err := os.WriteFile(filepath.Join(data, "Patient.ndjson"), []byte(lines),
		0o600); err != nil {
		t.Fatal(err)
	}
	db, server := standIn(t)
	to := server.URL("someone", "secret", "pool")
	code, out, errs := run(t, "tables", "list", "--to", to)
	if code != 0 || out != "there are no tables yet: the first export makes them\n" {
		t.Errorf("code %d, %s%s", code, out, errs)
	}
	if code, _, errs := run(t, "load", data, "--to", to); code != 0 {
		t.Fatal(errs)
	}
	code, out, errs = run(t, "tables", "list", "--to", to, "--json", "--check")
	var list []warehouse.ListedTable
	if err := json.Unmarshal([]byte(out), &list); err != nil || code != 0 {
		t.Fatalf("code %d, %v: %s", code, err, errs)
	}
	content, n := db.Content("dbo"), 0
	for _, x := range list {
		if x.Rows == nil || *x.Rows != int64(len(content[x.Table].Rows)) || !x.Approximate ||
			x.Schema != "dbo" || x.Type != "Patient" || x.ChangedAt.IsZero() || len(x.Drift) != 0 {
			t.Errorf("%d rows of %+v", len(content[x.Table].Rows), x)
		}
		if x.Table == "patient" || x.Table == "patient_name" {
			n++
		}
	}
	if n != 2 {
		t.Errorf("listed: %s", out)
	}
}
