package flatten_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof/flatview"
)

const (
	practitionerView = `{"resourceType":"ViewDefinition","name":"practitioner","resource":"Practitioner","status":"active","select":[{"column":[{"name":"id","path":"getResourceKey()"}]}]}`
	referenceView    = `{"resourceType":"ViewDefinition","name":"performer","resource":"Observation","status":"active","select":[{"forEach":"performer","column":[
		{"name":"id","path":"%resource.id"},{"name":"patient","path":"getReferenceKey(Patient)"}]}]}`
)

// newMembersFlattener returns a flattener that knows the Patient compartment.
func newMembersFlattener(t *testing.T, lake pipeline.Lake, block int) *flatten.Flattener {
	t.Helper()
	views := []string{patientView, codeView, referenceView, practitionerView}
	for _, resource := range []string{"Patient", "Observation"} {
		text, err := flatview.Compartment(resource)
		if err != nil {
			t.Fatal(err)
		}
		views = append(views, string(text))
	}
	f, err := flatten.NewFlattener(flatten.Options{
		Lake: lake, Views: compiled(t, views...), Block: block,
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Only resources in the compartments of members have rows. The others are counted as filtered.
func TestMembers(t *testing.T) {
	t.Parallel()
	const deleted = `"meta":{"lastUpdated":"2024-01-02T00:00:00Z","versionId":"2","extension":[{"url":"http://azurehealthcareapis.com/data-extensions/deleted-state","valueString":"soft-deleted"}]}`
	long := strings.Repeat(`{"reference":"Practitioner/x"},`, 400_000)
	for _, c := range []struct {
		typ   string
		lines []string
		done  pipeline.Done
		rows  map[string]int64
	}{
		{
			"Patient",
			[]string{
				`{"resourceType":"Patient","id":"in",` + meta + `}`,
				`{"resourceType":"Patient","id":"out",` + meta + `}`,
				`{"resourceType":"Patient","id":"gone",` + deleted + `}`,
				`{"resourceType":"Patient","id":"double",` + meta + `,"link":[{"other":{"reference":"Patient/in"},"type":"replaced-by"}]}`,
			},
			pipeline.Done{Lines: 4, Filtered: 1, Heads: 3, Deleted: 1},
			map[string]int64{"patient": 2, "compartment_patient": 3},
		},
		{
			"Observation",
			[]string{
				`{"resourceType":"Observation","id":"1",` + meta + `,"subject":{"reference":"Patient/in"}}`,
				`{"resourceType":"Observation","id":"2",` + meta + `,"subject":{"reference":"Patient/out"},"performer":[{"reference":"Practitioner/in"}]}`,
				`{"resourceType":"Observation","id":"3",` + meta + `,"subject":{"reference":"Patient/out"},"performer":[{"reference":"Patient/also/_history/2"}]}`,
				`{"resourceType":"Observation","id":"4",` + meta + `,"subject":{"reference":"Group/in"}}`,
				`{"resourceType":"Observation","id":"5",` + meta + `,"subject":{"identifier":{"value":"in"}}}`,
				`{"resourceType":"Observation","id":"6",` + deleted + `}`,
				`{"resourceType":"Observation","id":"not an id",` + meta + `,"subject":{"reference":"Patient/out"}}`,
				`{"resourceType":"Observation","id":"7",` + meta + `,"performer":[` + long + `{"reference":"Patient/out"}]}`,
				`{"resourceType":"Observation","id":"8",` + meta + `,"performer":[` + long + `{"reference":"Patient/in"}]}`,
			},
			pipeline.Done{Lines: 9, Filtered: 4, Quarantined: 1, Heads: 4, Deleted: 1},
			map[string]int64{"obs": 3, "performer": 1 + 400_001, "compartment_observation": 4},
		},
		{
			"Practitioner",
			[]string{`{"resourceType":"Practitioner","id":"x",` + meta + `}`},
			pipeline.Done{Lines: 1, Heads: 1},
			map[string]int64{"practitioner": 1},
		},
	} {
		for _, block := range []int{0, 16 << 10} {
			t.Run(fmt.Sprint(c.typ, " in blocks of ", block), func(t *testing.T) {
				t.Parallel()
				in := patients("d")
				in.Type = c.typ
				in.Members = pipeline.Members{"in": {}, "also": {}}
				done, err := newMembersFlattener(t, newLake(), block).Flatten(t.Context(), in,
					strings.NewReader(strings.Join(c.lines, "\n")))
				if err != nil {
					t.Fatal(err)
				}
				got := pipeline.Done{
					Lines: done.Lines, Filtered: done.Filtered, Quarantined: done.Quarantined,
					Heads: done.Heads, Deleted: done.Deleted,
				}
				if d := cmp.Diff(c.done, got); d != "" {
					t.Errorf("counts (-want +got):\n%s", d)
				}
				if d := cmp.Diff(c.rows, done.Rows); d != "" {
					t.Errorf("rows (-want +got):\n%s", d)
				}
			})
		}
	}
}

// A flattener that serves plans with and without a cohort keeps them apart.
func TestMembersOfOneFileDoNotFilterAnother(t *testing.T) {
	t.Parallel()
	f := newMembersFlattener(t, newLake(), 0)
	line := `{"resourceType":"Patient","id":"a",` + meta + `}`
	for i, members := range []pipeline.Members{nil, {"b": {}}, nil, {"a": {}}} {
		in := patients(fmt.Sprint("d", i))
		in.Members = members
		done, err := f.Flatten(t.Context(), in, strings.NewReader(line))
		if err != nil {
			t.Fatal(err)
		}
		want := int64(0)
		if members != nil && !members.Has([]byte("a")) {
			want = 1
		}
		if done.Filtered != want {
			t.Errorf("file %d: %d lines are filtered, want %d", i, done.Filtered, want)
		}
	}
}
