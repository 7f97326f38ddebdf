package native

import "testing"

func TestReferencesJoinByTheirLastTypeAndID(t *testing.T) {
	t.Parallel()
	for ref, want := range map[string]string{
		"Patient/1":                                    "Patient 1",
		"Patient/1/_history/2":                         "Patient 1",
		"https://h/fhir/Patient/a.b-C":                 "Patient a.b-C",
		"https://h/fhir/Patient/1/_history/2":          "Patient 1",
		"http://h:8080/a/b/c/Observation/1/_history/9": "Observation 1",
		"/Patient/1":                                   "Patient 1",
		"#c":                                           "",
		"#Patient/1":                                   "",
		"urn:uuid:0-0":                                 "",
		"urn:oid:1.2/Patient/3":                        "",
		"Patient?identifier=s|v":                       "",
		"Patient?identifier=http://h/Foo/1":            "",
		"Patient/1#x":                                  "",
		"Patient/":                                     "",
		"Patient":                                      "",
		"/1":                                           "",
		"patient/1":                                    "",
		"_history/1":                                   "",
		"Patient/_history/1":                           "",
		"":                                             "",
		"https://h":                                    "",
	} {
		got := ""
		if typ, id, ok := splitReference([]byte(ref)); ok {
			got = string(typ) + " " + string(id)
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", ref, got, want)
		}
	}
}

func FuzzSplitReferenceNeverPanics(f *testing.F) {
	f.Add("Patient/1/_history/2")
	f.Fuzz(func(t *testing.T, ref string) {
		typ, id, ok := splitReference([]byte(ref))
		if ok && (len(typ) == 0 || len(id) == 0) {
			t.Errorf("%q has an empty half", ref)
		}
	})
}
