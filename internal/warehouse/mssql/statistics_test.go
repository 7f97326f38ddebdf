package mssql_test

import (
	"slices"
	"strings"
	"testing"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/testkit/flattentest"
)

// Each table gets its statistics, also for types after the first: the ledger's statistics then
// exist already.
func TestStatisticsOfEveryType(t *testing.T) {
	t.Parallel()
	w := newWorld(t, tsql.Dedicated)
	views := flattentest.Views{"plan": {
		{Name: "device", Resource: "Device", Columns: []sof.Column{{Name: "status"}}},
		{Name: "device_name", Resource: "Device", Columns: []sof.Column{{Name: "name"}}},
	}}
	batch := w.prepareFor(t, views, "Device", "plan-3",
		`{"resourceType":"Device","id":"d","meta":{"lastUpdated":"2024-01-01T08:00:00Z"},"rows":{"device":[["active"]],"device_name":[["x"]]}}`+"\n")
	if err := w.Open(t, w.lake, views.Tables).Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	for table, want := range map[string]string{
		"_ledger": "by_file_key", "_head_Patient": "by_id", "patient": "by_id",
		"patient_name": "by_id",
		"_head_Device": "by_id", "device": "by_id", "device_name": "by_id",
	} {
		schema := "fhir"
		if strings.HasPrefix(table, "_") {
			schema = "fhir_load"
		}
		if got := w.db.Statistics(schema, table); !slices.Equal(got, []string{want}) {
			t.Errorf("table %s has statistics %q, want %q", table, got, want)
		}
	}
}
