package sandbox_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

var modes = []string{
	pipeline.ModeGroupFull, pipeline.ModeGroupSince, pipeline.ModeSystemFiltered,
}

// What the modes of a cohort's plan cost and lose in one month, on the emulated FHIR service, which
// compares _since with the Patient below system level. The table of docs/cohorts.md is from its
// log.
func TestCostOfModes(t *testing.T) {
	t.Parallel()
	type cost struct{ jobs, resources, filtered, missing, stale int }
	got := map[string]cost{}
	for _, mode := range modes {
		w := newParts(t, mode, 20)
		const patients, cohort, observations = 200, 60, 10
		for i := range patients {
			id := fmt.Sprintf("p%03d", i)
			w.put(`{"resourceType":"Patient","id":%q}`, id)
			for n := range observations {
				w.observe(id, n)
			}
			w.smokes(id, i < cohort)
		}
		w.export(records.Window{})
		w.smokes("p000", false) // relapses
		w.smokes("p100", true)  // has stopped
		for i := 1; i < cohort; i += 2 {
			w.observe(fmt.Sprintf("p%03d", i), observations) // the Patient does not change
		}
		w.put(`{"resourceType":"Patient","id":"p002","active":true}`)
		for _, id := range []string{"p003-1", "p004-1"} {
			if _, err := w.data.Delete("Observation", id, w.now()); err != nil {
				t.Fatal(err)
			}
		}
		e := w.export(records.Window{})
		c := cost{jobs: len(e.Jobs)}
		entries, err := w.tables.Ledger(t.Context(), w.plan.Schema, e.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range entries {
			c.resources += int(l.Lines)
			c.filtered += int(l.Filtered)
		}
		want, have := w.present(), w.loaded()
		for key, version := range want {
			if have[key] != version {
				c.missing++
			}
		}
		for key := range have {
			if want[key] == "" {
				c.stale++
			}
		}
		got[mode] = c
		t.Logf("%s: %d jobs, %d resources, %d filtered; %d missing or old, %d deleted and still there",
			mode, c.jobs, c.resources, c.filtered, c.missing, c.stale)
	}
	full, since, filtered := got[pipeline.ModeGroupFull], got[pipeline.ModeGroupSince],
		got[pipeline.ModeSystemFiltered]
	if full.missing != 0 || filtered.missing != 0 || filtered.stale != 0 {
		t.Errorf("%+v and %+v lose changes", full, filtered)
	}
	if since.missing == 0 {
		t.Error("group-since loses nothing: the emulated service is kinder than Azure's")
	}
	if since.resources >= full.resources || filtered.resources >= full.resources {
		t.Errorf("full has %d resources, since %d, filtered %d", full.resources, since.resources,
			filtered.resources)
	}
}

// observe records an Observation of a patient.
func (w *parts) observe(patient string, n int) {
	w.put(`{"resourceType":"Observation","id":"%[1]s-%[2]d","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/%[1]s"},"valueQuantity":{"value":%[2]d}}`,
		patient, n)
}

var partsHistories = flag.Int("parts-histories", 20,
	"how many random histories TestModelOnTheRealParts tries")

// Random histories of a cohort on the real parts: after two exports that begin when nothing changes
// any more, the tables have what the server has of the members.
func TestModelOnTheRealParts(t *testing.T) {
	t.Parallel()
	n := *partsHistories
	if testing.Short() {
		n = 3
	}
	for seed := range n {
		mode := modes[seed%len(modes)]
		t.Run(fmt.Sprint("seed ", seed, " ", mode), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(seed), 0))
			w := newParts(t, mode, 3)
			for i := range 6 {
				w.put(`{"resourceType":"Patient","id":"p%d"}`, i)
			}
			w.smokes("p0", true)
			for range 2 + r.IntN(3) {
				for range r.IntN(25) {
					w.change(r)
				}
				w.export(records.Window{Full: r.IntN(4) == 0})
			}
			w.export(records.Window{Full: true, AcceptMissing: true})
			w.export(records.Window{AcceptMissing: true})
			want, got := w.present(), w.loaded()
			for _, key := range slices.Sorted(maps.Keys(want)) {
				if got[key] != want[key] {
					t.Errorf("%s is version %q in the tables, and %q at the server", key, got[key],
						want[key])
				}
			}
			for _, key := range slices.Sorted(maps.Keys(got)) {
				if want[key] == "" {
					t.Errorf("%s is in the tables, and not at the server", key)
				}
			}
		})
	}
}

// change changes something at the server.
func (w *parts) change(r *rand.Rand) {
	patient := fmt.Sprint("p", r.IntN(6))
	observation := fmt.Sprint(patient, "-", r.IntN(3))
	_, there := w.data.Current("Observation", observation)
	switch r.IntN(8) {
	case 0:
		w.smokes(patient, r.IntN(2) == 0 || len(w.members()) < 2)
	case 1:
		w.put(`{"resourceType":"Patient","id":%q,"active":%t}`, patient, r.IntN(2) == 0)
	case 2:
		if there {
			// It may be deleted already.
			_, _ = w.data.Delete("Observation", observation, w.now())
		}
	case 3:
		if there {
			if err := w.data.Purge("Observation", observation); err != nil {
				w.t.Fatal(err)
			}
		}
	default:
		w.observe(patient, int(observation[len(observation)-1]-'0'))
	}
}
