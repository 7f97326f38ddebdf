package tsql_test

import (
	"encoding/json"
	"os"
	"testing"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/conformance"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/sof/tsql/tsqltest"
)

// standIn runs the body of an engine on the stand-in server.
func standIn(e tsql.Engine) conformance.Runner {
	return func(view []byte, resources []json.RawMessage) (conformance.Table, error) {
		v, err := sof.Compile("view.json", view, sof.Lenient())
		if err != nil {
			return conformance.Table{}, err
		}
		body, err := tsql.Body(v, e, tsql.Shape{From: "[docs]"})
		if err != nil {
			return conformance.Table{}, err
		}
		_, rows, err := tsqltest.Run(body, tsqltest.Dialect{Varchar: !e.Facts().National}, tsqltest.Documents("docs", resources))
		return conformance.Table{Columns: v.Columns, Rows: rows}, err
	}
}

func TestOfficialCases(t *testing.T) {
	t.Parallel()
	files, err := conformance.Load(os.DirFS("../conformance/testdata"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range tsql.Engines() {
		t.Run(string(e), func(t *testing.T) {
			t.Parallel()
			results := conformance.RunAll(files, standIn(e))
			passed, failed := conformance.Totals(results)
			t.Logf("%d passed, %d failed", passed, failed)
			for _, f := range results {
				for _, r := range f.Results {
					if r.Err != nil {
						t.Errorf("%s/%s: %v", f.Name, r.Title, r.Err)
					}
				}
			}
		})
	}
}
