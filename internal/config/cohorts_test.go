package config_test

import (
	"strings"
	"testing"

	"fhirsynapse/internal/cohort"
	"fhirsynapse/internal/config"
)

const cohortFile = `version: 1
sources:
  clinic: {url: https://fhir.example, auth: {kind: none}}
  other: {url: https://other.example, auth: {kind: none}}
cohorts:
`

func TestCohorts(t *testing.T) {
	t.Parallel()
	e, err := config.ParseExports("exports.yaml", []byte(cohortFile+`
  - name: smokers
    source: clinic
    search: Observation?code=http://loinc.org|72166-2&value-concept=http://snomed.info/sct|8517006
  - name: relapsed
    source: other
    search: Observation?code=a&value-concept=b
    match: latest
    membership: tracking
    groupSize: 500
    maxShrink: 50%
  - name: theirs
    source: clinic
    group: registry
plans:
  - {name: one, cohort: smokers, schedule: manual}
  - {name: two, source: other, cohort: relapsed, schedule: manual, types: [Patient]}
  - {name: three, cohort: theirs, schedule: manual}
`), none)
	if err != nil {
		t.Fatal(err)
	}
	want := []cohort.Definition{
		{
			Name: "smokers", Match: cohort.MatchEver, Membership: cohort.Fixed, GroupSize: 1000,
			Search:    "Observation?code=http://loinc.org|72166-2&value-concept=http://snomed.info/sct|8517006",
			MaxShrink: 0.2,
		},
		{
			Name: "relapsed", Search: "Observation?code=a&value-concept=b", GroupSize: 500,
			Match: cohort.MatchLatest, Membership: cohort.Tracking, MaxShrink: 0.5,
		},
		{
			Name: "theirs", Group: "registry", Match: cohort.MatchEver, GroupSize: 1000,
			Membership: cohort.Tracking, MaxShrink: 0.2,
		},
	}
	for i, c := range e.Cohorts {
		if c.Definition != want[i] {
			t.Errorf("cohort %d is %+v, want %+v", i+1, c.Definition, want[i])
		}
	}
	for i, p := range e.Plans {
		if p.Level != "group" || p.Cohort != want[i].Name || p.Group != "" || p.Deleted {
			t.Errorf("plan %d is %+v", i+1, p)
		}
		if source, ok := e.Source(p.Name); !ok || source.Name != e.Cohorts[i].Source {
			t.Errorf("plan %d has source %s", i+1, source.Name)
		}
	}
}

