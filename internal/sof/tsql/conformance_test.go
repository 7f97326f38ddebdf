package tsql_test

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"fhirsynapse/internal/emulator/sqlserver/eval"
	"fhirsynapse/internal/sof/conformance"
	"fhirsynapse/internal/sof/schema"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/testkit/tsqleval"
)

// standIn is the stand-in server for an engine.
type standIn tsql.Engine

func (s standIn) dialect() eval.Dialect {
	return eval.Dialect{Varchar: !tsql.Engine(s).Facts().National}
}

func (s standIn) Rows(
	_ context.Context, docs []json.RawMessage, body func(string) (string, error),
) ([][][]byte, error) {
	return runBody(s.dialect(), docs, body)
}

func runBody(
	d eval.Dialect, docs []json.RawMessage, body func(string) (string, error),
) ([][][]byte, error) {
	text, err := body("[docs]")
	if err != nil {
		return nil, err
	}
	_, rows, err := tsqleval.Run(text, d, tsqleval.Documents("docs", docs))
	if err != nil && !eval.IsDataError(err) {
		return nil, &conformance.NotRun{Err: err}
	}
	return rows, err
}

// onPostgreSQL is a server on PostgreSQL that only speaks T-SQL.
type onPostgreSQL tsql.Engine

func (s onPostgreSQL) Rows(
	_ context.Context, docs []json.RawMessage, body func(string) (string, error),
) ([][][]byte, error) {
	d := standIn(s).dialect()
	d.Jsonb = true
	return runBody(d, docs, body)
}

// minimum is the number of official cases that must pass with the body of each engine.
var minimum = map[tsql.Engine]int{
	tsql.SQLServer: 136, tsql.Dedicated: 136, tsql.Serverless: 136, tsql.Fabric: 136,
}

func TestOfficialCases(t *testing.T) {
	t.Parallel()
	files, err := conformance.Load(os.DirFS("../conformance/testdata"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range tsql.Engines() {
		for name, server := range map[string]conformance.Server{
			"": standIn(e), " on PostgreSQL": onPostgreSQL(e),
		} {
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

// A body returns the value that HL7's FHIRPath case expects, or the case is refused.
func TestBodiesGiveHL7sValuesOrAreRefused(t *testing.T) {
	t.Parallel()
	files, err := conformance.Load(os.DirFS("../conformance/testdata/fhirpath-r4"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range tsql.Engines() {
		t.Run(string(e), func(t *testing.T) {
			t.Parallel()
			results := conformance.RunAll(inForm(t, files),
				conformance.OnServer(t.Context(), e, standIn(e)))
			for _, f := range results {
				for _, r := range f.Results {
					if r.Outcome() == conformance.Failed {
						t.Errorf("%s/%s: %v", f.Name, r.Title, r.Err)
					}
				}
			}
			passed := conformance.Count(results, conformance.Passed)
			t.Logf("%d pass, %d are refused", passed,
				conformance.Count(results, conformance.OutcomeRefused))
			if passed < written {
				t.Errorf("%d cases pass, %d did", passed, written)
			}
		})
	}
}

// inForm leaves out files whose resources have an object where FHIR has a primitive. The result of
// a body for such data is not specified.
func inForm(t *testing.T, files []conformance.File) []conformance.File {
	t.Helper()
	var out []conformance.File
	for _, f := range files {
		var resources []any
		for _, r := range f.Resources {
			var v any
			if err := json.Unmarshal(r, &v); err != nil {
				t.Fatal(err)
			}
			resources = append(resources, v)
		}
		if boxed(resources) {
			t.Logf("%s is left out: it has an object where FHIR has a primitive", f.Name)
			continue
		}
		out = append(out, f)
	}
	return out
}

// boxed reports whether a member such as valueString holds an object.
func boxed(v any) bool {
	switch v := v.(type) {
	case []any:
		return slices.ContainsFunc(v, boxed)
	case map[string]any:
		for name, m := range v {
			if typ, ok := strings.CutPrefix(name, "value"); ok && typ != "" {
				t, known := schema.R4().Type(strings.ToLower(typ[:1]) + typ[1:])
				if _, object := m.(map[string]any); object && known && t.Kind == schema.Primitive {
					return true
				}
			}
			if boxed(m) {
				return true
			}
		}
	}
	return false
}

// written is the number of HL7's cases that pass with the bodies. It may rise and never fall.
const written = 558
