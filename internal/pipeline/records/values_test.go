package records

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCountsAreToldAsSentences(t *testing.T) {
	t.Parallel()
	one := func(key string, n int64) map[string]int64 { return map[string]int64{key: n} }
	var sum ValueCounts
	for range 2 {
		sum.Add(ValueCounts{
			Nulled: map[string]int64{"b.y": 1, "a.x": 500},
			NoTime: one("observation.effective_time_utc", 915), NoDay: one("p.born_day", 1),
			Rounded: one("a.x", 1), TooSmall: one("a.x", 1), URNs: one("r.observation_id", 1),
			Unkeyed: one("r.patient_id", 1), Foreign: one("r.patient_id", 1),
			OtherVersion: map[string]int64{"Encounter": 4, "Patient": 1},
			Shapes: map[string]int64{
				"Encounter.class": 2, "Encounter.type": 1, "Encounter.period": 1,
			}, Lists: one("Encounter.class", 2), NoLists: one("Encounter.type", 1),
			Unknown: map[string]int64{"Encounter.admission": 3, "Encounter.*": 1, "Patient.*": 1},
			OddIDs:  one("Observation", 1), ForeignDeletes: one("Patient", 1),
		})
	}
	const r4 = "this program reads R4 (4.0.1), and columns of such elements may be NULL"
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
		"2 Observation have ids outside FHIR's rule (1 to 64 letters, digits, '-' and '.'): they are loaded as they are",
		"2 deletes of Patient name another server: they delete nothing",
		"8 of 10 Encounter have elements of another FHIR version: Encounter.admission is unknown in 6, Encounter.class is a list in 4, " +
			"Encounter.period is of another kind in 2, Encounter.type is no list in 2, 2 other elements are unknown; " + r4,
		"2 Patient have elements of another FHIR version: 2 elements are unknown; " + r4,
	}
	if d := cmp.Diff(want,
		sum.Sentences(map[string]int64{"a": 1000, "observation": 2400, "r": 1},
			map[string]int64{"Encounter": 10})); d != "" {
		t.Error(d)
	}
	if sum.Empty() || !(ValueCounts{}).Empty() || sum.Misfits() != 1004 {
		t.Errorf("empty, or %d misfits", sum.Misfits())
	}
}

func TestCountsAreGroupedByThousands(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -100: "-100",
	} {
		if got := Grouped(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}

func TestNamesOfUnknownElementsAreBounded(t *testing.T) {
	t.Parallel()
	var file map[string]int64
	for i := range 500 {
		CountUnknown(&file, "Patient", fmt.Sprintf("name%d", i), 1, 100)
	}
	CountUnknown(&file, "Patient", "name7", 1, 100)
	if len(file) != 101 || file["Patient.*"] != 400 || file["Patient.name7"] != 2 {
		t.Errorf("%d names, %d others", len(file), file["Patient.*"])
	}
	var sum ValueCounts
	for i := range 50 {
		c := ValueCounts{Unknown: map[string]int64{"Patient.*": 1}}
		for j := range 99 {
			c.Unknown[fmt.Sprintf("Patient.name%d", i*99+j)] = 1
		}
		sum.Add(c)
	}
	var n int64
	for _, v := range sum.Unknown {
		n += v
	}
	if len(sum.Unknown) > mostUnknown+1 || n != 5000 {
		t.Errorf("%d names, %d elements", len(sum.Unknown), n)
	}
}
