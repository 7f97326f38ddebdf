package tsql_test

import (
	"context"
	"encoding/json"
	"os"
	"testing"

	"fhirsynapse/internal/sof/conformance"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/sof/tsql/tsqltest"
)

// standIn is the stand-in server of an engine's kind.
type standIn tsql.Engine

func (s standIn) dialect() tsqltest.Dialect {
	return tsqltest.Dialect{Varchar: !tsql.Engine(s).Facts().National}
}

func (s standIn) Rows(_ context.Context, docs []json.RawMessage, body func(string) (string, error)) ([][][]byte, error) {
	return runBody(s.dialect(), docs, body)
}

func runBody(d tsqltest.Dialect, docs []json.RawMessage, body func(string) (string, error)) ([][][]byte, error) {
	text, err := body("[docs]")
	if err != nil {
		return nil, err
	}
	_, rows, err := tsqltest.Run(text, d, tsqltest.Documents("docs", docs))
	if err != nil && !tsqltest.IsDataError(err) {
		return nil, &conformance.NotRun{Err: err}
	}
	return rows, err
}

// onPostgreSQL is a server that only speaks T-SQL.
type onPostgreSQL tsql.Engine

func (s onPostgreSQL) Rows(_ context.Context, docs []json.RawMessage, body func(string) (string, error)) ([][][]byte, error) {
	d := standIn(s).dialect()
	d.Jsonb = true
	return runBody(d, docs, body)
}

// minimum is how many official cases must pass with the body of each engine.
var minimum = map[tsql.Engine]int{tsql.SQLServer: 136, tsql.Dedicated: 136, tsql.Serverless: 136, tsql.Fabric: 136}

func TestOfficialCases(t *testing.T) {
	t.Parallel()
	files, err := conformance.Load(os.DirFS("../conformance/testdata"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range tsql.Engines() {
		for name, server := range map[string]conformance.Server{"": standIn(e), " on PostgreSQL": onPostgreSQL(e)} {
			t.Run(string(e)+name, func(t *testing.T) {
				t.Parallel()
				results := conformance.RunAll(files, conformance.OnServer(t.Context(), e, server))
				for _, f := range results {
					for _, r := range f.Results {
						switch r.Outcome() {
						case conformance.Passed:
						case conformance.OutcomeRefused:
							t.Logf("%s/%s: %v", f.Name, r.Title, r.Err)
						default:
							t.Errorf("%s/%s: %v", f.Name, r.Title, r.Err)
						}
					}
				}
				if n := conformance.Count(results, conformance.Passed); n < minimum[e] {
					t.Errorf("%d cases pass, want %d", n, minimum[e])
				}
			})
		}
	}
}
