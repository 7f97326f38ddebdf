package app

import (
	"testing"

	"fhirsynapse/internal/config"
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
