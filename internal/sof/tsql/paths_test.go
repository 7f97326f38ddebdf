package tsql_test

import (
	"encoding/json"
	"slices"
	"testing"

	"fhirsynapse/internal/emulator/sqlserver/eval"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/testkit/randview"
	"fhirsynapse/internal/testkit/tsqleval"
)

// Every path that an engine can express returns the same as the native engine, alone in a column,
// as a list, and as a condition.
func TestPathsGiveWhatTheNativeEngineGives(t *testing.T) {
	t.Parallel()
	for _, e := range []tsql.Engine{tsql.SQLServer, tsql.Fabric} {
		said, refused := 0, 0
		for i, p := range slices.Concat(randview.Paths, randview.Functions) {
			for _, form := range []string{
				`"collection":true`, `"collection":false`, `"description":"exists"`,
			} {
				path := p.Text
				if form == `"description":"exists"` {
					path = "(" + path + ").exists()"
				}
				text, err := json.Marshal(path)
				if err != nil {
					t.Fatal(err)
				}
				v, err := sof.Compile("v.json",
					[]byte(`{"name":"v","resource":"Patient","select":[{"column":[{"name":"v","path":`+string(text)+`,`+form+`}]}]}`))
				if err != nil {
					t.Fatal(err)
				}
				body, err := tsql.Body(v, e, tsql.Shape{From: "[docs]"})
				if err != nil {
					if i < len(randview.Paths) {
						refused++
					}
					continue
				}
				if i < len(randview.Paths) {
					said++
				}
				line := []byte(randview.Patient)
				want, bad := tsqleval.NativeRows(v, [][]byte{line})
				_, got, err := tsqleval.Run(body, standIn(e).dialect(),
					tsqleval.Documents("docs", [][]byte{line}))
				if bad != nil {
					if !eval.IsDataError(err) {
						t.Errorf("%s, %s: the native engine says %v, the body %v", path, form, bad,
							err)
					}
					continue
				}
				if err != nil {
					t.Errorf("%s, %s: %v\n%s", path, form, err, body)
					continue
				}
				if d := tsqleval.Diff(v.Columns, want, got); d != "" {
					t.Errorf("%s, %s: the native engine (-) and the body of %s (+) differ:\n%s",
						path, form, e, d)
				}
			}
		}
		t.Logf("%s: %d said, %d refused", e, said, refused)
		if said < 3*refused {
			t.Errorf("%s: %d said, %d refused", e, said, refused)
		}
	}
}
