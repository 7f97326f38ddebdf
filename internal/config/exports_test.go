package config_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/config"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func none(string) string { return "" }

func TestSampleWorks(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../exports.sample.yaml")
	if err != nil {
		t.Fatal(err)
	}
	e, err := config.ParseExports("exports.sample.yaml", data, none)
	if err != nil {
		t.Fatal(err)
	}
	want := []pipeline.Plan{
		{
			Name: "nightly", Level: "system", Deleted: true, Schema: "fhir", Lag: 3 * time.Minute,
			Overlap: 15 * time.Minute, MaxBad: 0.05,
		},
		{
			Name: "vitals", Level: "system", Types: []string{"Patient", "Observation"},
			TypeFilter: []string{"Observation?category=vital-signs"}, Schema: "vitals",
			Lag: 3 * time.Minute, Overlap: 15 * time.Minute, MaxBad: 0.05,
		},
		{
			Name: "former-smokers", Level: "group", Cohort: "former-smokers",
			Schema: "former_smokers", Lag: 3 * time.Minute, Overlap: 15 * time.Minute, MaxBad: 0.05,
		},
		{
			Name: "study-one", Level: "group", Group: "study-one-cohort",
			Types:  []string{"Patient", "Condition", "Observation"},
			Schema: "study_one", Lag: 3 * time.Minute, Overlap: 15 * time.Minute, MaxBad: 0.05,
		},
	}
	if diff := cmp.Diff(want, e.Plans,
		cmpopts.IgnoreFields(pipeline.Plan{}, "Schedule")); diff != "" {
		t.Error(diff)
	}
	// 02:00 in Berlin is 00:00 UTC in summer.
	after := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	if got, want := e.Plans[0].Schedule.Next(after),
		time.Date(2026, 7, 2, 0, 0, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("nightly is due at %s, want %s", got, want)
	}
	if e.Plans[3].Schedule != nil {
		t.Error("a manual plan has a schedule")
	}
	for _, p := range e.Plans {
		s, ok := e.Source(p.Name)
		if !ok || s.Name != "clinic" || s.Auth.Kind != config.AuthManagedIdentity ||
			s.Auth.Audience != s.URL {
			t.Errorf("source of %s = %+v, %t", p.Name, s, ok)
		}
	}
	if len(e.Warnings) != 2 ||
		!strings.Contains(e.Warnings[0], "plan vitals: a resource that leaves the filter") ||
		!strings.Contains(e.Warnings[1], "plan study-one: at level group") {
		t.Errorf("warnings = %q", e.Warnings)
	}
}

func TestSourcesTakeValuesFromTheEnvironment(t *testing.T) {
	t.Parallel()
	const text = `
version: 1
sources:
  s:
    url: https://${FHIR_HOST}/fhir/
    auth: {kind: managed-identity, clientId: "${FHIR_ID}"}
plans: [{name: a, schedule: manual, group: 007, level: group, source: s}]
`
	env := map[string]string{"FHIR_HOST": "fhir.example:8443", "FHIR_ID": "me"}
	e, err := config.ParseExports("exports.yaml", []byte(text), func(n string) string {
		return env[n]
	})
	if err != nil {
		t.Fatal(err)
	}
	want := config.Source{
		Name: "s", URL: "https://fhir.example:8443/fhir", Dialect: "azure",
		Auth: config.Auth{
			Kind: config.AuthManagedIdentity, Audience: "https://fhir.example:8443", ClientID: "me",
		},
	}
	if diff := cmp.Diff(want, e.Sources["s"]); diff != "" {
		t.Error(diff)
	}
	if got := e.Plans[0].Group; got != "007" {
		t.Errorf("group = %q: an id of digits must keep its zeros", got)
	}
	if _, err := config.ParseExports("exports.yaml", []byte(text), none); err == nil ||
		!strings.Contains(err.Error(),
			"exports.yaml:5: source s: url: refers to the setting FHIR_HOST, which is not set") {
		t.Errorf("unset reference: %v", err)
	}
}

