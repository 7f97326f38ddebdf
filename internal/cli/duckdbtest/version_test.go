package duckdbtest_test

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestElementsOfAnotherVersionAreReported(t *testing.T) {
	t.Parallel()
	const tail = "; this program reads R4 (4.0.1), and columns of such elements may be NULL\n"
	want := "2 of 3 Encounter have elements of another FHIR version: Encounter.class is a list in 2, Encounter.actualPeriod is unknown in 1, Encounter.admission is unknown in 1" + tail +
		"1 of 2 MedicationRequest have elements of another FHIR version: MedicationRequest.medication is unknown in 1" + tail +
		"2 of 3 Observation have elements of another FHIR version: Observation.category is no list in 1, Observation.context is unknown in 1, " +
		"Observation.status is of another kind in 1, 1 other elements are unknown" + tail
	for _, scheme := range []string{"duckdb", "parquet", "csv"} {
		code, out, errs := run(t, "load", filepath.Join("testdata", "other-version"), "--to",
			scheme+":"+filepath.Join(t.TempDir(), "x"))
		if code != 0 || !strings.Contains(out, "\n"+want+"loaded 8 resources") ||
			strings.Contains(out+errs, "Jane") {
			t.Errorf("%s: code %d, %s%s", scheme, code, out, errs)
		}
	}
}
