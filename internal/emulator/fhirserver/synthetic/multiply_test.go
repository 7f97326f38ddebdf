package synthetic_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/emulator/fhirserver/synthetic"
)

func TestMultiplyRewritesIdsAndReferencesAndNothingElse(t *testing.T) {
	t.Parallel()
	line := `{"subject" : {"reference" : "Patient/x"},"resourceType":"Observation","id":"o","v":1.10,` +
		`"performer":[{"reference":"Practitioner/p/_history/2"},{"reference":"#c"},{"reference":"http://h/Patient/x"},{"reference":"Location?identifier=a|b"},{"reference":"urn:uuid:1"}],` +
		`"text":"\"reference\":\"Patient/x\"","contained":[{"resourceType":"Patient","id":"c"}]}`
	dir := fstest.MapFS{"Observation.ndjson": {Data: []byte(line)}}
	var got strings.Builder
	if err := synthetic.Multiply(dir, 2, func(_ string, line []byte) error {
		got.Write(line)
		got.WriteByte('\n')
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	var want string
	for _, k := range []string{"1", "2"} {
		want += `{"subject" : {"reference" : "Patient/x-` + k +
			`"},"resourceType":"Observation","id":"o-` + k + `","v":1.10,` +
			`"performer":[{"reference":"Practitioner/p-` + k +
			`/_history/2"},{"reference":"#c"},{"reference":"http://h/Patient/x"},{"reference":"Location?identifier=a|b"},{"reference":"urn:uuid:1"}],` +
			`"text":"\"reference\":\"Patient/x\"","contained":[{"resourceType":"Patient","id":"c"}]}` + "\n"
	}
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("copies (-want +got):\n%s", diff)
	}
	size, err := synthetic.Size(dir)
	if err != nil || size != int64(len(want)/2) {
		t.Errorf("size %d, %v; want %d", size, err, len(want)/2)
	}
}

func TestMultiplySaysWhereALineIsBad(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]string{
		"no JSON": `{"resourceType":"Patient","id":"a"`, "no id": `{"resourceType":"Patient"}`,
		"no type": `{"id":"a"}`,
		"long id": `{"resourceType":"Patient","id":"` + strings.Repeat("a", 60) + `"}`,
	} {
		dir := fstest.MapFS{"Patient.ndjson": {Data: []byte("\n" + line + "\n")}}
		err := synthetic.Multiply(dir, 1, func(string, []byte) error { return nil })
		if err == nil || !strings.Contains(err.Error(), "Patient.ndjson line 2") {
			t.Errorf("%s: error %v, want one that names file and line", name, err)
		}
	}
}
