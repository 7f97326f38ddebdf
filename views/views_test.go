package views

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"fhirsynapse/internal/sof"
)

func TestBundledViewsCompile(t *testing.T) {
	t.Parallel()
	views, err := Bundled()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range views {
		if v.Description == "" {
			t.Errorf("%s has no description", v.Name)
		}
		for _, c := range v.Columns {
			if c.Description == "" {
				t.Errorf("%s.%s has no description", v.Name, c.Name)
			}
		}
	}
}

func TestAFolderReplacesAndAddsTables(t *testing.T) {
	t.Parallel()
	column := `"select":[{"column":[{"name":"only","path":"id"}]}]}`
	got, err := Load(fstest.MapFS{
		"patient.json": {Data: []byte(`{"name":"patient","resource":"Patient",` + column)},
		"mine.json":    {Data: []byte(`{"resource":"Observation",` + column)},
		"notes.txt":    {Data: []byte("not a view")},
	})
	if err != nil {
		t.Fatal(err)
	}
	all, err := Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(all)+1 {
		t.Errorf("%d views, want one more than %d", len(got), len(all))
	}
	found := 0
	for _, v := range got {
		if (v.Name == "patient" || v.Name == "mine") && len(v.Columns) == 1 {
			found++
		}
	}
	if found != 2 {
		t.Errorf("%d of the two tables of the folder are there", found)
	}
}

func TestTypesWithoutAViewHaveAFlatTable(t *testing.T) {
	t.Parallel()
	column := `"select":[{"column":[{"name":"only","path":"id"}]}]}`
	own := fstest.MapFS{
		"tubes.json":  {Data: []byte(`{"name":"tubes","resource":"Specimen",` + column)},
		"flag.json":   {Data: []byte(`{"name":"flag","resource":"Task",` + column)},
		"basics.json": {Data: []byte(`{"name":"basics","resource":"Basic",` + column)},
	}
	for _, c := range []struct {
		extra  fs.FS
		want   []string
		absent []string
	}{
		{nil, []string{"specimen", "related_person", "flag", "task", "patient"}, nil},
		{own, []string{"tubes", "flag", "related_person"}, []string{"specimen", "task", "basic"}},
	} {
		all, err := Load(c.extra)
		if err != nil {
			t.Fatal(err)
		}
		names := map[string]string{}
		var before string
		for _, v := range all {
			names[v.Name] = v.Resource
			if v.Name <= before {
				t.Errorf("%s comes after %s", v.Name, before)
			}
			before = v.Name
		}
		for _, name := range c.want {
			if names[name] == "" {
				t.Errorf("there is no table %s", name)
			}
		}
		for _, name := range c.absent {
			if names[name] != "" {
				t.Errorf("there is a table %s beside that of the folder", name)
			}
		}
		if c.extra != nil && names["flag"] != "Task" {
			t.Errorf("the table flag is of %s, not of the folder's view", names["flag"])
		}
	}
}

func TestNamed(t *testing.T) {
	t.Parallel()
	for table, want := range map[string]string{
		"observation_component": "Observation", "specimen": "Specimen",
		"related_person": "RelatedPerson",
	} {
		v, err := Named(table)
		if err != nil || v.Name != table || v.Resource != want {
			t.Errorf("%s: %v, %v", table, v, err)
		}
	}
	for _, table := range []string{"", "Specimen", "human_name", "../views"} {
		if _, err := Named(table); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v, want that it does not exist", table, err)
		}
	}
}

func TestNamesOfOtherTablesAreReserved(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"etl_exports", "Compartment_observation"} {
		text := `{"resourceType":"ViewDefinition","name":"` + name +
			`","status":"active","resource":"Patient","select":[{"column":[{"name":"id","path":"id"}]}]}`
		_, err := Load(fstest.MapFS{name + ".json": {Data: []byte(text)}})
		if err == nil || !strings.Contains(err.Error(), "another name") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFaultsOfAllFilesComeAtOnce(t *testing.T) {
	t.Parallel()
	_, err := Load(fstest.MapFS{
		"a.json": {
			Data: []byte(`{"resource":"Patient","select":[{"column":[{"name":"x","path":"nmae"}]}]}`),
		},
		"b.json": {
			Data: []byte(`{"name":"c","resource":"Patient","select":[{"column":[{"name":"x","path":"id"}]}]}`),
		},
		"Patient.json": {
			Data: []byte(`{"resource":"Patient","select":[{"column":[{"name":"x","path":"id"}]}]}`),
		},
	})
	for _, want := range []string{
		"a.json: select[0].column[0].path:1:1: Patient has no element nmae; did you mean name?",
		"b.json: name: the file is named b, the view c",
		"patient.json: name: the table is made by Patient.json already",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}

// A cold start of the handler pays this once.
func BenchmarkCompileAllBundledViews(b *testing.B) {
	for b.Loop() {
		if _, err := Bundled(); err != nil {
			b.Fatal(err)
		}
	}
}

func TestMarkdownNamesEveryColumn(t *testing.T) {
	t.Parallel()
	views, err := Load(
		fstest.MapFS{
			"mine.json": {
				Data: []byte(`{"resource":"Observation","description":"Mine.","select":[{"column":[
		{"name":"a","path":"value.ofType(Quantity).value","type":"decimal","description":"x | y"},
		{"name":"b","path":"category.text","type":"string","collection":true,"description":"z"}]}]}`),
			},
		})
	if err != nil {
		t.Fatal(err)
	}
	text := Markdown(views)
	for _, want := range []string{
		"\n## mine\n\nMine. From `Observation`.\n", "| `a` | decimal(38,18) | x \\| y |\n",
		"| `b` | list, as JSON text | z |\n",
		"| `patient_id` | key | Id of the patient; joins patient.id. |\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
}

// The prefix in HL7's file names is not part of the table name.
func TestViewsAsHL7PublishesThem(t *testing.T) {
	t.Parallel()
	const name = "ViewDefinition-PatientAddresses.json"
	text, err := os.ReadFile("../internal/sof/tsql/testdata/ballot/" + name)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Dir(fstest.MapFS{name: {Data: text}})
	if err != nil || len(got) != 1 {
		t.Errorf("%d views, %v", len(got), err)
	}
}

// A date may be partial, so its column is a text. The twin is for what needs a day.
func TestTypesOfDatesHaveATwin(t *testing.T) {
	t.Parallel()
	all, err := Bundled()
	if err != nil {
		t.Fatal(err)
	}
	dates := 0
	for _, v := range all {
		kinds := map[string]sof.Kind{}
		for _, c := range v.Columns {
			kinds[c.Name] = c.Kind
		}
		for _, c := range v.Columns {
			if c.FHIRType != "date" || c.Kind != sof.Text {
				continue
			}
			dates++
			if kinds[c.Name+"_day"] != sof.Date {
				t.Errorf("%s.%s has no twin of days", v.Name, c.Name)
			}
		}
	}
	if dates < 10 {
		t.Errorf("%d dates", dates)
	}
}
