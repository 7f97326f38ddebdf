package flatview_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/flatview"
	"fhirsynapse/internal/sof/native"
	"fhirsynapse/internal/sof/schema"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func compiled(t *testing.T, resource string) *sof.View {
	t.Helper()
	text, err := flatview.Definition(resource)
	if err != nil {
		t.Fatal(err)
	}
	v, err := sof.Compile(resource+".json", text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// mostColumns is the most that a table of the dedicated pool may have.
const mostColumns = 1024

func TestEveryResourceTypeHasAView(t *testing.T) {
	t.Parallel()
	count := 0
	for _, resource := range schema.R4().Names(schema.Resource) {
		if !schema.R4().IsResource(resource) {
			continue
		}
		count++
		v := compiled(t, resource)
		if v.Resource != resource || v.Name != flatview.TableName(resource) {
			t.Errorf("%s: table %s of %s", resource, v.Name, v.Resource)
		}
		if v.Columns[0].Name != "id" || len(v.Columns) > mostColumns {
			t.Errorf("%s: %d columns, the first is %s", resource, len(v.Columns), v.Columns[0].Name)
		}
		member := len(schema.PatientCompartment(resource)) > 0
		named := func(c sof.Column) bool { return c.Name == "patient_id" && c.Class == sof.Key }
		if member && resource != "Patient" && !slices.ContainsFunc(v.Columns, named) {
			t.Errorf("%s is in the Patient compartment and has no key patient_id", resource)
		}
		for _, c := range v.Columns {
			if c.Collection {
				t.Errorf("%s.%s is a list", v.Name, c.Name)
			}
		}
	}
	if count < 140 {
		t.Errorf("%d resource types, R4 has more", count)
	}
}

func TestOnlyResourceTypesHaveAView(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"HumanName", "DomainResource", "Resource", "specimen", ""} {
		if _, err := flatview.Definition(name); err == nil {
			t.Errorf("%q has a view", name)
		}
	}
}

func TestDefinitions(t *testing.T) {
	t.Parallel()
	for _, resource := range []string{"Specimen", "Appointment", "FamilyMemberHistory"} {
		got, err := flatview.Definition(resource)
		if err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("testdata", flatview.TableName(resource)+".json")
		if *update {
			if err := os.WriteFile(golden, got, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), string(got)); d != "" {
			t.Errorf("%s: (-want +got)\n%s", resource, d)
		}
	}
}

func TestRows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, line, want string }{
		{
			"the first of what repeats, and parts of single elements",
			`{"resourceType":"Specimen","id":"s1","identifier":[{"system":"urn:lab","value":"7"},{"value":"8"}],
			"type":{"coding":[{"system":"urn:t","code":"blood","display":"Blood"},{"code":"other"}],"text":"EDTA"},
			"subject":{"reference":"Patient/p1"},"receivedTime":"2024-02-29T10:00:00+01:00","parent":[{"reference":"Specimen/s0"}],
			"collection":{"collector":{"reference":"Practitioner/d1"},"collectedPeriod":{"start":"2024-02"},"quantity":{"value":2.50,"unit":"ml"}},
			"note":[{"text":"haemolytic"}]}`,
			"id=s1 patient_id=p1 identifier=7 identifier_system=urn:lab type=blood type_system=urn:t " +
				"type_display=Blood type_text=EDTA received_time=2024-02-29T10:00:00+01:00 " +
				"parent_id=s0 collection_collector_id=d1 " +
				"collection_collected_start=2024-02 collection_quantity=2.50 collection_quantity_unit=ml " +
				"note=haemolytic",
		},
		{
			"the patient among the participants",
			`{"resourceType":"Appointment","id":"a1","status":"booked","start":"2024-03-01T08:00:00Z","participant":[
			{"actor":{"reference":"Practitioner/d1"},"status":"accepted"},{"actor":{"reference":"Patient/p1"},"status":"accepted"}]}`,
			"id=a1 patient_id=p1 status=booked start=2024-03-01T08:00:00Z",
		},
		{
			"names, contacts and addresses",
			`{"resourceType":"RelatedPerson","id":"r1","active":true,"patient":{"reference":"Patient/p1"},
			"name":[{"family":"Ng","given":["An","Li"]}],"telecom":[{"system":"phone","value":"1"}],"birthDate":"1960",
			"address":[{"line":["A 1","B"],"city":"C","postalCode":"02"}],"period":{"end":"2020-01-01"}}`,
			"id=r1 patient_id=p1 active=true name_family=Ng name_given=An Li telecom=1 telecom_system=phone " +
				"birth_date=1960 address_line=A 1, B address_city=C address_postal_code=02 period_end=2020-01-01",
		},
		{
			"every alternative of a choice",
			`{"resourceType":"MedicationStatement","id":"m1","status":"active","medicationReference":{"reference":"Medication/x"},
			"subject":{"reference":"Group/g1"},"effectiveDateTime":"2024-01-02"}`,
			"id=m1 status=active medication_id=x effective_time=2024-01-02",
		},
		{
			"a name that two elements would have",
			`{"resourceType":"Coverage","id":"c1","status":"active","subscriber":{"reference":"Patient/p2"},"subscriberId":"S",
			"beneficiary":{"reference":"Patient/p1"}}`,
			"id=c1 patient_id=p1 status=active subscriber_id=p2 subscriber_id_string=S",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			resource := strings.SplitN(c.line, `"`, 5)[3]
			if got := row(t, compiled(t, resource), c.line); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// row returns the cells of the row that a view makes of a line, without those that are NULL and the
// typed twins.
func row(t *testing.T, v *sof.View, line string) string {
	t.Helper()
	engine, err := native.New([]*sof.View{v})
	if err != nil {
		t.Fatal(err)
	}
	var cells []string
	_, err = engine.Evaluator().Eval(t.Context(), []byte(strings.ReplaceAll(line, "\n", "")),
		func(_ int, row [][]byte) error {
			for i, c := range v.Columns {
				if row[i] != nil && c.Kind != sof.Timestamp && c.Kind != sof.Date {
					cells = append(cells, c.Name+"="+string(row[i]))
				}
			}
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(cells, " ")
}

func TestCompartments(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ line, want string }{
		{`{"resourceType":"Observation","id":"a","subject":{"reference":"Patient/p1"},"performer":[
			{"reference":"Practitioner/d"},{"reference":"Patient/p2/_history/3"}]}`, "p1 p2"},
		{`{"resourceType":"Appointment","id":"a","participant":[{"actor":{"reference":"Location/l"}},
			{"actor":{"reference":"Patient/p1"}}]}`, "p1"},
		{`{"resourceType":"Observation","id":"a","subject":{"reference":"Group/g"}}`, ""},
		{
			`{"resourceType":"Task","id":"a","for":{"reference":"Patient/p1"},"focus":{"reference":"Patient/p3"}}`,
			"p1 p3",
		},
		{`{"resourceType":"Patient","id":"p1","link":[{"other":{"reference":"Patient/p2"}}]}`, "p1 p2"},
		{`{"resourceType":"Group","id":"a","member":[{"entity":{"reference":"Patient/p1"}},
			{"entity":{"reference":"Patient/p2"}}]}`, "p1 p2"},
	} {
		resource := strings.SplitN(c.line, `"`, 5)[3]
		if got := strings.Join(patients(t, resource, c.line), " "); got != c.want {
			t.Errorf("%s: patients %q, want %q", resource, got, c.want)
		}
	}
	compartments := 0
	for _, resource := range schema.R4().Names(schema.Resource) {
		text, err := flatview.Compartment(resource)
		if err != nil {
			t.Fatal(err)
		}
		if outside := len(schema.PatientCompartment(resource)) == 0; text == nil {
			if !outside {
				t.Errorf("%s has no compartment", resource)
			}
			continue
		}
		compartments++
		if _, err := sof.Compile(resource+".json", text); err != nil {
			t.Error(err)
		}
	}
	if compartments < 60 {
		t.Errorf("%d types are in the compartment", compartments)
	}
}

// patients returns the patients in whose compartment a line is.
func patients(t *testing.T, resource, line string) (ids []string) {
	t.Helper()
	text, err := flatview.Compartment(resource)
	if err != nil {
		t.Fatal(err)
	}
	v, err := sof.Compile(resource+".json", text)
	if err != nil {
		t.Fatal(err)
	}
	engine, err := native.New([]*sof.View{v})
	if err != nil {
		t.Fatal(err)
	}
	_, err = engine.Evaluator().Eval(t.Context(), []byte(strings.ReplaceAll(line, "\n", "")),
		func(_ int, row [][]byte) error {
			if row[0] != nil {
				ids = append(ids, string(row[0]))
			}
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}
