package flatten_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"fhirsynapse/internal/flatten"
)

func TestLineType(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		`{"resourceType":"Patient","id":"a"}`:                                                "Patient",
		` { "id" : "a" , "resourceType" : "Observation" } `:                                  "Observation",
		`{"contained":[{"resourceType":"Device"}],"text":"\"}{","resourceType":"Encounter"}`: "Encounter",
		`{"text":"a\\","n":-1.5e3,"x":null,"y":true,"resourceType":"Condition"}`:             "Condition",
		// cut
		`{"resourceType":"Patient","id":"a","birthDate":`:    "Patient",
		`{"contained":[{"resourceType":"Device"}]}`:          "",
		`{"resourceType":"patient"}`:                         "",
		`{"resourceType":"PATIENT"}`:                         "", // like Patient
		`{"resourceType":"Homemade"}`:                        "Homemade",
		`{"resourceType":"P; DROP"}`:                         "",
		`{"resourceType":"` + strings.Repeat("A", 65) + `"}`: "",
		`{"resourceType":{"resourceType":"Patient"}}`:        "",
		`[{"resourceType":"Patient"}]`:                       "",
		`"resourceType":"Patient"`:                           "",
		`{`:                                                  "",
		`{"`:                                                 "",
		`{"\`:                                                "",
		`{"id":"a"}, "resourceType":"Patient"}`:              "",
		``:                                                   "",
	} {
		if got := flatten.LineType([]byte(line)); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

func FuzzLineType(f *testing.F) {
	f.Add([]byte(`{"a":[{"resourceType":"Device"}],"b":"\\\"","resourceType":"Patient"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		got := flatten.LineType(line)
		var fields map[string]json.RawMessage
		if json.Unmarshal(line, &fields) != nil || bytes.Contains(line, []byte(`\`)) ||
			bytes.Count(line, []byte("resourceType")) > 1 {
			return
		}
		var want string
		_ = json.Unmarshal(fields["resourceType"], &want)
		if !flatten.IsResourceType(want) {
			want = ""
		}
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
}
