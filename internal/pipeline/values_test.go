package pipeline

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/pipeline/records"
)

func TestOlderDoneDocumentsHaveTheirCounts(t *testing.T) {
	t.Parallel()
	var d Done
	if err := json.Unmarshal(
		[]byte(`{"lines":2,"nulled":{"patient.born":1},"rows":{"patient":2},"heads":2}`),
		&d); err != nil {
		t.Fatal(err)
	}
	if d.Nulled["patient.born"] != 1 || d.Lines != 2 {
		t.Errorf("read %+v", d)
	}
}

func TestTheJournalTakesNoNamesFromResources(t *testing.T) {
	t.Parallel()
	file := PreparedFile{Done: Done{
		Heads: 5, Rows: map[string]int64{"patient": 7, "patient_name": 9},
		ValueCounts: ValueCounts{
			Nulled: map[string]int64{"patient.x": 1}, OtherVersion: map[string]int64{"Patient": 3},
			Unknown: map[string]int64{"Patient.a": 2, "Patient.b": 3, "Patient.*": 1},
		},
	}}
	want := records.PreparedValues{
		ValueCounts: ValueCounts{
			Nulled: map[string]int64{"patient.x": 2}, OtherVersion: map[string]int64{"Patient": 6},
			Unknown: map[string]int64{"Patient.*": 12},
		},
		Rows:      map[string]int64{"patient": 14},
		Resources: map[string]int64{"Patient": 10},
	}
	if d := cmp.Diff(want,
		valuesOf(Batch{Type: "Patient", Files: []PreparedFile{file, file}})); d != "" {
		t.Error(d)
	}
}
