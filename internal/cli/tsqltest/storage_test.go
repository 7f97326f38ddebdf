package tsqltest_test

import (
	"os"
	"strings"
	"testing"
)

// The connection string chooses the storage of a load. Long texts are cut and reported by column.
func TestColumnstoreByTheConnectionString(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.MkdirAll("in", 0o700); err != nil {
		t.Fatal(err)
	}
	line := `{"resourceType":"Condition","id":"1","meta":{"lastUpdated":"2024-01-01T08:00:00Z"},` +
		`"code":{"text":"` + strings.Repeat("\u6771", 5000) + `"}}` + "\n"
	if err := os.WriteFile("in/Condition.ndjson", []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	for parameter, columnstore := range map[string]bool{"": false, "&storage=columnstore": true} {
		db, server := standIn(t)
		code, out, errs := run(t, "load", "in", "--schema", "fhir", "--to",
			server.URL("someone", "secret", "pool")+parameter)
		if code != 0 {
			t.Fatalf("%q: exit code %d:\n%s", parameter, code, errs)
		}
		is, _, _ := db.Placed("fhir", "condition")
		if is != columnstore ||
			strings.Contains(out, "1 of 1 condition.code_text are cut to 4,000 characters") !=
				columnstore {
			t.Errorf("%q: a columnstore: %t\n%s", parameter, is, out)
		}
		if code, _, errs := run(t, "tables", "maintain", "--schema", "fhir", "--to",
			server.URL("someone", "secret", "pool")+parameter); code != 0 {
			t.Errorf("%q: maintain: exit code %d:\n%s", parameter, code, errs)
		}
		for _, c := range db.Content("fhir")["condition"].Columns {
			if columnstore && strings.HasSuffix(c.Type, "(max)") {
				t.Errorf("column %s is %s", c.Name, c.Type)
			}
		}
	}
	for parameter, want := range map[string]string{
		"&storage=rows":       `storage: "rows": write columnstore`,
		"&distribute=patient": "distribute: sqlserver does not let a table choose its distribution",
	} {
		_, server := standIn(t)
		code, _, errs := run(t, "load", "in", "--to",
			server.URL("someone", "secret", "pool")+parameter)
		if code != 1 || !strings.Contains(errs, want) || strings.Contains(errs, "secret") {
			t.Errorf("%q: exit code %d:\n%s", parameter, code, errs)
		}
	}
}
