package warehouse_test

import (
	"errors"
	"testing"
	"time"

	"fhirsynapse/internal/warehouse"
)

func TestAListing(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 30, 7, 30, 0, 0, time.UTC)
	d := warehouse.Description{Tables: []warehouse.TableState{
		{Table: "patient", Type: "Patient", Exists: true, Rows: 12, ChangedAt: at, ViewSet: 1},
		{Table: "observation", Type: "Observation", Exists: true, ViewSet: 2},
		{
			Table: "condition", Type: "Condition",
			Drift: []warehouse.TableDrift{warehouse.TableMissing()},
		},
		{Table: "claim", Type: "Claim"},
	}}
	d.OlderViews(2)
	p := warehouse.PlanTables{Plan: "nightly", Schema: "fhir"}
	complete := warehouse.Complete{
		Types: map[string]time.Time{"Observation": at.Add(-time.Hour)}, Others: at,
	}
	var list warehouse.Listing
	list.Add(p, d, complete, false)
	if len(list.Tables) != 3 || len(list.Notes)+len(list.Unknown) != 0 {
		t.Fatalf("%+v", list)
	}
	patient, observation, condition := list.Tables[0], list.Tables[1], list.Tables[2]
	if *patient.Rows != 12 || patient.Behind || !patient.CompleteAt.Equal(at) ||
		len(patient.Drift) != 1 || patient.Drift[0].Kind != warehouse.DriftOlderViews ||
		patient.Drift[0].IsDifferent() {
		t.Errorf("%+v", patient)
	}
	if *observation.Rows != 0 || !observation.Behind || len(observation.Drift) != 0 {
		t.Errorf("%+v", observation)
	}
	if condition.Rows != nil || condition.Exists || !condition.Drift[0].IsDifferent() {
		t.Errorf("%+v", condition)
	}
	var all warehouse.Listing
	d.Uncounted = errors.New("the right is missing")
	all.Add(p, d, complete, true)
	all.Add(p, d, complete, true)
	if len(all.Tables) != 8 || len(all.Unknown) != 1 || all.Tables[0].Rows != nil ||
		all.Tables[0].Uncounted != "the right is missing" || all.Tables[3].Uncounted != "" {
		t.Errorf("%+v", all)
	}
	d.Uncounted = warehouse.ErrUncountable
	var none warehouse.Listing
	none.Add(p, d, complete, false)
	if len(none.Unknown) != 0 || len(none.Notes) != 1 {
		t.Errorf("%+v", none)
	}
}
