package fhirserver_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"fhirsynapse/internal/emulator/fhirserver/search"
	"fhirsynapse/internal/emulator/fhirserver/synthetic"
)

// TestTheGroupOfAllMadeUpPatientsHasAllTheirData shows that an export of the Group of all patients
// contains exactly the complete made-up data in patients' compartments.
func TestTheGroupOfAllMadeUpPatientsHasAllTheirData(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	w := newWorld(t, nil)
	want := map[string]bool{}
	group, most := "", 0
	if err := synthetic.Generate(synthetic.Options{
		Seed: seed, Patients: 12,
	}, func(typ string, line []byte) error {
		id := gjson.GetBytes(line, "id").Str
		if search.InCompartment(typ) || typ == "Patient" {
			patients := search.Patients(typ, id, line)
			if len(patients) > 0 {
				want[typ+"/"+id+"/1"] = true
			}
			if typ == "Group" && len(patients) > most {
				group, most = id, len(patients)
			}
		}
		return w.store.Add(line)
	}); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	types := map[string]bool{}
	for _, row := range w.export("/Group/" + group + "/$export") {
		got[row] = true
		typ, _, _ := strings.Cut(row, "/")
		types[typ] = true
		if !want[row] {
			t.Errorf("a %s is in no patient's compartment", typ)
		}
	}
	if len(got) != len(want) || len(types) < 18 {
		t.Errorf("%d resources of %d types, want %d", len(got), len(types), len(want))
	}
}
