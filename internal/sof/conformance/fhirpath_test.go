package conformance

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"fhirsynapse/internal/sof/tsql"
)

// passing is the number of HL7's cases that pass. It may only rise.
const passing = 811

func fhirpathCases(t *testing.T) []File {
	t.Helper()
	files, err := Load(os.DirFS("testdata/fhirpath-r4"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// HL7's FHIRPath tests for R4 must pass or be refused by name. No expression may return another
// value than theirs.
func TestNativeEnginePassesHL7sFHIRPathCases(t *testing.T) {
	t.Parallel()
	results := RunAll(fhirpathCases(t), Native)
	for _, f := range results {
		for _, r := range f.Results {
			switch r.Outcome() {
			case Failed:
				t.Errorf("%s: %s: %v", f.Name, r.Title, r.Err)
			case OutcomeRefused:
				t.Logf("refused: %s: %v", r.Title, r.Err)
			case Passed, ExpressibleCase:
			}
		}
	}
	if n := Count(results, Passed); n < passing {
		t.Errorf("%d cases pass, %d did", n, passing)
	}
}

// Each SELECT body of a T-SQL engine is either written or refused with place and reason.
func TestEveryEngineTakesOrRefusesHL7sFHIRPathCases(t *testing.T) {
	t.Parallel()
	for _, e := range tsql.Engines() {
		results := RunAll(fhirpathCases(t), Expressible(e))
		for _, f := range results {
			for _, r := range f.Results {
				switch r.Outcome() {
				case Failed:
					t.Errorf("%s: %s: %s: %v", e, f.Name, r.Title, r.Err)
				case OutcomeRefused:
					if !strings.Contains(r.Err.Error(), "path:") {
						t.Errorf("%s: %s: %v has no place", e, r.Title, r.Err)
					}
				case Passed, ExpressibleCase:
				}
			}
		}
		t.Logf("%s: %d can be written, %d are refused", e, Count(results, ExpressibleCase),
			Count(results, OutcomeRefused))
	}
}

func TestRefusedIsWhatViewsDoNotTakeAlone(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]Outcome{
		"birthDate < today()":   OutcomeRefused,
		"now().toString()":      OutcomeRefused,
		"conformsTo('x')":       OutcomeRefused,
		"birthDate <":           Failed,
		"birthDate.foo":         Passed, // an element outside R4
		"now() = unheard(name)": OutcomeRefused,
		"now() = $total":        Failed,
	} {
		view, err := json.Marshal(map[string]any{
			"resource": "Patient",
			"select": []any{map[string]any{"column": []any{map[string]any{
				"name": "r", "path": path,
			}}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		r := Result{
			Err: Run(File{
				Resources: []json.RawMessage{[]byte(`{"resourceType":"Patient","id":"1"}`)},
			}, Case{View: view}, Native),
		}
		if r.Outcome() != want {
			t.Errorf("%s: %s: %v", path, r.Outcome(), r.Err)
		}
	}
}
