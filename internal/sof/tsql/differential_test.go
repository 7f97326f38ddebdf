package tsql_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/schema"
	"fhirsynapse/internal/sof/sofgen"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/sof/tsql/tsqltest"
	"fhirsynapse/views"
)

func agree(t *testing.T, v *sof.View, e tsql.Engine, lines [][]byte) int {
	t.Helper()
	body, err := tsql.Body(v, e, tsql.Shape{From: "[docs]"})
	if err != nil {
		t.Fatalf("%s: %v", v.Name, err)
	}
	want, err := tsqltest.NativeRows(v, lines)
	if err != nil {
		t.Fatalf("%s: %v", v.Name, err)
	}
	_, got, err := tsqltest.Run(body, standIn(e).dialect(), tsqltest.Documents("docs", lines))
	if err != nil {
		t.Fatalf("%s: %v", v.Name, err)
	}
	if d := tsqltest.Diff(v.Columns, want, got); d != "" {
		t.Errorf("%s on %s: the native engine (-) and the body (+) differ:\n%s", v.Name, e, d)
	}
	return len(got)
}

// lines are those that the tests of the bundled views know, and real ones where
// there are some.
func lines(t *testing.T, resource string) [][]byte {
	t.Helper()
	const most = 8
	out, err := tsqltest.Lines("../../..", resource, most)
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
				// the text that another engine's row count stands for already
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

// checkGenerated runs a generated view over generated lines, where the engine can
// say the view and the native engine takes the line.
func checkGenerated(t *testing.T, seed uint64) (rows int, refused error) {
	t.Helper()
	g := sofgen.New(seed, false)
	typ, _ := schema.R4().Type(sofgen.PickOne(g, "Patient", "QuestionnaireResponse"))
	src := g.View(typ)
	v, err := sof.Compile("v.json", src)
	if err != nil {
		return 0, nil //nolint:nilerr // some of what is generated makes no sense
	}
	e := sofgen.PickOne(g, tsql.Engines()...)
	body, err := tsql.Body(v, e, tsql.Shape{From: "[docs]"})
	if err != nil {
		return 0, err
	}
	for range 8 {
		line := g.Resource(typ)
		want, bad := tsqltest.NativeRows(v, [][]byte{line})
		_, got, err := tsqltest.Run(body, standIn(e).dialect(), tsqltest.Documents("docs", [][]byte{line}))
		if bad != nil {
			continue
		}
		if tsqltest.IsDataError(err) && len(want) == 0 {
			// more than one item in a row that is dropped by another condition: servers
			// are free to work it out first
			continue
		}
		if err != nil {
			t.Fatalf("seed %d: %v\n%s\n%s\n%s", seed, err, src, line, body)
		}
		if d := tsqltest.Diff(v.Columns, want, got); d != "" {
			t.Fatalf("seed %d on %s: the native engine (-) and the body (+) differ:\n%s\n%s\n%s\n%s", seed, e, d, src, line, body)
		}
		rows += len(got)
	}
	return rows, nil
}

func TestGeneratedViewsGiveTheRowsOfTheNativeEngine(t *testing.T) {
	t.Parallel()
	first := rand.Uint64() >> 1
	t.Logf("seeds from %d", first)
	const count = 150
	rows, refused := 0, 0
	reasons := map[string]int{}
	for i := range uint64(count) {
		n, err := checkGenerated(t, first+i)
		rows += n
		if err != nil {
			refused++
			for _, line := range strings.Split(err.Error(), "\n") {
				if _, reason, ok := strings.Cut(line, "cannot say this: "); ok {
					reasons[reason]++
				}
			}
		}
	}
	t.Logf("%d rows, %d of %d views refused: %v", rows, refused, count, reasons)
	if rows < 300 || refused > count/2 {
		t.Errorf("%d rows, %d of %d views refused: too little is compared", rows, refused, count)
	}
}

func FuzzGeneratedViewsGiveTheRowsOfTheNativeEngine(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { _, _ = checkGenerated(t, seed) })
}
