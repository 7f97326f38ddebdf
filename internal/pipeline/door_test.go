package pipeline_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

// madeUp returns steps of every kind about things that the journal does not have.
func madeUp() []string {
	var bodies []string
	for _, export := range []string{nightly(1), nightly(77), "weekly-000001"} {
		for _, job := range []int{1, 9} {
			for _, try := range []int{0, 99} {
				bodies = append(bodies,
					fmt.Sprintf(`{"step":"fetch","export":%q,"job":%d,"file":99,"try":%d}`, export,
						job, try),
					fmt.Sprintf(`{"step":"prepare","export":%q,"job":%d,"type":"Patient","path":"x/y","etag":"z","try":%d}`, export, job, try),
					fmt.Sprintf(`{"step":"prepare","export":%q,"job":%d,"type":"PATIENT","path":"x/y","try":%d}`, export, job, try),
					fmt.Sprintf(`{"step":"commit","export":%q,"type":"Encounter","try":%d}`, export,
						try),
					fmt.Sprintf(`{"step":"commit","export":%q,"type":"../x","try":%d}`, export,
						try),
					fmt.Sprintf(`{"step":"poll","export":%q,"job":%d,"n":999,"try":%d}`, export,
						job, try),
					fmt.Sprintf(`{"step":"landed","path":"x/Patient-1.ndjson","try":%d}`, try),
				)
			}
		}
	}
	return append(bodies, `{"step":"poll","export":"../x-000001","job":1}`, `{"step":"burn"}`, `[]`,
		"")
}

// Anyone with access to the queue can make up steps: they change nothing.
func TestMadeUpStepsAreIgnored(t *testing.T) {
	t.Parallel()
	bothServers(t, func(t *testing.T, w *world) {
		w.server.put("Patient", "p1", "first", 1, false)
		w.server.put("Observation", "o1", "first", 1, false)
		w.clock = w.clock.Add(time.Minute)
		steps := 0
		w.beforeStep = func() {
			if steps++; steps%3 != 0 {
				return
			}
			for _, body := range madeUp() {
				if err := w.p.Handle(t.Context(), []byte(body)); err != nil {
					t.Fatalf("%s: %v", body, err)
				}
			}
		}
		w.loaded(nightly(1))
		w.neverSilent()
	})
}

// Some engines treat names that differ only in case as one table.
func TestTypesThatDifferInCaseAreRefused(t *testing.T) {
	t.Parallel()
	for _, typ := range []string{
		"patient", "PATIENT", "PatienT", "", "Pat ient", "../Patient", "X", "Patient\x00",
		strings.Repeat("A", 65),
	} {
		w, k := newKeeperWorld(t)
		w.server.put("Patient", "p1", "first", 1, false)
		w.clock = w.clock.Add(time.Minute)
		k.meddle = func(m *pipeline.Manifest) {
			other := m.Output[0]
			other.Type = typ
			m.Output = append(m.Output, other)
		}
		e := w.run(nightly(1))
		if e.State != records.Failed || !strings.Contains(e.Failure.Cause, "resource type") ||
			e.Failure.Remedy == "" || len(w.tables.heads) > 0 {
			t.Errorf("%q: %s, %+v", typ, e.State, e.Failure)
		}
	}
	// Neither type is in FHIR R4.
	w, k := newKeeperWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.clock = w.clock.Add(time.Minute)
	k.meddle = func(m *pipeline.Manifest) {
		one, two := m.Output[0], m.Output[0]
		one.Type, two.Type = "Weather", "WEATHER"
		m.Output = append(m.Output, one, two)
	}
	if e := w.run(nightly(1)); e.State != records.Failed ||
		!strings.Contains(e.Failure.Cause, "differ in case only") {
		t.Errorf("%s, %+v", e.State, e.Failure)
	}
}
