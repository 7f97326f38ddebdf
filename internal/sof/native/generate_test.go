package native

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/schema"
	"fhirsynapse/internal/testkit/randview"
)

// checkAgainstOracle runs one generated view over generated resources.
func checkAgainstOracle(t *testing.T, seed uint64) (rows int, faulty bool) {
	t.Helper()
	g := randview.New(seed, true)
	typ, _ := schema.R4().Type(randview.PickOne(g, "Patient", "QuestionnaireResponse"))
	src := g.View(typ)
	v, err := sof.Compile("v.json", src)
	if err != nil {
		if strings.Contains(err.Error(), "can never be equal") ||
			strings.Contains(err.Error(), "no value here") {
			return 0, false
		}
		t.Fatalf("seed %d: %s\n%v", seed, src, err)
	}
	e, err := New([]*sof.View{v})
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	eval := e.Evaluator()
	for range 8 {
		line := g.Resource(typ)
		var got [][]string
		_, err := eval.Eval(t.Context(), line, func(_ int, row [][]byte) error {
			var r []string
			for _, c := range row {
				if c == nil {
					r = append(r, "NULL")
					continue
				}
				r = append(r, string(c))
			}
			got = append(got, r)
			return nil
		})
		if err != nil {
			got = nil
		}
		want, oerr := (&oracle{}).view(v, line)
		if (err != nil) != (oerr != nil) {
			t.Fatalf("seed %d: the engine says %v, the oracle %v\n%s\n%s", seed, err, oerr, src,
				line)
		}
		faulty = faulty || err != nil
		if slices.EqualFunc(want, got, slices.Equal) {
			rows += len(got)
			continue
		}
		if d := cmp.Diff(normalRows(want), normalRows(got)); d != "" {
			t.Fatalf("seed %d: %s\n%s\n%s", seed, d, src, line)
		}
		rows += len(got)
	}
	return rows, faulty
}

// normalRows returns JSON cells with their members in one order.
func normalRows(rows [][]string) [][]string {
	var out [][]string
	for _, r := range rows {
		var cells []string
		for _, c := range r {
			if strings.HasPrefix(c, "{") || strings.HasPrefix(c, "[") {
				dec := json.NewDecoder(strings.NewReader(c))
				dec.UseNumber()
				var v any
				if dec.Decode(&v) == nil {
					c = text(v)
				}
			}
			cells = append(cells, c)
		}
		out = append(out, cells)
	}
	return out
}

func TestEngineAgreesWithThePlainEvaluator(t *testing.T) {
	t.Parallel()
	first := rand.Uint64()
	t.Logf("seeds from %d", first)
	rows, faulty := 0, 0
	const views = 500
	for i := range uint64(views) {
		n, f := checkAgainstOracle(t, first+i)
		rows += n
		if f {
			faulty++
		}
	}
	t.Logf("%d rows, %d of %d views met faulty data", rows, faulty, views)
	if rows < 1000 {
		t.Errorf("only %d rows: the generator makes nothing to compare", rows)
	}
}

func FuzzEngineAgreesWithThePlainEvaluator(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { checkAgainstOracle(t, seed) })
}

// Any expression that compiles must run on any line without a panic.
func FuzzAnyPathOnAnyLine(f *testing.F) {
	for _, c := range randview.Paths {
		f.Add(c.Text, []byte(randview.Patient))
	}
	f.Add("name.where($this = %resource.name).given.first().length() div 0",
		[]byte(`{"resourceType":"Patient","name":{"given":"x"}}`))
	f.Fuzz(func(t *testing.T, path string, line []byte) {
		src, err := json.Marshal(map[string]any{
			"resource": "Patient",
			"select": []any{
				map[string]any{"column": []any{map[string]any{
					"name": "v", "path": path, "collection": true,
				}}},
				map[string]any{
					"forEachOrNull": path,
					"column":        []any{map[string]any{"name": "w", "path": "$this"}},
				},
			},
		})
		if err != nil {
			t.Skip("the path is not UTF-8")
		}
		v, err := sof.Compile("v.json", src)
		if err != nil {
			return
		}
		e, err := New([]*sof.View{v}, IDOptional())
		if err != nil {
			t.Fatalf("%s compiles, but does not run: %v", path, err)
		}
		_, err = e.Evaluator().Eval(t.Context(), line, func(_ int, row [][]byte) error {
			if !json.Valid(row[0]) {
				t.Errorf("%s gives %s", path, row[0])
			}
			return nil
		})
		if err != nil && fault.Of(err) != fault.BadData {
			t.Errorf("%s: %v", path, err)
		}
	})
}