// head is a file up to its plans, which begin on line 4.
const head = `version: 1
sources: {s: {url: "https://fhir.example", auth: {kind: none}}, t: {url: "http://localhost:1", auth: {kind: none}}}
plans:
`

func TestPlanFaultsComeAllAtOnceWithTheirLines(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text string
		want []string
	}{
		"unknown keys": {
			head + "- {name: a, source: s, schedule: manual, typefilter: [], colour: red}\n",
			[]string{
				"x.yaml:4: unknown key typefilter in plan 1: did you mean typeFilter?",
				"x.yaml:4: unknown key colour in plan 1: known are name, source, level, group, cohort, types, typeFilter, patients, elements, deleted, deidentify, schema, schedule, timezone, paused, lag, overlap, maxBad, urnReferences, allowErrors, fullEvery, mode, outside, storage, distribute, clusterBy",
			},
		},
		"a key twice": {
			head + "- name: a\n  source: s\n  schedule: manual\n  name: b\n",
			[]string{"x.yaml:7: name is given twice in plan 1"},
		},
		"nothing but a name": {
			head + "- name: a\n",
			[]string{
				"x.yaml:4: plan a: source: is missing", "x.yaml:4: plan a: schedule: is missing",
			},
		},
		"names": {
			head + "- {name: Nightly Run, source: s, schema: x, schedule: manual}\n- {source: s, schema: y, schedule: manual}\n",
			[]string{
				`x.yaml:4: plan 1: name: "Nightly Run": a name has lower-case letters`,
				"x.yaml:5: plan 2: name: is missing",
			},
		},
		"two plans of one name": {
			head + "- {name: a, source: s, schedule: manual}\n- {name: a, source: s, schema: b, schedule: manual}\n",
			[]string{"x.yaml:5: plan 2: name: there is another plan a"},
		},
		"two plans with one schema": {
			head + "- {name: a-b, source: s, schedule: manual}\n- {name: c, source: s, schema: A_B, schedule: manual}\n",
			[]string{
				"x.yaml:5: plan c: schema: A_B is the schema of plan a-b: two plans must not write the same tables",
			},
		},
		"the schema of a plan's loader": {
			head + "- {name: a-load, source: s, schedule: manual}\n" +
				"- {name: a, source: s, schedule: manual}\n",
			[]string{"plan a: schema: a and the schema of plan a-load differ by _load only"},
		},
		"schemas": {
			head + "- {name: a, source: s, schema: 1a, schedule: manual}\n- {name: b, source: s, schema: SYS, schedule: manual}\n",
			[]string{
				`plan a: schema: "1a": a schema has`, "plan b: schema: SYS belongs to the database",
			},
		},
		"levels and groups": {
			head + "- {name: a, source: s, level: group, schedule: manual}\n- {name: b, source: s, group: g, schedule: manual}\n" +
				"- {name: c, source: s, level: sytem, schedule: manual}\n- {name: d, source: s, level: group, group: ../x, schedule: manual}\n",
			[]string{
				"x.yaml:4: plan a: group: is missing: level group needs",
				"x.yaml:5: plan b: group: has no meaning at level system",
				`x.yaml:6: plan c: level: unknown level "sytem": did you mean system?`,
				"x.yaml:7: plan d: group: must be the id of a Group",
			},
		},
		"unknown source": {
			head + "- {name: a, source: u, schedule: manual}\n",
			[]string{`x.yaml:4: plan a: source: unknown source "u"`},
		},
		"types": {
			head + "- {name: a, source: s, types: [Patient, Obsevation, Patient, Pateint], schedule: manual}\n",
			[]string{
				`types: "Obsevation" is not a resource type of FHIR R4: did you mean Observation?`,
				"types: Patient is listed twice",
				`"Pateint" is not a resource type of FHIR R4: did you mean Patient?`,
			},
		},
		"types that are no list": {
			head + "- {name: a, source: s, types: Patient, schedule: manual}\n",
			[]string{"x.yaml:4: plan a: types: must be a list, not text"},
		},
		"filters": {
			head + "- {name: a, source: s, deleted: false, schedule: manual, types: [Patient], typeFilter: [Observation?a=b, 'Patient?a=b,c', Patient, Foo?a=b]}\n",
			[]string{
				"it is for Observation, which is not among the types",
				"this server cannot take a comma", `"Patient": it is not of the form`,
				`"Foo" is not a resource type`,
			},
		},
		"filter without types": {
			head + "- {name: a, source: s, deleted: false, schedule: manual, typeFilter: [Patient?a=b]}\n",
			[]string{"typeFilter: this server takes filters only with types"},
		},
		"filter with deletes": {
			head + "- {name: a, source: s, schedule: manual, types: [Patient], typeFilter: [Patient?a=b]}\n",
			[]string{"typeFilter: this server cannot report deletes of a filtered export"},
		},
		"deletes below the system": {
			head + "- {name: a, source: s, schedule: manual, level: patient, deleted: true}\n",
			[]string{"deleted: this server reports deletes at level system only"},
		},
		"deleted that is no boolean": {
			head + "- {name: a, source: s, schedule: manual, deleted: perhaps}\n",
			[]string{"deleted: must be true or false, not text"},
		},
		"schedules": {
			head + "- {name: a, source: s, schedule: 0 */5 * * * *}\n- {name: b, source: s, schedule: 61 * * * *}\n- {name: c, source: s, schedule: 0 0 30 2 *}\n- {name: d, source: s, schedule: 'daily'}\n" +
				"- {name: e, source: s, schedule: 'TZ=UTC * * * *'}\n",
			[]string{
				"has 6 fields: write five",
				`plan b: schedule: "61 * * * *": end of range (61) above maximum (59)`,
				"plan c: schedule: \"0 0 30 2 *\" is never due", "has 1 fields", "plan e: schedule",
			},
		},
		"time zones": {
			head + "- {name: a, source: s, schedule: 0 2 * * *, timezone: Berlin}\n- {name: b, source: s, schedule: manual, timezone: UTC}\n",
			[]string{
				`plan a: timezone: unknown time zone "Berlin"`,
				"plan b: timezone: has no meaning without a schedule",
			},
		},
		"full exports": {
			head + "- {name: a, source: s, schedule: manual, fullEvery: 5}\n- {name: b, source: s, schedule: '0 2 * * *', fullEvery: 1}\n" +
				"- {name: c, source: s, schedule: '0 2 * * *', level: patient, deleted: false, fullEvery: 5}\n- {name: d, source: s, schedule: '0 2 * * *', fullEvery: 30}\n",
			[]string{
				"plan a: fullEvery: has no meaning with schedule: manual",
				`plan b: fullEvery: "1" is not a number from 2 to 1000`,
				"plan c: fullEvery: has no meaning at level patient",
			},
		},
		"durations and shares": {
			head + "- {name: a, source: s, schedule: manual, lag: 3, overlap: -1m, maxBad: 1}\n- {name: b, source: s, schedule: manual, lag: [], maxBad: 200%}\n",
			[]string{
				`plan a: lag: "3" is not a duration`, `overlap: "-1m" may not be negative`,
				`maxBad: "1" is not a percentage`,
				"plan b: lag: must be text, not a list", `maxBad: "200%" is not a percentage`,
			},
		},
		"sources": {
			"version: 1\nsources:\n  A: {url: 'ftp://x', auth: {kind: none}}\n  b: {dialect: azuer, auth: {}}\n  c: {url: 'http://fhir.example'}\n" +
				"  d: {url: 'https://u:hunter2@x?y', auth: {kind: basic}}\n  e: {url: 'https://x', auth: {kind: none, clientId: x}}\n  f:\nplans: [{name: a, source: e, schedule: manual}]\n",
			[]string{
				"x.yaml:3: source A: a name has", "source A: url: is not a URL",
				"x.yaml:4: source b: dialect: unknown dialect \"azuer\": did you mean azure?",
				"source b: url: is missing", "source b: auth: kind: is missing",
				"x.yaml:5: source c: url: must be https", "source c: auth: is missing",
				"x.yaml:6: source d: url: may not carry a user",
				`source d: auth: kind: unknown kind "basic": known are none, managed-identity`,
				"x.yaml:7: source e: auth: clientId: has no meaning",
				"x.yaml:8: source f must be an object, not nothing",
			},
		},
		"anchors": {
			"version: 1\nsources: {s: &a {url: 'https://x', auth: {kind: none}}, t: *a}\nplans: [{name: a, source: s, schedule: manual}]\n",
			[]string{
				"source s must be an object, not an anchor",
				"source t must be an object, not an anchor",
			},
		},
		"no YAML": {"version: 1\nplans: [\n", []string{"x.yaml:2: "}},
		"empty":   {"# nothing\n", []string{"x.yaml:1: the file is empty"}},
		"a list": {
			"- version: 1\n",
			[]string{"x.yaml:1: the file must be an object, not a list"},
		},
		"two documents": {
			head +
				"- {name: a, source: s, schedule: manual}\n---\nversion: 1\n",
			[]string{"a second document begins here"},
		},
		"no plans, no source": {
			"version: 1\nplans: []\n",
			[]string{
				"sources: there must be at least one", "plans: must be a list of at least one plan",
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := config.ParseExports("x.yaml", []byte(tt.text), none)
			if err == nil {
				t.Fatal("no fault")
			}
			if fault.Of(err) != fault.Permanent {
				t.Errorf("class = %s", fault.Of(err))
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("a secret shows in: %v", err)
			}
			if lines := strings.Split(err.Error(), "\n"); len(lines) != len(tt.want) {
				t.Errorf("%d faults, want %d", len(lines), len(tt.want))
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %q", want)
				}
			}
			if t.Failed() {
				t.Logf("got:\n%v", err)
			}
		})
	}
}

