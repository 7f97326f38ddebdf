package synthetic_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/emulator/fhirserver/synthetic"
)

func TestMultiplyRewritesIdsAndReferencesAndNothingElse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	line := `{"subject" : {"reference" : "Patient/x"},"resourceType":"Observation","id":"o","v":1.10,` +
		`"performer":[{"reference":"Practitioner/p/_history/2"},{"reference":"#c"},{"reference":"http://h/Patient/x"},{"reference":"Location?identifier=a|b"},{"reference":"urn:uuid:1"}],` +
		`"text":"\"reference\":\"Patient/x\"","contained":[{"resourceType":"Patient","id":"c"}]}`
	if err := os.WriteFile(filepath.Join(dir, "Observation.ndjson"), []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	written, err := synthetic.MultiplyFolder(dir, out, 2)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(out, "Observation.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	var want string
	for _, k := range []string{"1", "2"} {
		want += `{"subject" : {"reference" : "Patient/x-` + k + `"},"resourceType":"Observation","id":"o-` + k + `","v":1.10,` +
			`"performer":[{"reference":"Practitioner/p-` + k + `/_history/2"},{"reference":"#c"},{"reference":"http://h/Patient/x"},{"reference":"Location?identifier=a|b"},{"reference":"urn:uuid:1"}],` +
			`"text":"\"reference\":\"Patient/x\"","contained":[{"resourceType":"Patient","id":"c"}]}` + "\n"
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("copies (-want +got):\n%s", diff)
	}
	if written != int64(len(want)) {
		t.Errorf("written %d, want %d", written, len(want))
	}
	size, err := synthetic.Size(dir)
	if err != nil || size != int64(len(line)+1) {
		t.Errorf("size %d, %v; want %d", size, err, len(line)+1)
	}
}

func TestMultiplySaysWhereALineIsBad(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]string{
		"no JSON": `{"resourceType":"Patient","id":"a"`, "no id": `{"resourceType":"Patient"}`,
		"no type": `{"id":"a"}`, "long id": `{"resourceType":"Patient","id":"` + strings.Repeat("a", 60) + `"}`,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "Patient.ndjson"), []byte("\n"+line+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		err := synthetic.Multiply(dir, 1, func(string, []byte) error { return nil })
		if err == nil || !strings.Contains(err.Error(), "Patient.ndjson line 2") {
			t.Errorf("%s: error %v, want one that names file and line", name, err)
		}
	}
}
