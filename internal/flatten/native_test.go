package flatten_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/testkit/pipelinetest"
)

func compiled(t *testing.T, texts ...string) flatten.Native {
	t.Helper()
	var views []*sof.View
	for _, text := range texts {
		v, err := sof.Compile("view.json", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		views = append(views, v)
	}
	return func(p string) ([]*sof.View, error) {
		if p != plan && p != pipelinetest.FlattenerPlan {
			return nil, fault.Permanentf("no plan %s", p)
		}
		return views, nil
	}
}

func TestFlattener(t *testing.T) {
	t.Parallel()
	pipelinetest.TestFlattener(t, func(t *testing.T, lake pipeline.Lake) pipeline.Flattener {
		t.Helper()
		f, err := flatten.NewFlattener(flatten.Options{
			Lake: lake, Views: compiled(t, patientView), Evaluators: 2, Block: 16 << 10,
			RowGroup: 64 << 10,
		})
		if err != nil {
			t.Fatal(err)
		}
		return f
	})
}

const (
	patientView = `{"resourceType":"ViewDefinition","name":"patient","resource":"Patient","status":"active","select":[{"column":[
		{"name":"id","path":"getResourceKey()"},{"name":"family","path":"name.family.first()","description":"of the first name"}]}]}`
	codeView = `{"resourceType":"ViewDefinition","name":"obs","resource":"Observation","status":"active","select":[{"column":[{"name":"id","path":"getResourceKey()"}]}]}`
	nameView = `{"resourceType":"ViewDefinition","name":"patient_name","resource":"Patient","status":"active","select":[{"forEach":"name","column":[
		{"name":"id","path":"%resource.id"},{"name":"family","path":"family"}]}]}`
)

func TestTheNativeEngineFillsTheFiles(t *testing.T) {
	t.Parallel()
	lake := newLake()
	v := compiled(t, patientView, codeView, nameView)
	f, err := flatten.NewFlattener(flatten.Options{Lake: lake, Views: v})
	if err != nil {
		t.Fatal(err)
	}
	in := `{"resourceType":"Patient","id":"a",` + meta +
		`,"name":[{"family":"Doe"},{"family":"Roe"}]}
{"resourceType":"Observation","id":"o",` + meta + `}
{"resourceType":"OperationOutcome","issue":[]}
{"resourceType":"Patient","id":"b","meta":{"lastUpdated":"2024-01-02T00:00:00Z","versionId":"2","extension":[{"url":"http://azurehealthcareapis.com/data-extensions/deleted-state","valueString":"soft-deleted"}]}}
`
	done, err := f.Flatten(t.Context(), patients("d"), strings.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	if done.Heads != 2 || done.Deleted != 1 || done.Quarantined != 2 || done.Rows["patient"] != 1 ||
		done.Rows["patient_name"] != 2 {
		t.Errorf("done: %+v", done)
	}
	tables, err := v.Tables(plan)
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for r, err := range flatten.Rows(t.Context(), lake, "d", tables[2]) {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r.ID+" "+string(r.Cells[0])+" "+string(r.Cells[1]))
	}
	if d := cmp.Diff([]string{"a a Doe", "a a Roe"}, rows); d != "" {
		t.Errorf("names (-want +got):\n%s", d)
	}
}

func TestTheFingerprintTellsWhatViewsDo(t *testing.T) {
	t.Parallel()
	print := func(texts ...string) string {
		s, err := compiled(t, texts...).ViewSet(plan)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	same := print(patientView, nameView)
	for name, other := range map[string]string{
		"spaces": print(strings.ReplaceAll(patientView, ",", ", "), nameView),
		"descriptions": print(strings.ReplaceAll(patientView, "of the first", "the first"),
			nameView),
	} {
		if other != same {
			t.Errorf("%s make another view set", name)
		}
	}
	for name, other := range map[string]string{
		"one view less": print(patientView),
		"a path": print(strings.ReplaceAll(patientView, "name.family.first()",
			"name.given.first()"), nameView),
		"a literal": print(strings.ReplaceAll(patientView, "name.family.first()",
			"name.where(use='a').family.first()"), nameView),
		"its value": print(strings.ReplaceAll(patientView, "name.family.first()",
			"name.where(use='b').family.first()"), nameView),
		"a name": print(strings.ReplaceAll(patientView, `"family"`, `"last"`), nameView),
		"a loop": print(patientView, strings.ReplaceAll(nameView, `forEach"`, `forEachOrNull"`)),
	} {
		if other == same {
			t.Errorf("%s does not make another view set", name)
		}
	}
}
