package serverless_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/testkit/pipelinetest"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/serverless"
)

// The server of the address does not exist: the views are described by the published files.
func TestDescribeAsksNoPool(t *testing.T) {
	t.Parallel()
	at := now()
	lake := pipelinetest.NewMemoryLake(func() time.Time { return at })
	put := func(path string) {
		t.Helper()
		if _, err := lake.Put(t.Context(), pipeline.Staging, path,
			strings.NewReader("[]")); err != nil {
			t.Fatal(err)
		}
		at = at.Add(time.Minute)
	}
	put("fhir/Patient/part=000001-0a/_ready.json")
	put("fhir/Patient/part=000001-0a/_done-nightly-000001.json")
	put("fhir/Observation/part=000001-0b/_ready.json") // its commit has not ended
	put("fhir/Patient/part=000002-0c/_done-nightly-000002.json")
	changed := at.Add(-time.Minute)
	put("other/Condition/part=000001-0d/_done-weekly-000001.json")

	engine := serverless.Engine().(warehouse.Describer)
	p := warehouse.PlanTables{Plan: "nightly", Schema: "fhir", Tables: []flatten.Table{
		{Name: "patient", Resource: "Patient"},
		{Name: "patient_name", Resource: "Patient"},
		{Name: "observation", Resource: "Observation"},
		{Name: "condition", Resource: "Condition"},
	}}
	const address = "//nowhere.invalid?database=x&fedauth=ActiveDirectoryDefault"
	d, err := engine.Describe(t.Context(), address, p, warehouse.DescribeOptions{Published: lake})
	if err != nil {
		t.Fatal(err)
	}
	if !errors.Is(d.Uncounted, warehouse.ErrUncountable) {
		t.Errorf("%v", d.Uncounted)
	}
	for i, there := range []bool{true, true, false, false} {
		s := d.Tables[i]
		if s.Exists != there || s.Table != p.Tables[i].Name ||
			there != s.ChangedAt.Equal(changed) || len(s.Drift) > 0 {
			t.Errorf("%+v", s)
		}
	}
	if _, err := engine.Describe(t.Context(), address, p,
		warehouse.DescribeOptions{}); err == nil ||
		!strings.Contains(err.Error(), "give the settings of the app") {
		t.Errorf("without published files: %v", err)
	}
}
