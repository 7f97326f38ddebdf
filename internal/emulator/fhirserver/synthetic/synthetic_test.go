package synthetic_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/emulator/fhirserver/search"
	"fhirsynapse/internal/emulator/fhirserver/synthetic"
	"fhirsynapse/views"
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
		if err := synthetic.Generate(synthetic.Options{
			Seed: seed, Patients: 20,
		}, func(_ string, line []byte) error {
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

// made is a resource with its references.
type made struct {
	typ, id    string
	line       []byte
	references []string
}

var (
	reference = regexp.MustCompile(`"reference": *"([^"]+)"`)
	contained = regexp.MustCompile(`"contained":\[\{"resourceType":"[A-Za-z]+","id":"([^"]+)"`)
)

// resources returns all resources by type/id, with the references to others.
func resources(t *testing.T, o synthetic.Options) map[string]made {
	t.Helper()
	out := map[string]made{}
	for typ, lines := range generate(t, o) {
		for _, line := range lines {
			var r struct{ ResourceType, ID string }
			if !json.Valid(line) || json.Unmarshal(line, &r) != nil || r.ResourceType != typ ||
				bytes.ContainsAny(line, "\r\n") {
				t.Fatalf("not one line of a %s", typ)
			}
			m := made{typ: typ, id: r.ID, line: line}
			for _, ref := range reference.FindAllSubmatch(line, -1) {
				if inside, is := strings.CutPrefix(string(ref[1]), "#"); !is {
					m.references = append(m.references, string(ref[1]))
				} else if c := contained.FindSubmatch(line); c == nil || string(c[1]) != inside {
					t.Errorf("a %s has no contained resource #%s", typ, inside)
				}
			}
			key := typ + "/" + r.ID
			if _, twice := out[key]; twice {
				t.Fatalf("an id of %s comes twice", typ)
			}
			out[key] = m
		}
	}
	return out
}

func TestEveryLineIsAResourceAndEveryReferenceResolves(t *testing.T) {
	t.Parallel()
	all := resources(t, synthetic.Options{Seed: 3, Patients: 60})
	for _, m := range all {
		for _, r := range m.references {
			if _, there := all[r]; !there {
				t.Errorf("the reference of a %s to %s leads nowhere", m.typ, r)
			}
		}
	}
}

func TestEveryTypeOfABundledViewIsMadeAndNoOther(t *testing.T) {
	t.Parallel()
	all, err := views.Bundled()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, v := range all {
		want[v.Resource] = true
	}
	got := generate(t, synthetic.Options{Seed: 3, Patients: 12})
	for typ := range want {
		if len(got[typ]) < 3 { // one to change, one to delete, and one that stays
			t.Errorf("%d of %s, want at least 3", len(got[typ]), typ)
		}
	}
	for typ := range got {
		if !want[typ] {
			t.Errorf("no view reads %s", typ)
		}
	}
}

// TestResourcesStayWithTheirPatient checks the patients' compartments, from which an export of a
// patient or a Group takes its data: a resource about a patient must be in the patient's
// compartment, and must not refer to another patient's data.
func TestResourcesStayWithTheirPatient(t *testing.T) {
	t.Parallel()
	all := resources(t, synthetic.Options{Seed: 4, Patients: 60})
	for _, m := range all {
		if m.typ == "Group" || m.typ == "Patient" || !search.InCompartment(m.typ) {
			continue
		}
		patients := search.Patients(m.typ, m.id, m.line)
		if len(patients) != 1 {
			t.Errorf("a %s is in the compartments of %d patients, want 1", m.typ, len(patients))
			continue
		}
		for _, r := range m.references {
			if to := all[r]; to.typ != "Group" && search.InCompartment(to.typ) &&
				!slices.Contains(search.Patients(to.typ, to.id, to.line), patients[0]) {
				t.Errorf("a %s refers to a %s of another patient", m.typ, to.typ)
			}
		}
	}
}

func TestPatientsComeInDozensWithTheirGroup(t *testing.T) {
	t.Parallel()
	for patients, want := range map[int]int{0: 0, 1: 12, 12: 12, 13: 24, 30: 36} {
		lines := generate(t, synthetic.Options{Seed: 1, Patients: patients})
		if n := len(lines["Patient"]); n != want {
			t.Errorf("%d patients, want %d", n, want)
		}
		most := 0
		for _, line := range lines["Group"] {
			members, err := search.Members(line, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
				func(string) []byte { return nil })
			if err != nil {
				t.Error(err)
			}
			most = max(most, len(members))
		}
		if most != min(want, 12) {
			t.Errorf("the biggest Group has %d patients, want %d", most, min(want, 12))
		}
	}
}

func TestTheOdditiesAreThere(t *testing.T) {
	t.Parallel()
	lines := generate(t, synthetic.Options{Seed: 1, Patients: 12})
	all := map[string]string{}
	lower := map[string]int{}
	for typ, ls := range lines {
		all[typ] = string(bytes.Join(ls, []byte("\n")))
		for _, l := range ls {
			var r struct{ ID string }
			if err := json.Unmarshal(l, &r); err != nil {
				t.Fatal(err)
			}
			lower[strings.ToLower(typ+r.ID)]++
		}
	}
	for typ, wants := range map[string][]string{
		"Patient": {
			`"_birthDate":{"extension"`, `us-core-race`,
			`,null],"_given":[null,{`, `"birthDate":"1970"`, `"birthDate":"1970-06"`, `佐藤`,
			`\ud842\udfb7`, `","`, `"meta":{"profile"`,
		},
		"Observation": {
			`72166-2`, `8517006`, `"value":1.10`, `"value":0.0`, `"component":[`,
			`\ud83d\ude80`, `🚀`, `\"fine\"`,
		},
		"MedicationRequest": {`"contained":[`, `"#med"`},
		"Organization":      {`"resourceType": "Organization"`},
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
	pairs := 0
	for _, n := range lower {
		pairs += n - 1
	}
	if pairs != 2 {
		t.Errorf("%d ids differ from another one by case only, want 2", pairs)
	}
}
