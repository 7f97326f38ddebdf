package pipeline

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCountsAreToldAsSentences(t *testing.T) {
	t.Parallel()
	one := func(key string, n int64) map[string]int64 { return map[string]int64{key: n} }
	var sum ValueCounts
	for range 2 {
		sum.Add(ValueCounts{
			Nulled: map[string]int64{"b.y": 1, "a.x": 500}, NoTime: one("observation.effective_time_utc", 915), NoDay: one("p.born_day", 1),
			Rounded: one("a.x", 1), TooSmall: one("a.x", 1), URNs: one("r.observation_id", 1), Unkeyed: one("r.patient_id", 1), Foreign: one("r.patient_id", 1),
			Shapes: one("Encounter.class", 1), Unknown: one("Encounter.admission", 1), OddIDs: one("Observation", 1), ForeignDeletes: one("Patient", 1),
		})
	}
	want := []string{
		"1,000 of 1,000 a.x are NULL: the value does not fit the type of the column",
		"2 b.y are NULL: the value does not fit the type of the column",
		"2 of 1,000 a.x are NULL: the value is not 0, but the column's decimal places would make it 0",
		"2 of 1,000 a.x are rounded: the value has more decimal places than the column",
		"1,830 of 2,400 observation.effective_time_utc are NULL: the date has no time of day (see observation.effective_time)",
		"2 p.born_day are NULL: the date has no day (see p.born)",
		"2 r.observation_id are NULL: the reference is a urn:uuid (its UUID is the id with --urn-references ids, or urnReferences: ids in a plan)",
		"2 r.patient_id are NULL: the reference names no resource by type and id (conditional, contained or malformed)",
		"2 r.patient_id are NULL: the reference is a URL of another server",
		"2 Encounter.class have a shape that FHIR R4 does not give them: columns that read them are NULL",
		"2 Encounter.admission are in no column: FHIR R4 has no such element",
		"2 Observation have ids outside FHIR's rule (1 to 64 letters, digits, '-' and '.'): they are loaded as they are",
		"2 deletes of Patient name another server: they delete nothing",
	}
	if d := cmp.Diff(want, sum.Sentences(map[string]int64{"a": 1000, "observation": 2400, "r": 1})); d != "" {
		t.Error(d)
	}
	if sum.Empty() || !(ValueCounts{}).Empty() || sum.Misfits() != 1004 {
		t.Errorf("empty, or %d misfits", sum.Misfits())
	}
}

func TestOlderDoneDocumentsHaveTheirCounts(t *testing.T) {
	t.Parallel()
	var d Done
	if err := json.Unmarshal([]byte(`{"lines":2,"nulled":{"patient.born":1},"rows":{"patient":2},"heads":2}`), &d); err != nil {
		t.Fatal(err)
	}
	if d.Nulled["patient.born"] != 1 || d.Lines != 2 {
		t.Errorf("read %+v", d)
	}
}

func TestTheJournalTakesNoNamesFromResources(t *testing.T) {
	t.Parallel()
	file := PreparedFile{Done: Done{
		Rows:        map[string]int64{"patient": 7, "patient_name": 9},
		ValueCounts: ValueCounts{Nulled: map[string]int64{"patient.x": 1}, Unknown: map[string]int64{"Patient.a": 2, "Patient.b": 3}},
	}}
	want := PreparedValues{
		ValueCounts: ValueCounts{Nulled: map[string]int64{"patient.x": 2}, Unknown: map[string]int64{"Patient elements": 10}},
		Rows:        map[string]int64{"patient": 14},
	}
	if d := cmp.Diff(want, valuesOf(Batch{Files: []PreparedFile{file, file}})); d != "" {
		t.Error(d)
	}
}

func TestCountsAreGroupedByThousands(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -100: "-100"} {
		if got := Grouped(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}
