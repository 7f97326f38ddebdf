package config_test

import (
	"fmt"
	"strings"
	"testing"

	"fhirsynapse/internal/config"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/storage"
)

const storedPlans = head + `- {name: a, source: s, schedule: manual, storage: columnstore, distribute: patient}
- {name: b, source: s, schedule: manual, clusterBy: [observation.patient_id, observation.code]}
- {name: c, source: s, schedule: manual}
`

func TestPlansChooseTheStorageOfTheirTables(t *testing.T) {
	t.Parallel()
	e, err := config.ParseExports("x.yaml", []byte(storedPlans), none)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]storage.Options{
		"a": {Columnstore: true, ByPatient: true},
		"b": {ClusterBy: []string{"observation.patient_id", "observation.code"}},
		"c": {},
	}, e.StorageOf); d != "" {
		t.Error(d)
	}
	_, err = config.ParseExports("x.yaml", []byte(head+
		"- {name: a, source: s, schedule: manual, storage: rows, distribute: id, "+
		"clusterBy: [x]}\n"), none)
	for _, want := range []string{
		`x.yaml:4: plan a: storage: "rows": write columnstore`,
		`x.yaml:4: plan a: distribute: "id": write patient`,
		`x.yaml:4: plan a: clusterBy: "x": name each column once`,
	} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("no %q in: %v", want, err)
		}
	}
}

// A warehouse that cannot store tables in a plan's way is a fault of the configuration.
func TestStorageThatTheWarehouseLacks(t *testing.T) {
	t.Parallel()
	e, err := config.ParseExports("x.yaml", []byte(storedPlans), none)
	if err != nil {
		t.Fatal(err)
	}
	for scheme, want := range map[string][]string{
		"synapse-dedicated": {"plan b: clusterBy: synapse-dedicated has no CLUSTER BY"},
		"duckdb": {
			"plan a: storage: duckdb stores its tables by columns anyway", "distribute: duckdb does",
			"plan b: clusterBy: duckdb has no CLUSTER BY",
		},
	} {
		err := fmt.Sprint(e.CheckStorage(scheme, false))
		if strings.Count(err, "\n")+1 != len(want) {
			t.Errorf("%s: %s", scheme, err)
		}
		for _, w := range want {
			if !strings.Contains(err, w) {
				t.Errorf("%s: no %q in: %s", scheme, w, err)
			}
		}
	}
	err = e.CheckStorage("synapse-dedicated", true)
	if err == nil || !strings.Contains(err.Error(), "use the transform native") {
		t.Error(err)
	}
}
