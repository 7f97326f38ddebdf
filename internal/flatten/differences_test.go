package flatten_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/emulator/fhirserver/synthetic"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
	bundled "fhirsynapse/views"
)

// flattened returns the counts of a file of patients, in blocks of a few lines.
func flattened(t *testing.T, lines ...string) pipeline.Done {
	t.Helper()
	f, err := flatten.NewFlattener(flatten.Options{
		Lake: newLake(), Views: compiled(t, patientView), Block: 1 << 10,
	})
	if err != nil {
		t.Fatal(err)
	}
	done, err := f.Flatten(t.Context(), patients("s/p@1"),
		strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func TestDifferencesFromR4AreCounted(t *testing.T) {
	t.Parallel()
	line := func(members string) string {
		return `{"resourceType":"Patient","id":"a",` + meta + `,` + members + `}`
	}
	lines := []string{
		line(`"name":[{"family":"Doe"}],"gender":"male","active":true`),
		`{"resourceType":"Patient","gender":["x"],"animal":{}}`,             // bad
		`{"resourceType":"Patient","id":"a","gender":["x"],"animal":{},}`,   // also bad
		`{"resourceType":"Observation","id":"a","gender":["x"],"animal":5}`, // of another type
		`{"resourceType":"Patient","id":"a","meta":{"lastUpdated":"2024-01-01T00:00:00Z","tag":[{"code":"SUBSETTED"}]},"animal":{}}`,
		line(`"gender":{"x":1}`),
	}
	for range 50 {
		lines = append(lines,
			line(`"name":{"family":"Doe"},"gender":["male"],"animal":{},"Jane Doe":5`))
	}
	done := flattened(t, lines...)
	want := pipeline.ValueCounts{
		OtherVersion: map[string]int64{"Patient": 51},
		Shapes:       map[string]int64{"Patient.name": 50, "Patient.gender": 51},
		Lists:        map[string]int64{"Patient.gender": 50},
		NoLists:      map[string]int64{"Patient.name": 50},
		Unknown:      map[string]int64{"Patient.animal": 50, "Patient.*": 50},
	}
	if d := cmp.Diff(want,
		done.ValueCounts); d != "" || done.Quarantined != 3 || done.Filtered != 1 ||
		done.Heads != 52 {
		t.Errorf("%d bad, %d filtered, %d heads, %s", done.Quarantined, done.Filtered, done.Heads,
			d)
	}
}

func TestNamesThatR4DoesNotHaveAreBounded(t *testing.T) {
	t.Parallel()
	var lines []string
	for i := range 5000 {
		lines = append(lines,
			fmt.Sprintf(`{"resourceType":"Patient","id":"a",%s,"name%d":1}`, meta, i))
	}
	done := flattened(t, lines...)
	if n := len(done.Unknown); n != 101 || done.Unknown["Patient.*"] != 4900 ||
		done.Unknown["Patient.name7"] != 1 || done.OtherVersion["Patient"] != 5000 {
		t.Errorf("%d names, %d others", n, done.Unknown["Patient.*"])
	}
}

func TestMadeUpDataHasNoDifferences(t *testing.T) {
	t.Parallel()
	set, err := bundled.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := flatten.NewFlattener(flatten.Options{
		Lake: newLake(), Views: flatten.Native(func(string) ([]*sof.View, error) {
			return set, nil
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]*strings.Builder{}
	err = synthetic.Generate(synthetic.Options{
		Seed: 7, Patients: 24,
	}, func(typ string, line []byte) error {
		if files[typ] == nil {
			files[typ] = &strings.Builder{}
		}
		files[typ].Write(append(line, '\n'))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var heads int64
	for typ, text := range files {
		in := pipeline.Flattening{
			Plan: plan, Export: "e", Type: typ, Path: "x", Dir: "s/" + typ,
			LastUpdated: time.Unix(0, 0),
		}
		done, err := f.Flatten(t.Context(), in, strings.NewReader(text.String()))
		if err != nil {
			t.Fatal(err)
		}
		heads += done.Heads
		if len(done.OtherVersion) > 0 || len(done.Shapes) > 0 || len(done.Unknown) > 0 {
			t.Errorf("%s: %v, %v", typ, done.Shapes, done.Unknown)
		}
	}
	if heads < 500 {
		t.Errorf("%d resources", heads)
	}
}

// Inside elements all lines of a small file and a sample of a large one are compared.
func TestDifferencesInsideElementsAreCounted(t *testing.T) {
	t.Parallel()
	var lines []string
	for i := range 1300 {
		lines = append(lines,
			fmt.Sprintf(`{"resourceType":"Patient","id":"a%d",%s,"contact":[{"person":{}},{"name":[{}]}]}`, i, meta))
	}
	done := flattened(t, lines...)
	const compared = 1000 + 1300/64 - 1000/64
	want := pipeline.ValueCounts{
		OtherVersion: map[string]int64{"Patient": compared},
		Shapes:       map[string]int64{"Patient.contact.name": compared},
		Lists:        map[string]int64{"Patient.contact.name": compared},
		Unknown:      map[string]int64{"Patient.contact.person": compared},
	}
	if d := cmp.Diff(want, done.ValueCounts); d != "" || done.Heads != 1300 {
		t.Errorf("%d heads, %s", done.Heads, d)
	}
}
