package tsql_test

import (
	"fmt"
	"testing"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"
)

var references = []string{
	"Patient/1", "/Patient/1", "//Patient/1", "Patient/1/_history/2",
	"https://h/fhir/Patient/a.b-C", "https://h/fhir/Patient/1/_history/2",
	"https://H/fhir/Patient/1", "https://h/fhir2/Patient/1", "https://h/fhir/x/Patient/1",
	"https://h/Patient/1", "http://h/fhir/Patient/1",
	"fhir/Patient/1", "//h/fhir/Patient/1", "#c", "#Patient/1",
	"urn:uuid:0f0f0f0f-0000-4000-8000-000000000001", "urn:uuid:", "urn:uuid:a b",
	"URN:UUID:0f", "urn:oid:1.2/Patient/3", "urn:oid:1.2.3", "Patient?identifier=s|v",
	"Patient?identifier=http://h/Foo/1", "Patient/1#x",
	"Patient/", "Patient", "/1", "/", "", "patient/1", "_history/1", "Patient/_history/1",
	"https://h", "https://h/fhir/", "Group/1", "Patient/a_b",
	"https://h/fhir//Patient/1", "xPatient/9",
}

func TestKeysOfReferencesAreThoseOfTheNativeEngine(t *testing.T) {
	t.Parallel()
	var lines [][]byte
	for i, r := range references {
		lines = append(lines,
			fmt.Appendf(nil,
				`{"resourceType":"Observation","id":"o%d","subject":{"reference":%q},"hasMember":[{"reference":%q},{"display":"x"}]}`, i, r, r))
	}
	for _, r := range []sof.References{
		{}, {Base: "https://h/fhir/"}, {Base: "https://h/fhir", URNs: true}, {URNs: true},
	} {
		v, err := sof.Compile("v.json",
			[]byte(`{"name":"v","resource":"Observation","select":[{"column":[{"name":"id","path":"id"},
			{"name":"patient_id","path":"subject.getReferenceKey(Patient)"},{"name":"any_id","path":"subject.getReferenceKey()"},
			{"name":"members","path":"hasMember.getReferenceKey(Patient)","collection":true},{"name":"either","path":"hasMember.getReferenceKey().first()"}]}]}`), sof.WithReferences(r))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range tsql.Engines() {
			agree(t, v, e, lines)
		}
	}
}
