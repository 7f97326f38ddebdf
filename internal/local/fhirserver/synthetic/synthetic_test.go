package synthetic_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/local/fhirserver/synthetic"
)

func generate(t *testing.T, o synthetic.Options) map[string][][]byte {
	t.Helper()
	lines := map[string][][]byte{}
	if err := synthetic.Generate(o, func(typ string, line []byte) error {
		lines[typ] = append(lines[typ], line)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestTheSameSeedGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	text := func(seed uint64) string {
		var all bytes.Buffer
		if err := synthetic.Generate(synthetic.Options{Seed: seed, Patients: 20}, func(_ string, line []byte) error {
			all.Write(line)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return all.String()
	}
	first, again := text(7), text(7)
	if first != again {
		t.Error("two runs with one seed differ")
	}
	if first == text(8) {
		t.Error("another seed gives the same data")
	}
}

func TestEveryLineIsAResourceAndEveryReferenceResolves(t *testing.T) {
	t.Parallel()
	reference := regexp.MustCompile(`"reference": *"([^"]+)"`)
	ids := map[string]bool{}
	var references []string
	all := generate(t, synthetic.Options{Seed: 3, Patients: 60})
	for typ, lines := range all {
		for _, line := range lines {
			var r struct{ ResourceType, ID string }
			if !json.Valid(line) || json.Unmarshal(line, &r) != nil || r.ResourceType != typ || bytes.ContainsAny(line, "\r\n") {
				t.Fatalf("not one line of a %s", typ)
			}
			if ids[typ+"/"+r.ID] {
				t.Fatalf("an id of %s comes twice", typ)
			}
			ids[typ+"/"+r.ID] = true
			for _, m := range reference.FindAllSubmatch(line, -1) {
				references = append(references, string(m[1]))
			}
		}
	}
	if len(all) != 6 {
		t.Errorf("%d resource types, want 6", len(all))
	}
	for _, r := range references {
		if !ids[r] {
			t.Errorf("reference %s leads nowhere", r)
		}
	}
}

func TestTheOdditiesAreThere(t *testing.T) {
	t.Parallel()
	lines := generate(t, synthetic.Options{Seed: 1, Patients: 30})
	all := map[string]string{}
	biggest := 0
	lower := map[string]int{}
	for typ, ls := range lines {
		all[typ] = string(bytes.Join(ls, []byte("\n")))
		for _, l := range ls {
			biggest = max(biggest, len(l))
			var r struct{ ID string }
			if err := json.Unmarshal(l, &r); err != nil {
				t.Fatal(err)
			}
			lower[strings.ToLower(typ+r.ID)]++
		}
	}
	for typ, wants := range map[string][]string{
		"Patient":      {`"birthDate":"1970"`, `"birthDate":"1970-06"`, `佐藤`, `\ud842\udfb7`, `","`, `"meta":{"profile"`},
		"Observation":  {`72166-2`, `8517006`, `"value":1.10`, `"value":0.0`, `"component":[`, `\ud83d\ude80`, `🚀`, `\"fine\"`},
		"Organization": {`"resourceType": "Organization"`},
	} {
		for _, want := range wants {
			if !strings.Contains(all[typ], want) {
				t.Errorf("no %s has %s", typ, want)
			}
		}
	}
	if strings.Count(all["Patient"], `"name":[`) == len(lines["Patient"]) {
		t.Error("every Patient has a name, want some without")
	}
	if biggest <= 1<<20 {
		t.Errorf("the biggest line has %d bytes, want more than 1 MB", biggest)
	}
	pairs := 0
	for _, n := range lower {
		pairs += n - 1
	}
	if pairs != 3 {
		t.Errorf("%d ids differ from another one by case only, want 3", pairs)
	}
}

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
