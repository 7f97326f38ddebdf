package app

import (
	"slices"
	"testing"

	"fhirsynapse/internal/config"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/storage"
)

// Tables are stored as their plan says, or else as the address of the warehouse does.
func TestStorageOfAPlan(t *testing.T) {
	t.Parallel()
	set := planViews("", config.Exports{StorageOf: map[string]storage.Options{
		"a": {Columnstore: true}, "b": {},
	}}, storage.Options{ByPatient: true})
	for plan, columnstore := range map[string]bool{"a": true, "b": false} {
		tables, err := set.Tables(plan)
		if err != nil || len(tables) == 0 {
			t.Fatalf("%d tables, %v", len(tables), err)
		}
		for _, table := range tables {
			if table.Columnstore != columnstore {
				t.Errorf("plan %s: %s is a columnstore: %t", plan, table.Name, table.Columnstore)
			}
			if table.Name == "observation" && table.Spread != "patient_id" {
				t.Errorf("plan %s: %s is distributed by %q", plan, table.Name, table.Spread)
			}
		}
	}
}

// The plan of a cohort has a table of the patients in whose compartments a resource is.
func TestViewsOfACohort(t *testing.T) {
	t.Parallel()
	set := planViews("", config.Exports{Plans: []pipeline.Plan{
		{Name: "cohort", Cohort: "smokers"},
		{Name: "hashed", Cohort: "smokers", Deidentify: &pipeline.Deidentify{}},
		{Name: "everybody"},
	}}, storage.Options{})
	for plan, want := range map[string]bool{"cohort": true, "hashed": false, "everybody": false} {
		tables, err := set.Tables(plan)
		if err != nil {
			t.Fatal(err)
		}
		got := slices.ContainsFunc(tables, func(table flatten.Table) bool {
			return table.Name == "compartment_medication_request" &&
				table.Resource == "MedicationRequest" && len(table.Columns) == 1
		})
		if got != want {
			t.Errorf("plan %s has compartments: %t, want %t", plan, got, want)
		}
	}
}
