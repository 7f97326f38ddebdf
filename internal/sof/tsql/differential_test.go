package tsql_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"fhirsynapse/internal/emulator/sqlserver/eval"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/flatview"
	"fhirsynapse/internal/sof/schema"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/testkit/randview"
	"fhirsynapse/internal/testkit/tsqleval"
	"fhirsynapse/views"
)

func agree(t *testing.T, v *sof.View, e tsql.Engine, lines [][]byte) int {
	t.Helper()
	body, err := tsql.Body(v, e, tsql.Shape{From: "[docs]"})
	if err != nil {
		t.Fatalf("%s: %v", v.Name, err)
	}
	want, err := tsqleval.NativeRows(v, lines)
	if err != nil {
		t.Fatalf("%s: %v", v.Name, err)
	}
	_, got, err := tsqleval.Run(body, standIn(e).dialect(), tsqleval.Documents("docs", lines))
	if err != nil {
		t.Fatalf("%s: %v", v.Name, err)
	}
	if d := tsqleval.Diff(v.Columns, want, got); d != "" {
		t.Errorf("%s on %s: the native engine (-) and the body (+) differ:\n%s", v.Name, e, d)
	}
	return len(got)
}

// lines returns the lines from the tests of the bundled views, and real ones if there are any.
func lines(t *testing.T, resource string) [][]byte {
	t.Helper()
	const most = 8
	out, err := tsqleval.Lines("../../..", resource, most)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestBundledViewsGiveTheRowsOfTheNativeEngine(t *testing.T) {
	t.Parallel()
	all, err := views.Bundled()
	if err != nil {
		t.Fatal(err)
	}
	rows, bodies := 0, 0
	for _, v := range all {
		seen := map[string]bool{}
		for _, e := range tsql.Engines() {
			body, err := tsql.Body(v, e, tsql.Shape{From: "[docs]"})
			if err != nil {
				t.Fatalf("%s: %v", v.Name, err)
			}
			if seen[body] {
				// the same text was already compared for another engine
				continue
			}
			seen[body] = true
			bodies++
			rows += agree(t, v, e, lines(t, v.Resource))
		}
	}
	t.Logf("%d views, %d different bodies, %d rows", len(all), bodies, rows)
	if rows < 500 {
		t.Errorf("only %d rows: there is nothing to compare", rows)
	}
}

// Flat views and compartments of all resource types, over random resources, on one engine after the
// other.
func TestFlatViewsGiveTheRowsOfTheNativeEngine(t *testing.T) {
	t.Parallel()
	const each = 4
	engines := tsql.Engines()
	rows := 0
	for i, resource := range schema.R4().Names(schema.Resource) {
		if !schema.R4().IsResource(resource) {
			continue
		}
		typ, _ := schema.R4().Type(resource)
		g := randview.New(uint64(i), false)
		var documents [][]byte
		for range each {
			documents = append(documents, g.Resource(typ))
		}
		for _, made := range []func(string) ([]byte, error){
			flatview.Definition, flatview.Compartment,
		} {
			text, err := made(resource)
			if err != nil {
				t.Fatal(err)
			}
			if text == nil {
				continue
			}
			v, err := sof.Compile(resource+".json", text)
			if err != nil {
				t.Fatal(err)
			}
			rows += agree(t, v, engines[i%len(engines)], documents)
		}
	}
	if rows < 500 {
		t.Errorf("only %d rows: there is nothing to compare", rows)
	}
}

// comparison counts the results of generated views.
type comparison struct {
	rows, lines int
	// refused counts views that the engine cannot express. early counts lines that make the
	// statement fail for a value that the native engine never reaches: servers may compute a value
	// although a condition before it makes the value needless.
	refused, early int
	reasons        map[string]int
}

// generated runs a generated view over generated lines, if the engine can express the view and the
// native engine accepts the line.
func (c *comparison) generated(t *testing.T, seed uint64) {
	t.Helper()
	g := randview.New(seed, false)
	g.Clocks = true
	typ, _ := schema.R4().Type(randview.PickOne(g, "Patient", "QuestionnaireResponse"))
	src := g.View(typ)
	v, err := sof.Compile("v.json", src)
	if err != nil {
		// some generated views make no sense
		return
	}
	e := randview.PickOne(g, tsql.Engines()...)
	body, err := tsql.Body(v, e, tsql.Shape{From: "[docs]"})
	if err != nil {
		c.refused++
		for _, line := range strings.Split(err.Error(), "\n") {
			if _, reason, ok := strings.Cut(line, "cannot say this: "); ok {
				c.reasons[reason]++
			}
		}
		return
	}
	for range 8 {
		line := g.Resource(typ)
		want, bad := tsqleval.NativeRows(v, [][]byte{line})
		if bad != nil {
			continue
		}
		c.lines++
		_, got, err := tsqleval.Run(body, standIn(e).dialect(),
			tsqleval.Documents("docs", [][]byte{line}))
		switch {
		case eval.IsDataError(err):
			c.early++
			continue
		case err != nil:
			t.Fatalf("seed %d: %v\n%s\n%s\n%s", seed, err, src, line, body)
		}
		if d := tsqleval.Diff(v.Columns, want, got); d != "" {
			t.Fatalf("seed %d on %s: the native engine (-) and the body (+) differ:\n%s\n%s\n%s\n%s", seed, e, d, src, line, body)
		}
		c.rows += len(got)
	}
}

func TestGeneratedViewsGiveTheRowsOfTheNativeEngine(t *testing.T) {
	t.Parallel()
	first := rand.Uint64() >> 1
	t.Logf("seeds from %d", first)
	const count = 150
	c := comparison{reasons: map[string]int{}}
	for i := range uint64(count) {
		c.generated(t, first+i)
	}
	t.Logf("%d rows of %d lines, %d early faults, %d of %d views refused: %v", c.rows, c.lines,
		c.early, c.refused, count, c.reasons)
	if c.rows < 200 || c.refused > count/3 || c.early > c.lines/50 {
		t.Error("too little is compared")
	}
}

func FuzzGeneratedViewsGiveTheRowsOfTheNativeEngine(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) {
		c := comparison{reasons: map[string]int{}}
		c.generated(t, seed)
	})
}
