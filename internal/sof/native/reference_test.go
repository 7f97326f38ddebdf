package native

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/sof"
)

func TestReferencesJoinByTypeAndID(t *testing.T) {
	t.Parallel()
	const base = "https://h/fhir"
	tests := []struct {
		base, ref, target string
		id                string
		why               Unkeyed
	}{
		{"", "Patient/1", "", "1", Keyed},
		{"", "Patient/1/_history/2", "", "1", Keyed},
		{"", "/Patient/1", "", "1", Keyed},
		{"", "Patient/1", "Group", "", Keyed},
		{"", "https://h/fhir/Patient/a.b-C", "", "", Foreign},
		{base, "https://h/fhir/Patient/a.b-C", "", "a.b-C", Keyed},
		{base + "/", "https://h/fhir/Patient/a_b", "Patient", "a_b", Keyed},
		{base, "https://h/fhir/Patient/1/_history/2", "", "1", Keyed},
		{base, "https://h/fhir/Patient/1", "Group", "", Keyed},
		{base, "https://other/fhir/Patient/1", "", "", Foreign},
		{base, "https://other/fhir/Patient/1", "Group", "", Keyed},
		{base, "https://h/fhir2/Patient/1", "", "", Foreign},
		{base, "https://h/fhir/x/Patient/1", "", "", Foreign},
		{base, "https://h/Patient/1", "", "", Foreign},
		{base, "http://h/fhir/Patient/1", "", "", Foreign},
		{base, "http://h:8080/a/b/c/Observation/1/_history/9", "", "", Foreign},
		{base, "fhir/Patient/1", "", "", Unresolved},
		{base, "//h/fhir/Patient/1", "", "", Unresolved},
		{"", "#c", "", "", Unresolved},
		{"", "#Patient/1", "Patient", "", Unresolved},
		{"", "urn:uuid:0-0", "", "", URN},
		{"", "urn:oid:1.2/Patient/3", "", "", Unresolved},
		{"", "urn:oid:1.2.3", "", "", Unresolved},
		{"", "Patient?identifier=s|v", "Patient", "", Unresolved},
		{"", "Patient?identifier=s|v", "Group", "", Keyed},
		{"", "Patient?identifier=http://h/Foo/1", "", "", Unresolved},
		{"", "Patient/1#x", "", "", Unresolved},
		{"", "Patient/", "", "", Unresolved},
		{"", "Patient", "", "", Unresolved},
		{"", "/1", "", "", Unresolved},
		{"", "patient/1", "", "", Unresolved},
		{"", "_history/1", "", "", Unresolved},
		{"", "Patient/_history/1", "", "", Unresolved},
		{"", "", "", "", Keyed},
		{"", "https://h", "", "", Unresolved},
	}
	for _, tt := range tests {
		e := &sof.ReferenceKey{Target: tt.target, Base: tt.base}
		if n := len(e.Base); n > 0 && e.Base[n-1] == '/' {
			e.Base = e.Base[:n-1] // like the option
		}
		key := newReferenceKey(nil, e, hop{}).key
		if id, why := key.read([]byte(tt.ref)); string(id) != tt.id || why != tt.why {
			t.Errorf("%q to %q at %q: got %q, %d, want %q, %d", tt.ref, tt.target, tt.base, id, why,
				tt.id, tt.why)
		}
	}
	urns := keyReader{target: "Patient", urns: true}
	for ref, want := range map[string]string{
		"urn:uuid:0f0f0f0f-0000-4000-8000-000000000001": "0f0f0f0f-0000-4000-8000-000000000001",
		"urn:uuid:": "", "urn:uuid:a b": "", "urn:oid:1.2.3": "",
	} {
		if id, _ := urns.read([]byte(ref)); string(id) != want {
			t.Errorf("%q: %q", ref, id)
		}
	}
}

const referringView = `{"resourceType":"ViewDefinition","name":"v","resource":"Observation","status":"active","select":[
	{"column":[{"name":"id","path":"getResourceKey()"},{"name":"patient_id","path":"subject.getReferenceKey(Patient)"}]},
	{"forEachOrNull":"hasMember","column":[{"name":"member_id","path":"getReferenceKey(Observation)"},
		{"name":"either","path":"iif(reference.exists(), getReferenceKey(), 'x')"}]}]}`

func TestRowsWithoutAKeyAreCounted(t *testing.T) {
	t.Parallel()
	lines := []string{
		`{"resourceType":"Observation","id":"a","subject":{"reference":"https://h/fhir/Patient/1"},"hasMember":[{"reference":"urn:uuid:1"},{"reference":"#x"},{"reference":"Observation/1"}]}`,
		`{"resourceType":"Observation","id":"b","subject":{"reference":"Group/1"}}`,
		`{"resourceType":"Observation","id":"c"}`,
	}
	run := func(r sof.References) (rows [][]string, misses []Miss) {
		view, err := sof.Compile("v.json", []byte(referringView), sof.WithReferences(r))
		if err != nil {
			t.Fatal(err)
		}
		other, err := sof.Compile("w.json",
			[]byte(`{"resourceType":"ViewDefinition","name":"w","resource":"Observation","status":"active","select":[
			{"column":[{"name":"patient_id","path":"subject.getReferenceKey(Patient)"}]}]}`), sof.WithReferences(r))
		if err != nil {
			t.Fatal(err)
		}
		e, err := New([]*sof.View{view, other})
		if err != nil {
			t.Fatal(err)
		}
		ev := e.Evaluator()
		for _, line := range lines {
			res, err := ev.Eval(t.Context(), []byte(line), func(_ int, cells [][]byte) error {
				var row []string
				for _, c := range cells {
					row = append(row, string(c))
				}
				rows = append(rows, row)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			misses = append(misses, res.Misses...)
		}
		return rows, misses
	}
	rows, misses := run(sof.References{Base: "https://other/"})
	wantRows := [][]string{
		{"a", "", "", ""},
		{"a", "", "", ""},
		{"a", "", "1", "1"},
		{""},
		{"b", "", "", ""},
		{""},
		{"c", "", "", ""},
		{""},
	}
	if d := cmp.Diff(wantRows, rows); d != "" {
		t.Error(d)
	}
	want := []Miss{
		{0, 1, Foreign, 3},
		{0, 2, URN, 1},
		{0, 3, URN, 1},
		{0, 2, Unresolved, 1},
		{0, 3, Unresolved, 1},
		{1, 0, Foreign, 1},
	}
	if d := cmp.Diff(want, misses); d != "" {
		t.Error(d)
	}
	rows, misses = run(sof.References{Base: "https://h/fhir/", URNs: true})
	if d := cmp.Diff([]string{"a", "1", "1", "1"}, rows[0]); d != "" || len(misses) != 2 {
		t.Errorf("%s, %d kinds of misses", d, len(misses))
	}
}

func FuzzReferencesNeverPanic(f *testing.F) {
	f.Add("Patient/1/_history/2", "")
	f.Add("https://h/fhir/Patient/1", "https://h/fhir/")
	f.Fuzz(func(t *testing.T, ref, base string) {
		r := keyReader{base: base}
		if id, why := r.read([]byte(ref)); why != Keyed && id != nil {
			t.Errorf("%q has a key and none", ref)
		}
	})
}
