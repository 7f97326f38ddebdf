package config_test

import (
	"strings"
	"testing"

	"fhirsynapse/internal/config"
	"fhirsynapse/internal/pipeline"
)

const modesHead = `version: 1
sources: {s: {url: "https://s.fhir.azurehealthcareapis.com", dialect: azure, auth: {kind: managed-identity}}}
cohorts: [{name: c, source: s, search: "Patient?gender=male"}]
plans:
`

func TestModesOfCohorts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		plan string
		want pipeline.Plan
	}{
		"the default":       {"cohort: c", pipeline.Plan{Level: "group"}},
		"the default named": {"cohort: c, mode: group-full", pipeline.Plan{Level: "group"}},
		"of patients alone": {
			"cohort: c, outside: leave-out, types: [Patient, Observation]",
			pipeline.Plan{Level: "group", Types: []string{"Patient", "Observation"}},
		},
		"changes of Groups": {"cohort: c, mode: group-since", pipeline.Plan{
			Level: "group", Mode: pipeline.ModeGroupSince, FullEvery: 6,
		}},
		"changes at system level": {
			"cohort: c, mode: system-filtered, fullEvery: 4, types: [Patient]",
			pipeline.Plan{
				Level: "group", Mode: pipeline.ModeSystemFiltered, FullEvery: 4, Deleted: true,
				Types: []string{"Patient"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := config.ParseExports("x.yaml",
				[]byte(modesHead+"- {name: p, schedule: '0 3 1 * *', "+c.plan+"}\n"),
				func(string) string { return "" })
			if err != nil {
				t.Fatal(err)
			}
			p := e.Plans[0]
			if p.Level != c.want.Level || p.Mode != c.want.Mode ||
				p.FullEvery != c.want.FullEvery || p.Deleted != c.want.Deleted ||
				strings.Join(p.Types, " ") != strings.Join(c.want.Types, " ") {
				t.Errorf("plan %+v", p)
			}
		})
	}
}

// At system level a plan without types would bring the whole server into the tables.
func TestFilteredPlansHaveTheTypesOfPatients(t *testing.T) {
	t.Parallel()
	e, err := config.ParseExports("x.yaml",
		[]byte(modesHead+"- {name: p, schedule: manual, cohort: c, mode: system-filtered}\n"),
		func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	types := " " + strings.Join(e.Plans[0].Types, " ") + " "
	if !strings.Contains(types, " Observation ") || strings.Contains(types, " Practitioner ") {
		t.Errorf("types:%s", types)
	}
	if e.Plans[0].FullEvery != 0 {
		t.Error("it has no schedule, and full exports by number")
	}
}

func TestFaultsOfModes(t *testing.T) {
	t.Parallel()
	for plan, want := range map[string]string{
		"cohort: c, mode: since": "mode: unknown mode",
		"cohort: c, outside: leave-out, types: [Patient, Practitioner]": "outside: leaves Practitioner out",
		"outside: keep":                             "outside: has no meaning without cohort",
		"cohort: c, outside: no":                    "outside: \"no\": write keep",
		"level: system, mode: x":                    "mode: has no meaning without cohort",
		"cohort: c, mode: group-full, fullEvery: 3": "fullEvery: has no meaning at level group",
		"cohort: c, mode: group-since, deidentify: {config: a, etag: 1}": "mode: has no meaning with deidentify",
	} {
		_, err := config.ParseExports("x.yaml",
			[]byte(modesHead+"- {name: p, schedule: '0 3 1 * *', "+plan+"}\n"),
			func(string) string { return "" })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", plan, err)
		}
	}
}