func TestFaultsOfCohorts(t *testing.T) {
	t.Parallel()
	const search = "Observation?code=a&value-concept=b"
	for _, tt := range []struct{ name, cohort, want string }{
		{"no way to find", "{name: a, source: clinic}", "search: is missing"},
		{"two ways", "{name: a, source: clinic, search: 'Patient?gender=female', group: g}", "group: is one way"},
		{"no query", "{name: a, source: clinic, search: Observation}", "must look like Type?name=value"},
		{"no patient", "{name: a, source: clinic, search: 'Practitioner?active=true'}", "Practitioner gives no patient"},
		{"_has without patients", "{name: a, source: clinic, search: 'Organization?_has:Patient:organization:gender=female'}", "Organization gives no patient"},
		{"_revinclude", "{name: a, source: clinic, search: 'Patient?gender=male&_revinclude=Observation:patient'}", "_revinclude adds resources"},
		{"_include", "{name: a, source: clinic, search: 'Observation?code=a&_include:iterate=x'}", "_include adds resources"},
		{"_elements", "{name: a, source: clinic, search: 'Observation?code=a&_elements=id'}", "_elements is set"},
		{"_count", "{name: a, source: clinic, search: 'Observation?code=a&_count=5'}", "_count is set"},
		{"_sort", "{name: a, source: clinic, search: 'Observation?code=a&_sort=date'}", "_sort can break pages"},
		{"empty value", "{name: a, source: clinic, search: 'Observation?code='}", "answer with everybody"},
		{"percent", "{name: a, source: clinic, search: 'Observation?code=5%'}", "write %25"},
		{"space", "{name: a, source: clinic, search: 'Observation?code=a &status=final'}", "code has a space or a line break"},
		{"match", "{name: a, source: clinic, search: '" + search + "', match: newest}", "write ever or latest"},
		{"latest of others", "{name: a, source: clinic, search: 'Condition?code=a', match: latest}", "compares Observations"},
		{"latest without value", "{name: a, source: clinic, search: 'Observation?code=a', match: latest}", "latest needs a criterion on the value"},
		{"among without latest", "{name: a, source: clinic, search: '" + search + "', among: 'Observation?code=a'}", "only with match: latest"},
		{"among of others", "{name: a, source: clinic, search: '" + search + "', match: latest, among: 'Condition?code=a'}", "among: searches Condition"},
		{"membership", "{name: a, source: clinic, search: '" + search + "', membership: open}", "write fixed or tracking"},
		{"group size", "{name: a, source: clinic, search: '" + search + "', groupSize: 5000}", "not a number from 1 to 4000"},
		{"shrink", "{name: a, source: clinic, search: '" + search + "', maxShrink: 0.2}", "not a percentage"},
		{"membership of a group", "{name: a, source: clinic, group: g, membership: fixed}", "others maintain its members"},
		{
			"no Groups on Azure", "{name: a, source: clinic, search: '" + search + "', groups: none}",
			"takes no list of patients in place of a Group",
		},
		{"groups", "{name: a, source: clinic, search: '" + search + "', groups: some}", "write server, or none"},
		{"source", "{name: a, search: '" + search + "'}", "source: is missing"},
		{"name", "{name: A, source: clinic, search: '" + search + "'}", "a name has lower-case letters"},
		{"key", "{name: a, source: clinic, search: '" + search + "', size: 4}", "unknown key size"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			text := cohortFile + "  - " + tt.cohort +
				"\nplans:\n  - {name: p, source: clinic, schedule: manual}\n"
			_, err := config.ParseExports("exports.yaml", []byte(text), none)
			if err == nil || !strings.Contains(err.Error(), tt.want) ||
				!strings.Contains(err.Error(), "exports.yaml:6: ") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestSearchesWithPatientsAreTaken(t *testing.T) {
	t.Parallel()
	for _, search := range []string{
		"Patient?_has:Observation:patient:code-value-concept=http://loinc.org|72166-2$http://snomed.info/sct|8517006",
		"Condition?code=http://snomed.info/sct|44054006&verification-status=confirmed",
		"Encounter?subject:Patient.gender=female&date=ge2024-01-01",
		"Observation?code=http%3A%2F%2Floinc.org%7C72166-2",
	} {
		text := cohortFile + "  - {name: a, source: clinic, search: '" + search + "'}\n" +
			"plans:\n  - {name: p, cohort: a, schedule: manual}\n"
		if _, err := config.ParseExports("exports.yaml", []byte(text), none); err != nil {
			t.Errorf("%s: %v", search, err)
		}
	}
}

func TestFaultsOfPlansWithCohorts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ plan, want string }{
		{"cohort: b", "unknown cohort"},
		{"cohort: a, level: system", "level: has no meaning with cohort"},
		{"cohort: a, group: g", "group: has no meaning with cohort"},
		{"cohort: a, patients: [x]", "patients: has no meaning with cohort"},
		{"cohort: a, source: other", "its patients are at source clinic"},
		{"cohort: a, deleted: true", "reports deletes at level system only"},
	} {
		text := cohortFile + "  - {name: a, source: clinic, search: 'Patient?gender=male'}\n" +
			"plans:\n  - {name: p, schedule: manual, " + tt.plan + "}\n"
		_, err := config.ParseExports("exports.yaml", []byte(text), none)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v", tt.plan, err)
		}
	}
}