func FuzzParseExports(f *testing.F) {
	f.Add([]byte(head + "- {name: a, source: s, schedule: 0 2 * * *, types: [Patient]}\n"))
	f.Add([]byte("version: 1\nsources: &a {s: *a}\nplans: [<<: *a]\n"))
	f.Add([]byte("- - - ? : !!binary |\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := config.ParseExports("x.yaml", data, none)
		if err != nil {
			if err.Error() == "" {
				t.Error("a fault without words")
			}
			return
		}
		for _, p := range e.Plans {
			if s, ok := e.Source(p.Name); !ok || s.URL == "" || p.Schema == "" || p.MaxBad < 0 ||
				p.MaxBad > 1 {
				t.Errorf("accepted %+v from %+v", p, s)
			}
		}
	})
}

func TestPlansSayHowTheirViewsReadReferences(t *testing.T) {
	t.Parallel()
	const head = "version: 1\nsources:\n  s: {url: https://inner.example/fhir/, dialect: bulk, auth: {kind: none}%s}\nplans:\n"
	e, err := config.ParseExports("x.yaml",
		[]byte(fmt.Sprintf(head, "")+
			"- {name: a, source: s, schedule: manual, urnReferences: ids}\n- {name: b, source: s, schedule: manual, schema: b}\n"), none)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(sof.References{Base: "https://inner.example/fhir", URNs: true},
		e.References("a")); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(sof.References{Base: "https://inner.example/fhir"},
		e.References("b")); d != "" {
		t.Error(d)
	}
	e, err = config.ParseExports("x.yaml",
		[]byte(fmt.Sprintf(head, ", referenceBase: https://outer.example/r4/")+
			"- {name: a, source: s, schedule: manual}\n"), none)
	if got := e.References("a").Base; err != nil || got != "https://outer.example/r4" {
		t.Errorf("base %s, %v", got, err)
	}
	_, err = config.ParseExports("x.yaml",
		[]byte(fmt.Sprintf(head, ", referenceBase: fhir/r4")+
			"- {name: a, source: s, schedule: manual, urnReferences: all}\n"), none)
	for _, want := range []string{
		"referenceBase: must look like https://HOST/PATH", `urnReferences: "all": write ids`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
}
