package search_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/emulator/fhirserver/search"
)

func TestTokensMatchAsFHIRSaysTheyDo(t *testing.T) {
	t.Parallel()
	const line = `{"resourceType":"Observation","id":"Ab","status":"final","effectiveDateTime":"2024-05-01","subject":{"reference":"Patient/p"},` +
		`"code":{"coding":[{"system":"http://x","code":"0"},{"system":"http://loinc.org","code":"72166-2"}]},"valueCodeableConcept":{"coding":[{"code":"8517006"}]}}`
	tests := []struct {
		name, value string
		want        bool
	}{
		{"code", "http://loinc.org|72166-2", true},
		{"code", "72166-2", true},
		{"code", "http://loinc.org|", true},
		{"code", "http://x|72166-2", false},
		{"code", "|72166-2", false},
		{"value-concept", "|8517006", true},
		{"value-concept", "http://snomed.info/sct|8517006", false},
		{"_id", "Ab", true},
		{"_id", "ab", false},
		{"status", "final", true},
		{"status", "amended", false},
		{"patient", "p", true},
		{"subject", "Patient/p", true},
		{"subject", "Patient/P", false},
		{"date", "2024-05-01", true},
		{"date", "2024", true},
		{"date", "ge2024-05-01", true},
		{"date", "gt2024-05-01", false},
		{"date", "le2024-04", false},
		{"date", "lt2025", true},
	}
	for _, tt := range tests {
		q := search.New("Observation")
		if err := q.Where(tt.name, tt.value); err != nil {
			t.Fatal(err)
		}
		if got := q.Match([]byte(line)); got != tt.want {
			t.Errorf("%s=%s matches: %t, want %t", tt.name, tt.value, got, tt.want)
		}
	}
}

func TestUnknownParametersAreNamed(t *testing.T) {
	t.Parallel()
	for typ, name := range map[string]string{
		"Patient": "code", "Organization": "status", "Observation": "_summary",
		"Group": "value-concept",
	} {
		var unknown *search.UnknownParameterError
		if err := search.New(typ).Where(name, "x"); !errors.As(err, &unknown) ||
			unknown.Name != name {
			t.Errorf("%s?%s: %v", typ, name, err)
		}
	}
}

func TestCompartments(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		typ, line string
		want      []string
	}{
		{"Patient", `{"link":[{"other":{"reference":"Patient/q"}}]}`, []string{"self", "q"}},
		{
			"Observation",
			`{"subject":{"reference":"Patient/p"},"performer":[{"reference":"Practitioner/x"},{"reference":"Patient/p"},{"reference":"Patient/q/_history/2"}]}`,
			[]string{"p", "q"},
		},
		{"CareTeam", `{"participant":[{"member":{"reference":"Patient/p"}},{"onBehalfOf":{"reference":"Patient/q"}}]}`, []string{"p"}},
		{"Condition", `{"subject":{"reference":"https://host/Patient/p"}}`, nil},
		{"Organization", `{"partOf":{"reference":"Patient/p"}}`, nil},
	} {
		if diff := cmp.Diff(tt.want, search.Patients(tt.typ, "self", []byte(tt.line))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.typ, diff)
		}
	}
}

func TestMembersEndWithTheirPeriod(t *testing.T) {
	t.Parallel()
	group := []byte(`{"resourceType":"Group","id":"g","actual":true,"member":[
		{"entity":{"reference":"Patient/year"},"period":{"end":"2026"}},
		{"entity":{"reference":"Patient/month"},"period":{"end":"2026-02"}},
		{"entity":{"reference":"Patient/day"},"period":{"start":"2026-03-02"}},
		{"entity":{"reference":"Patient/instant"},"period":{"start":"2026-03-01T00:00:00Z"}},
		{"entity":{"reference":"Patient/instant"}},
		{"entity":{"reference":"Device/d"}}]}`)
	got, err := search.Members(group, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		func(string) []byte { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"year", "instant"}, got); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
}
